import type { TensorSource, Value } from '../../../tensor.ts';
import { type Bench, defineLayer, type Layer } from '../../layer.ts';
import { axisIn, elementwise, type KerasTensor } from '../../layout.ts';
import { readIntegers } from '../../read.ts';
import { computed } from '../../weights.ts';
import { axesOf, broadcastAlong } from './axes.ts';

interface Parts {
  readonly x: KerasTensor;
  /** Of the Keras shape. */
  readonly axes: readonly number[];
  readonly epsilon: number;
  readonly gamma: TensorSource | undefined;
  readonly beta: TensorSource | undefined;
  readonly parameter: (name: string, source: TensorSource, form?: string) => Value;
}

/**
 * LayerNormalization: gamma · (x - mean) / sqrt(variance + epsilon) + beta, over some axes of each sample.
 *
 * One LayerNormalization node where they are the last of the value. rms_scaling (Keras 3) leaves the mean where it is.
 * Source: keras/src/layers/normalization/layer_normalization.py.
 */
export const layerNormalization: Layer = defineLayer({
  keras: ['LayerNormalization'],
  mask: 'passes',
  read: (config) => ({
    axes: readIntegers(config, 'axis', [-1]),
    epsilon: config.number('epsilon', 1e-3),
    isRms: config.boolean('rms_scaling', false),
    hasScale: config.boolean('scale', true),
    hasOffset: config.boolean('center', true),
  }),
  weights({ axes, isRms, hasScale, hasOffset }, input) {
    const shape = axesOf(axes, input.length).map((axis) => Number(input[axis] ?? 1));
    return {
      gamma: hasScale || isRms ? shape : undefined,
      beta: hasOffset && !isRms ? shape : undefined,
    };
  },
  emit({ config, input, weights, parameter, ...bench }) {
    const axes = axesOf(config.axes, input.shape.length);
    const isOneAxis = axes.length === 1 && input.layout.kind !== 'flat';
    const x = isOneAxis ? bench.layouts.padded(input) : bench.layouts.keras(input);
    const parts = { x, axes, epsilon: config.epsilon, ...weights, parameter };
    if (!config.isRms && isTrailing(x, axes)) return elementwise(x, oneNode(parts, bench));
    return elementwise(x, decomposed(parts, config.isRms, bench));
  },
});

function isTrailing(x: KerasTensor, axes: readonly number[]): boolean {
  const rank = x.value.shape.length;
  return axes.every((axis, i) => axisIn(x, axis) === rank - axes.length + i);
}

function oneNode({ x, axes, epsilon, gamma, beta, parameter }: Parts, { graph }: Bench): Value {
  const shape = axes.map((axis) => Number(x.shape[axis] ?? 1));
  const size = shape.reduce((a, b) => a * b, 1);
  const ones = (): TensorSource => computed(shape, () => new Float32Array(size).fill(1));
  const scale = parameter('gamma', gamma ?? ones());
  return graph.add(
    'LayerNormalization',
    beta ? [x.value, scale, parameter('beta', beta)] : [x.value, scale],
    { axis: -axes.length, epsilon },
  );
}

function decomposed(
  { x, axes, epsilon, gamma, beta, parameter }: Parts,
  isRms: boolean,
  { graph }: Bench,
): Value {
  const over = { axes: axes.map((axis) => axisIn(x, axis)), keepdims: 1 } as const;
  const centred = graph.add('Sub', [x.value, graph.add('ReduceMean', [x.value], over)]);
  const variance = graph.add('ReduceMean', [graph.add('Mul', [centred, centred])], over);
  const sum = graph.add('Add', [variance, graph.floats('epsilon', [epsilon])]);
  const normal = graph.add('Div', [isRms ? x.value : centred, graph.add('Sqrt', [sum])]);
  const form = x.layout.kind;
  const scaled = gamma
    ? graph.add('Mul', [normal, parameter('gamma', broadcastAlong(gamma, x, axes), form)])
    : normal;
  return beta
    ? graph.add('Add', [scaled, parameter('beta', broadcastAlong(beta, x, axes), form)])
    : scaled;
}
