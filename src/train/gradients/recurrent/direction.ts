import type { GraphBuilder } from '../../../onnx/graph.ts';
import type { Value } from '../../../tensor.ts';
import { flipped } from '../shapes.ts';
import type { Activation } from './activation.ts';

/** One direction of an LSTM, GRU or RNN node: what it computed, and the gradients of that. Axes are [T, N, ...]. */
export interface Direction {
  readonly graph: GraphBuilder;
  /** Whether the steps were taken from the last to the first. */
  readonly isReverse: boolean;
  readonly units: number;
  readonly activations: readonly Activation[];
  /** [T, N, in]. */
  readonly x: Value;
  /** [gates · units, in]. */
  readonly kernel: Value;
  /** [gates · units, units]. */
  readonly recurrent: Value;
  /** [gates · units] each. */
  readonly bias: { readonly input: Value; readonly recurrent: Value } | undefined;
  /** The state h before each step, [T, N, units]. */
  readonly before: Value;
  /** bool [T, N, 1]: the steps that count; all where there is none. */
  readonly counts: Value | undefined;
  /** The first states [N, units]: h, and c of an LSTM. */
  readonly first: readonly Value[];
  /** The gradient of each step's output [T, N, units], 0 where a step does not count. */
  readonly dy: Value | undefined;
  /** The gradients of the last states [N, units]. */
  readonly last: readonly Value[];
}

/** The gradients of one direction, in the shapes of what they are of. */
export interface DirectionGradients {
  /** Of what the input's product, bias included, was at each step: [T, N, gates · units]. */
  readonly ofProduct: Value;
  /** The same of the recurrent product's bias. */
  readonly ofRecurrentProduct: Value;
  readonly recurrent: Value;
  readonly first: readonly Value[];
}

/** `value`, or a number where a step does not count. */
export function filled({ graph, counts }: Direction, value: Value, number: number): Value {
  if (!counts) return value;
  return graph.add('Where', [counts, value, graph.floats('filled', [number])]);
}

/** In one step, where only some rows count: the new value for those, the old one for others. */
export function chosen(
  body: GraphBuilder,
  counts: Value | undefined,
  [value, old]: readonly [Value, Value],
): Value {
  return counts ? body.add('Where', [counts, value, old]) : value;
}

/** [T, N, in] · [out, in]ᵀ + bias. */
export function product(
  { graph }: Direction,
  x: Value,
  kernel: Value,
  bias: Value | undefined,
): Value {
  const made = graph.add('MatMul', [x, graph.add('Transpose', [kernel], { perm: [1, 0] })]);
  return bias ? graph.add('Add', [made, bias]) : made;
}

/** Parts of a value along an axis, each of so many units. */
export function gatesOf({ graph, units }: Direction, x: Value, axis: number): readonly Value[] {
  const count = Number(x.shape[axis]) / units;
  const sizes = graph.integers(
    'split',
    Array.from({ length: count }, () => units),
  );
  return graph.addAll('Split', [x, sizes], { axis });
}

/** Σ over steps and rows of dzᵀ · x: the gradient of a kernel [out, in] by which x was multiplied. */
export function ofKernel(graph: GraphBuilder, dz: Value, x: Value): Value {
  const rows = (value: Value): Value =>
    graph.add('Reshape', [
      value,
      graph.integers('shape', [-1, Number(value.shape[value.shape.length - 1])]),
    ]);
  return graph.add('Gemm', [rows(dz), rows(x)], { transA: 1 });
}

/** A Scan over the steps, as they were taken or back from the last one; what it collects lies as the steps do. */
export function overSteps(
  { graph, isReverse }: Direction,
  way: 'forth' | 'back',
  {
    state,
    scanned,
    body,
  }: {
    readonly state: readonly Value[];
    readonly scanned: readonly [Value, ...Value[]];
    readonly body: Parameters<GraphBuilder['scan']>[2];
  },
): { readonly state: readonly Value[]; readonly collected: readonly Value[] } {
  const isTurned = isReverse === (way === 'forth');
  const turn = (value: Value): Value => (isTurned ? flipped(graph, value, [0]) : value);
  const [first, ...others] = scanned;
  const result = graph.scan(state, [turn(first), ...others.map(turn)], body);
  return { state: result.state, collected: result.collected.map(turn) };
}
