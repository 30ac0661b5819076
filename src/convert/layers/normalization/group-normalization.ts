import type { TensorSource, Value } from '../../../tensor.ts';
import { type Bench, defineLayer, type Layer } from '../../layer.ts';
import { axisIn, elementwise, type KerasTensor } from '../../layout.ts';
import { reshapeTo } from '../../sizes.ts';
import { computed } from '../../weights.ts';
import { broadcastAlong } from './axes.ts';

interface Grouping {
  readonly x: KerasTensor;
  /** Axis of the channels in the Keras shape. */
  readonly axis: number;
  readonly groups: number;
  readonly epsilon: number;
}

/**
 * GroupNormalization: channels in neighbouring groups, each normalised over its channels and all places of a sample.
 *
 * groups -1 means one group a channel. Source: keras/src/layers/normalization/group_normalization.py.
 */
export const groupNormalization: Layer = defineLayer({
  keras: ['GroupNormalization'],
  mask: 'passes',
  read: (config) => ({
    groups: config.integer('groups', 32),
    axis: config.integer('axis', -1),
    epsilon: config.number('epsilon', 1e-3),
    hasScale: config.boolean('scale', true),
    hasOffset: config.boolean('center', true),
  }),
  weights({ axis, hasScale, hasOffset }, input) {
    const channels = Number(input.at(axis) ?? 1);
    return {
      gamma: hasScale ? [channels] : undefined,
      beta: hasOffset ? [channels] : undefined,
    };
  },
  emit({ config, input, weights, parameter, ...bench }) {
    const { graph, layouts } = bench;
    const x = input.layout.kind === 'flat' ? layouts.keras(input) : layouts.padded(input);
    const axis = config.axis < 0 ? config.axis + x.shape.length : config.axis;
    const channels = Number(x.shape[axis] ?? 1);
    const groups = config.groups === -1 ? channels : config.groups;
    const grouping = { x, axis, groups, epsilon: config.epsilon };
    const isFirst = axisIn(x, axis) === 1 && x.layout.kind !== 'timeFirst';
    const normal = isFirst ? byInstance(grouping, bench) : decomposed(grouping, bench);
    const form = x.layout.kind;
    const along = (source: TensorSource): TensorSource => broadcastAlong(source, x, [axis]);
    const scaled = weights.gamma
      ? graph.add('Mul', [normal, parameter('gamma', along(weights.gamma), form)])
      : normal;
    const moved = weights.beta
      ? graph.add('Add', [scaled, parameter('beta', along(weights.beta), form)])
      : scaled;
    return elementwise(x, moved);
  },
});

/** [N, C, ...] as [N, groups, everything else], normalised by one InstanceNormalization. */
function byInstance({ x, groups, epsilon }: Grouping, { graph, layer }: Bench): Value {
  const { shape } = x.value;
  const grouped = reshapeTo(graph, x.value, [shape[0] ?? 1, groups, 'places']);
  const fill = (number: number): Value =>
    graph.initializer(
      `${layer}/${number === 1 ? 'ones' : 'zeros'}`,
      computed([groups], () => new Float32Array(groups).fill(number)),
    );
  const normal = graph.add('InstanceNormalization', [grouped, fill(1), fill(0)], { epsilon });
  return reshapeTo(graph, normal, shape, [x.value]);
}

function decomposed({ x, axis, groups, epsilon }: Grouping, { graph }: Bench): Value {
  const { shape } = x.value;
  const at = axisIn(x, axis);
  const batch = axisIn(x, 0);
  const channels = Number(shape[at] ?? 1);
  const split = [...shape.slice(0, at), groups, channels / groups, ...shape.slice(at + 1)];
  const grouped = reshapeTo(graph, x.value, split, [x.value]);
  const groupAxis = at;
  const over = {
    axes: split
      .map((_, i) => i)
      .filter((i) => i !== groupAxis && i !== (batch > at ? batch + 1 : batch)),
    keepdims: 1,
  } as const;
  const centred = graph.add('Sub', [grouped, graph.add('ReduceMean', [grouped], over)]);
  const variance = graph.add('ReduceMean', [graph.add('Mul', [centred, centred])], over);
  const sum = graph.add('Add', [variance, graph.floats('epsilon', [epsilon])]);
  const normal = graph.add('Div', [centred, graph.add('Sqrt', [sum])]);
  return reshapeTo(graph, normal, shape, [x.value]);
}
