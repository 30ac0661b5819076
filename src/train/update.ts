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
  /** For each parameter; none by default. */
  readonly settings?: readonly ParameterSettings[];
}

/** What one parameter's update differs in from the others'. */
export interface ParameterSettings {
  /** The learning rate is multiplied by it; 1 by default. */
  readonly rate?: number | undefined;
  /** Factor of the penalty Σ|p|; 0 by default. */
  readonly l1?: number | undefined;
  /** Factor of the penalty Σp²; 0 by default. */
  readonly l2?: number | undefined;
  /** Whether the optimizer's weight decay takes of it; true by default. */
  readonly decay?: boolean | undefined;
  /** How many tensors of Keras lie one behind the other in it, each with a norm of its own; 1 by default. */
  readonly tensors?: number | undefined;
}

/**
 * Appends one update of all parameters: penalties added, gradients clipped, the rate decayed, weights decayed, then the
 * optimizer's rule for each.
 */
export function applyOptimizer(
  graph: GraphBuilder,
  optimizer: Optimizer,
  trainable: Trainable,
): { readonly parameters: readonly Value[]; readonly slots: readonly Value[] } {
  const { parameters, slots, rate, iteration, settings = [] } = trainable;
  const clipped = clipGradients(graph, optimizer, {
    gradients: withPenalties(graph, trainable),
    settings,
  });
  const decayed = decayedRate(graph, optimizer, rate, iteration);
  const count = graph.add('Add', [iteration, graph.floats('one', [1])]);
  const width = optimizer.slots.length;
  const updates = parameters.map((parameter, i) => {
    const own = slots.slice(i * width, (i + 1) * width);
    const gradient = clipped[i];
    if (!gradient) return { parameter, slots: own };
    const speed = scaled(graph, decayed, settings[i]?.rate ?? 1);
    const left =
      settings[i]?.decay === false ? parameter : decayedWeight(graph, optimizer, parameter, speed);
    return optimizer.update(graph, { parameter: left, gradient, slots: own, rate: speed, count });
  });
  return {
    parameters: updates.map((update) => update.parameter),
    slots: updates.flatMap((update) => update.slots),
  };
}

/** The gradients of l1·Σ|p| + l2·Σp² added to those of the loss. */
function withPenalties(
  graph: GraphBuilder,
  { parameters, gradients, settings = [] }: Trainable,
): readonly (Value | undefined)[] {
  return gradients.map((gradient, i) => {
    const parameter = parameters[i];
    const { l1 = 0, l2 = 0 } = settings[i] ?? {};
    if (!gradient || !parameter) return undefined;
    let sum = gradient;
    if (l2 !== 0) sum = graph.add('Add', [sum, scaled(graph, parameter, 2 * l2)]);
    if (l1 === 0) return sum;
    const zero = graph.floats('zero', [0]);
    const step = (by: number): Value => graph.floats('l1', [by]);
    const right = graph.add('Where', [graph.add('Greater', [parameter, zero]), step(l1), zero]);
    const left = graph.add('Where', [graph.add('Less', [parameter, zero]), step(-l1), zero]);
    return graph.add('Add', [sum, graph.add('Add', [right, left])]);
  });
}

function decayedWeight(
  graph: GraphBuilder,
  { weightDecay }: Optimizer,
  parameter: Value,
  rate: Value,
): Value {
  if (weightDecay === 0) return parameter;
  const share = scaled(graph, rate, weightDecay);
  return graph.add('Sub', [parameter, graph.add('Mul', [parameter, share])]);
}

function scaled(graph: GraphBuilder, x: Value, factor: number): Value {
  return factor === 1 ? x : graph.add('Mul', [x, graph.floats('factor', [factor])]);
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
  { clipnorm, globalClipnorm, clipvalue }: Optimizer,
  {
    gradients,
    settings,
  }: {
    readonly gradients: readonly (Value | undefined)[];
    readonly settings: readonly ParameterSettings[];
  },
): readonly (Value | undefined)[] {
  const known = gradients.filter((gradient) => gradient !== undefined);
  const together = globalClipnorm === undefined ? undefined : normOf(graph, known);
  return gradients.map((gradient, i) => {
    if (!gradient) return undefined;
    let clipped = gradient;
    if (together && globalClipnorm !== undefined) {
      clipped = limited(graph, gradient, together, globalClipnorm);
    }
    if (clipnorm !== undefined) {
      clipped = limited(graph, gradient, normsOf(graph, gradient, settings[i]?.tensors), clipnorm);
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

/** The L2 norm of a tensor, or that of each of the tensors along its first axis, [n, 1, ...]. */
function normsOf(graph: GraphBuilder, tensor: Value, tensors = 1): Value {
  if (tensors === 1) return normOf(graph, [tensor]);
  const axes = tensor.shape.slice(1).map((_, axis) => axis + 1);
  const squares = graph.add('Mul', [tensor, tensor]);
  const sums = graph.add('ReduceSum', [squares, graph.integers('axes', axes)], { keepdims: 1 });
  return graph.add('Sqrt', [sums]);
}

/** The tensor scaled down to norm `most` where it is longer. */
function limited(graph: GraphBuilder, tensor: Value, norm: Value, most: number): Value {
  const limit = graph.floats('clipnorm', [most]);
  const scale = graph.add('Div', [limit, graph.add('Max', [norm, limit])]);
  return graph.add('Mul', [tensor, scale]);
}
