import type { GraphBuilder, Node } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';
import { alongChannels } from './gradients/normalisations.ts';

/** How BatchNormalization behaves while training: by the statistics of the batch, which the running ones follow. */
export interface BatchStatistics {
  /** Share of the running statistics that stays at each step; Keras' default is 0.99. */
  readonly momentum?: number | undefined;
  /** Names of the nodes that do so; all by default. */
  readonly nodes?: readonly string[] | undefined;
  /**
   * Whose rules are followed; 3 by default. The variance of a batch is that of its numbers (÷ n) in both; in Keras 1
   * on Theano it gains epsilon.
   */
  readonly keras?: 1 | 3 | undefined;
}

/**
 * y = γ · (x - mean) / √(variance + ε) + β with the mean and variance of the batch, in operators that every provider has.
 *
 * Returns the running statistics too: momentum · running + (1 - momentum) · that of the batch.
 */
export function normaliseByBatch(
  graph: GraphBuilder,
  {
    node,
    inputs,
    by,
  }: {
    readonly node: Node;
    readonly inputs: readonly (Value | undefined)[];
    readonly by: BatchStatistics;
  },
): { readonly y: Value; readonly statistics: readonly [mean: Value, variance: Value] } {
  const [x, scale, offset, mean, variance] = inputs;
  if (!x || !scale || !offset || !mean || !variance) {
    throw new Error(`Bug: node "${node.name}" has five inputs`);
  }
  const axes = x.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  const along = (value: Value): Value => alongChannels(graph, value, x);
  const own = graph.add('ReduceMean', [x], { axes, keepdims: 0 });
  const centred = graph.add('Sub', [x, along(own)]);
  const spread = graph.add('ReduceMean', [graph.add('Mul', [centred, centred])], {
    axes,
    keepdims: 0,
  });
  const epsilon = 'epsilon' in node.attributes ? node.attributes.epsilon : 0;
  const safe = graph.add('Add', [spread, graph.floats('epsilon', [epsilon])]);
  const factor = graph.add('Div', [scale, graph.add('Sqrt', [safe])]);
  const y = graph.add('Add', [graph.add('Mul', [centred, along(factor)]), along(offset)]);
  const seen = by.keras === 1 ? safe : spread;
  return { y, statistics: [follow(graph, by, mean, own), follow(graph, by, variance, seen)] };
}

function follow(
  graph: GraphBuilder,
  { momentum = 0.99 }: BatchStatistics,
  running: Value,
  own: Value,
): Value {
  const kept = graph.add('Mul', [running, graph.floats('momentum', [momentum])]);
  const taken = graph.add('Mul', [own, graph.floats('rest', [1 - momentum])]);
  return graph.add('Add', [kept, taken]);
}
