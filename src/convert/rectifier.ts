import type { GraphBuilder } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';

/** x above the threshold up to a ceiling, and slope · (x - threshold) below. */
export interface Rectifier {
  readonly ceiling: number | undefined;
  readonly slope: number;
  readonly threshold: number;
}

/** Adds the nodes of a rectifier. Source: keras/src/layers/activations/relu.py. */
export function rectified(
  x: Value,
  graph: GraphBuilder,
  { ceiling, slope, threshold }: Rectifier,
): Value {
  if (ceiling !== undefined && slope === 0 && threshold === 0) {
    return graph.add('Clip', [x, graph.floats('zero', [0]), graph.floats('ceiling', [ceiling])]);
  }
  const y = unbounded(x, graph, { slope, threshold });
  return ceiling === undefined ? y : graph.add('Min', [y, graph.floats('ceiling', [ceiling])]);
}

function unbounded(
  x: Value,
  graph: GraphBuilder,
  { slope, threshold }: Pick<Rectifier, 'slope' | 'threshold'>,
): Value {
  if (threshold === 0) {
    return slope === 0 ? graph.add('Relu', [x]) : graph.add('LeakyRelu', [x], { alpha: slope });
  }
  const limit = graph.floats('threshold', [threshold]);
  const below = graph.add('Mul', [graph.add('Sub', [x, limit]), graph.floats('slope', [slope])]);
  // Keras keeps what is above the threshold, not what is on it.
  return graph.add('Where', [graph.add('LessOrEqual', [x, limit]), below, x]);
}
