import type { GraphBuilder } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';

/** x above the threshold up to a ceiling, and slope · (x - threshold) below. */
export interface Rectifier {
  readonly ceiling: number | undefined;
  readonly slope: number;
  readonly threshold: number;
}

/** Adds the nodes of a rectifier, whose ceiling is 0 or more. Source: keras/src/layers/activations/relu.py. */
export function rectified(
  x: Value,
  graph: GraphBuilder,
  { ceiling, slope, threshold }: Rectifier,
): Value {
  if (ceiling !== undefined && slope === 0 && threshold === 0) {
    return graph.add('Clip', [x, graph.floats('zero', [0]), graph.floats('ceiling', [ceiling])]);
  }
  if (ceiling !== undefined && threshold < 0) {
    // Keras bounds what is above the threshold by 0 too, but only if there is a ceiling. Source: relu in the backends.
    const bounds = [graph.floats('zero', [0]), graph.floats('ceiling', [ceiling])] as const;
    return split(x, graph, { slope, threshold, above: graph.add('Clip', [x, ...bounds]) });
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
  return split(x, graph, { slope, threshold, above: x });
}

function split(
  x: Value,
  graph: GraphBuilder,
  { slope, threshold, above }: Omit<Rectifier, 'ceiling'> & { readonly above: Value },
): Value {
  const limit = graph.floats('threshold', [threshold]);
  const below = graph.add('Mul', [graph.add('Sub', [x, limit]), graph.floats('slope', [slope])]);
  // Keras keeps what is above the threshold, not what is on it.
  return graph.add('Where', [graph.add('LessOrEqual', [x, limit]), below, above]);
}
