import type { GraphBuilder } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import { summedButChannels } from './convolutions.ts';
import type { GradientRules } from './rule.ts';

/** Gradients of the normalisations. */
export const normalisations = {
  // With frozen statistics: the running mean and variance are counted, not learned.
  BatchNormalization: ({ inputs, attributes: { epsilon } }, dy, graph) => {
    const [x, scale, , mean, variance] = inputs;
    const safe = graph.add('Add', [variance, graph.floats('epsilon', [epsilon])]);
    const deviation = alongChannels(graph, graph.add('Sqrt', [safe]), x);
    const dyPerDeviation = graph.add('Div', [dy, deviation]);
    const centred = graph.add('Sub', [x, alongChannels(graph, mean, x)]);
    return [
      graph.add('Mul', [dyPerDeviation, alongChannels(graph, scale, x)]),
      summedButChannels(graph, graph.add('Mul', [dyPerDeviation, centred])),
      summedButChannels(graph, dy),
      undefined,
      undefined,
    ];
  },
  LayerNormalization: ({ inputs: [x, scale, bias], attributes: { axis, epsilon } }, dy, graph) => {
    const rank = x.shape.length;
    const first = axis < 0 ? axis + rank : axis;
    const axes = Array.from({ length: rank - first }, (_, i) => first + i);
    const normal = normalised(graph, x, { axes, epsilon });
    const grown = graph.add('Mul', [dy, scale]);
    return [
      throughNormal(graph, normal, { dy: grown, axes }),
      graph.add('Mul', [dy, normal.x]),
      bias && dy,
    ];
  },
  InstanceNormalization: ({ inputs: [x, scale], attributes: { epsilon } }, dy, graph) => {
    const axes = x.shape.flatMap((_, axis) => (axis < 2 ? [] : [axis]));
    const normal = normalised(graph, x, { axes, epsilon });
    const grown = graph.add('Mul', [dy, alongChannels(graph, scale, x)]);
    return [
      throughNormal(graph, normal, { dy: grown, axes }),
      summedButChannels(graph, graph.add('Mul', [dy, normal.x])),
      summedButChannels(graph, dy),
    ];
  },
} satisfies GradientRules;

/** A value of one number a channel, in a shape that broadcasts over the maps x. */
export function alongChannels(graph: GraphBuilder, value: Value, x: Value): Value {
  const ones = x.shape.slice(2).map(() => 1);
  return graph.add('Reshape', [value, graph.integers('shape', [-1, ...ones])]);
}

interface Normal {
  /** (x - mean) / deviation. */
  readonly x: Value;
  readonly deviation: Value;
}

function normalised(
  graph: GraphBuilder,
  x: Value,
  { axes, epsilon }: { readonly axes: readonly number[]; readonly epsilon: number },
): Normal {
  const keep = { axes, keepdims: 1 } as const;
  const centred = graph.add('Sub', [x, graph.add('ReduceMean', [x], keep)]);
  const variance = graph.add('ReduceMean', [graph.add('Mul', [centred, centred])], keep);
  const safe = graph.add('Add', [variance, graph.floats('epsilon', [epsilon])]);
  const deviation = graph.add('Sqrt', [safe]);
  return { x: graph.add('Div', [centred, deviation]), deviation };
}

/** (dy - mean(dy) - x̂ · mean(dy · x̂)) / deviation. */
function throughNormal(
  graph: GraphBuilder,
  normal: Normal,
  { dy, axes }: { readonly dy: Value; readonly axes: readonly number[] },
): Value {
  const keep = { axes, keepdims: 1 } as const;
  const level = graph.add('Sub', [dy, graph.add('ReduceMean', [dy], keep)]);
  const slope = graph.add('ReduceMean', [graph.add('Mul', [dy, normal.x])], keep);
  const bent = graph.add('Sub', [level, graph.add('Mul', [normal.x, slope])]);
  return graph.add('Div', [bent, normal.deviation]);
}
