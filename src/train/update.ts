import type { GraphBuilder } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';
import type { Optimizer } from './optimizers.ts';

/** Everything that a step changes, and what changes it. */
export interface Trainable {
  readonly parameters: readonly Value[];
  /** In the order of the parameters; `undefined` where the loss does not depend on one, which then stays as it is. */
  readonly gradients: readonly (Value | undefined)[];
  /** The optimizer's slots of the first parameter, then those of the second, and so on. */
  readonly slots: readonly Value[];
  /** Scalar float32: the learning rate before decay. */
  readonly rate: Value;
  /** Scalar float32: number of batches seen before this one. */
  readonly iteration: Value;
}

/** Appends one update of all parameters: gradients clipped, the rate decayed, then the optimizer's rule for each. */
export function applyOptimizer(
  graph: GraphBuilder,
  optimizer: Optimizer,
  { parameters, gradients, slots, rate, iteration }: Trainable,
): { readonly parameters: readonly Value[]; readonly slots: readonly Value[] } {
  const clipped = clipGradients(graph, optimizer, gradients);
  const decayed = decayedRate(graph, optimizer, rate, iteration);
  const count = graph.add('Add', [iteration, graph.floats('one', [1])]);
  const width = optimizer.slots.length;
  const updates = parameters.map((parameter, i) => {
    const own = slots.slice(i * width, (i + 1) * width);
    const gradient = clipped[i];
    if (!gradient) return { parameter, slots: own };
    return optimizer.update(graph, { parameter, gradient, slots: own, rate: decayed, count });
  });
  return {
    parameters: updates.map((update) => update.parameter),
    slots: updates.flatMap((update) => update.slots),
  };
}

function decayedRate(
  graph: GraphBuilder,
  { decay }: Optimizer,
  rate: Value,
  iteration: Value,
): Value {
  if (decay === 0) return rate;
  const growth = graph.add('Mul', [graph.floats('decay', [decay]), iteration]);
  return graph.add('Div', [rate, graph.add('Add', [graph.floats('one', [1]), growth])]);
}

/** By norm first, then by value: the order of Keras 1, the only generation that does both. */
function clipGradients(
  graph: GraphBuilder,
  { keras, clipnorm, clipvalue }: Optimizer,
  gradients: readonly (Value | undefined)[],
): readonly (Value | undefined)[] {
  const known = gradients.filter((gradient) => gradient !== undefined);
  const together = clipnorm !== undefined && keras === 1 ? normOf(graph, known) : undefined;
  return gradients.map((gradient) => {
    if (!gradient) return undefined;
    let clipped = gradient;
    if (clipnorm !== undefined) {
      const norm = together ?? normOf(graph, [gradient]);
      clipped = limited(graph, gradient, norm, clipnorm);
    }
    if (clipvalue === undefined) return clipped;
    const low = graph.floats('clip_low', [-clipvalue]);
    return graph.add('Clip', [clipped, low, graph.floats('clip_high', [clipvalue])]);
  });
}

/** The L2 norm of several tensors taken as one vector: a scalar. */
function normOf(graph: GraphBuilder, tensors: readonly Value[]): Value {
  const squares = tensors.map((tensor) => {
    const axes = graph.integers(
      'axes',
      tensor.shape.map((_, axis) => axis),
    );
    return graph.add('ReduceSum', [graph.add('Mul', [tensor, tensor]), axes], { keepdims: 0 });
  });
  return graph.add('Sqrt', [squares.reduce((sum, square) => graph.add('Add', [sum, square]))]);
}

/** The tensor scaled down to norm `most` where it is longer. */
function limited(graph: GraphBuilder, tensor: Value, norm: Value, most: number): Value {
  const limit = graph.floats('clipnorm', [most]);
  const scale = graph.add('Div', [limit, graph.add('Max', [norm, limit])]);
  return graph.add('Mul', [tensor, scale]);
}
