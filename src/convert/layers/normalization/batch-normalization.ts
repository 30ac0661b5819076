import type { Generation } from '../../../keras/model.ts';
import type { Shape, TensorSource, Value } from '../../../tensor.ts';
import { type Bench, defineLayer, type Layer, unsupported } from '../../layer.ts';
import { axisIn, elementwise, type KerasTensor } from '../../layout.ts';
import { readIntegers } from '../../read.ts';
import { channelsFirstRows, computed, numbersOf } from '../../weights.ts';

interface Config {
  /** Axes of the Keras shape, counted from 0 or from the end. */
  readonly axes: readonly number[];
  readonly epsilon: number;
  readonly hasScale: boolean;
  readonly hasOffset: boolean;
  readonly isRenormed: boolean;
  /** Keras 0 and 1: 0 by running statistics, 1 by those of each sample. */
  readonly mode: number;
  readonly generation: Generation;
}

/**
 * BatchNormalization: y = gamma · (x - mean) / sqrt(variance + epsilon) + beta, along one axis.
 *
 * One BatchNormalization node where the axis is ONNX's axis 1, else Mul and Add by numbers worked out beforehand.
 * Source: keras/src/layers/normalization/batch_normalization.py; mode 1 and the feature-wise form of Keras 0:
 * keras/layers/normalization.py of 0.3.3 and 1.2.2.
 */
export const batchNormalization: Layer = defineLayer({
  keras: ['BatchNormalization'],
  mask: 'passes',
  read(config, { generation }, where): Config {
    const mode = config.integer('mode', 0);
    if (mode === 2) {
      throw unsupported(
        'BatchNormalization of mode 2 normalises by the batch at hand, so an answer would depend on its neighbours',
        where,
        'Train the layer again with mode 0.',
      );
    }
    return {
      axes: readIntegers(config, 'axis', [-1]),
      epsilon: config.number('epsilon', 1e-3),
      hasScale: config.boolean('scale', true),
      hasOffset: config.boolean('center', true),
      isRenormed: config.boolean('renorm', false),
      mode,
      generation,
    };
  },
  weights(config, input, found) {
    const axes = axesOf(config, input, found[0] ?? []);
    const own = 2 + Number(config.hasScale) + Number(config.hasOffset);
    const extra = config.isRenormed ? found.slice(own) : [];
    const shape = axes.map((axis) => Number(input[axis] ?? 1));
    return {
      gamma: config.hasScale ? shape : undefined,
      beta: config.hasOffset ? shape : undefined,
      moving_mean: shape,
      moving_variance: shape,
      // What renorm=True keeps besides, for training: three weights in TensorFlow 2, four in 1.
      extra_0: extra[0],
      extra_1: extra[1],
      extra_2: extra[2],
      extra_3: extra[3],
    };
  },
  emit({ config, input, weights, parameter, ...bench }) {
    const axes = axesOf(config, input.shape, weights.moving_mean.shape);
    if (config.mode === 1)
      return bySample(bench.layouts.keras(input), { config, weights, parameter }, bench);
    const x = axes.length === 1 ? bench.layouts.padded(input) : bench.layouts.keras(input);
    const along = axes.map((axis) => axisIn(x, axis));
    const laidOut = inLayout(weights, x);
    const form = String(x.layout.kind === 'flat' ? x.layout.from : along);
    const add = (name: string, source: TensorSource): Value => parameter(name, source, form);
    return String(along) === '1' && x.value.shape.length > 1
      ? elementwise(x, oneNode(x.value, { config, weights: laidOut, parameter: add }, bench))
      : elementwise(
          x,
          scaled(x.value, { config, weights: laidOut, parameter: add }, { bench, along }),
        );
  },
});

interface Weights {
  readonly gamma: TensorSource | undefined;
  readonly beta: TensorSource | undefined;
  readonly moving_mean: TensorSource;
  readonly moving_variance: TensorSource;
}

interface Parts {
  readonly config: Config;
  readonly weights: Weights;
  readonly parameter: (name: string, source: TensorSource) => Value;
}

/** Keras 0 keeps a number for each feature of a sample, not for each channel: the weights' shape tells. */
function axesOf(config: Config, input: Shape, found: readonly number[]): readonly number[] {
  const isFeatureWise = config.generation === 'Keras 0' && found.length === input.length - 1;
  if (isFeatureWise) return found.map((_, i) => i + 1);
  return config.axes.map((axis) => (axis < 0 ? axis + input.length : axis));
}

function inLayout(weights: Weights, { layout }: KerasTensor): Weights {
  if (layout.kind !== 'flat') return weights;
  const move = (source: TensorSource): TensorSource => channelsFirstRows(source, layout.from);
  return {
    gamma: weights.gamma && move(weights.gamma),
    beta: weights.beta && move(weights.beta),
    moving_mean: move(weights.moving_mean),
    moving_variance: move(weights.moving_variance),
  };
}

function filled(shape: readonly number[], number: number): TensorSource {
  return computed(shape, () => new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(number));
}

function oneNode(x: Value, { config, weights, parameter }: Parts, { graph }: Bench): Value {
  const { shape } = weights.moving_mean;
  return graph.add(
    'BatchNormalization',
    [
      x,
      parameter('gamma', weights.gamma ?? filled(shape, 1)),
      parameter('beta', weights.beta ?? filled(shape, 0)),
      parameter('moving_mean', weights.moving_mean),
      parameter('moving_variance', weights.moving_variance),
    ],
    { epsilon: config.epsilon },
  );
}

/** x · scale + offset, with scale = gamma / sqrt(variance + epsilon) and offset = beta - mean · scale. */
function scaled(
  x: Value,
  { config, weights, parameter }: Parts,
  { bench, along }: { readonly bench: Bench; readonly along: readonly number[] },
): Value {
  const first = Math.min(...along);
  const shape = x.shape.slice(first).map((dim, i) => (along.includes(i + first) ? Number(dim) : 1));
  const scale = (): readonly number[] => {
    const gamma = weights.gamma && numbersOf(weights.gamma);
    return numbersOf(weights.moving_variance).map(
      (variance, i) => (gamma?.[i] ?? 1) / Math.sqrt(variance + config.epsilon),
    );
  };
  const offset = (): readonly number[] => {
    const beta = weights.beta && numbersOf(weights.beta);
    const mean = numbersOf(weights.moving_mean);
    return scale().map((factor, i) => (beta?.[i] ?? 0) - (mean[i] ?? 0) * factor);
  };
  const product = bench.graph.add('Mul', [x, parameter('scale', computed(shape, scale))]);
  return bench.graph.add('Add', [product, parameter('offset', computed(shape, offset))]);
}

/** Mode 1: gamma · (x - m) / (s + epsilon) + beta, m and s of each sample along the last axis. */
function bySample(
  { value: x }: KerasTensor,
  { config, weights, parameter }: Parts,
  { graph }: Bench,
): KerasTensor {
  const last = { axes: [x.shape.length - 1], keepdims: 1 } as const;
  const epsilon = graph.floats('epsilon', [config.epsilon]);
  const centred = graph.add('Sub', [x, graph.add('ReduceMean', [x], last)]);
  const variance = graph.add('ReduceMean', [graph.add('Mul', [centred, centred])], last);
  // Keras 1 adds epsilon under the root and again outside of it; Keras 0 only outside.
  const underRoot =
    config.generation === 'Keras 0' ? variance : graph.add('Add', [variance, epsilon]);
  const spread = graph.add('Add', [graph.add('Sqrt', [underRoot]), epsilon]);
  const normal = graph.add('Div', [centred, spread]);
  const product = weights.gamma
    ? graph.add('Mul', [normal, parameter('gamma', weights.gamma)])
    : normal;
  const y = weights.beta ? graph.add('Add', [product, parameter('beta', weights.beta)]) : product;
  return { value: y, shape: y.shape, layout: { kind: 'keras' } };
}
