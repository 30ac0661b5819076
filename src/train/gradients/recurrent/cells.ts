import type { GraphBuilder } from '../../../onnx/graph.ts';
import type { Value } from '../../../tensor.ts';
import type { Activation } from './activation.ts';
import {
  chosen,
  type Direction,
  type DirectionGradients,
  filled,
  gatesOf,
  ofKernel,
  overSteps,
  product,
} from './direction.ts';

/**
 * The gradients of one direction of each recurrent operator.
 *
 * The outputs hold the state after each step, so all that does not depend on the gradient of a later step is computed
 * for all steps at once; the Scan back through the steps only multiplies, and makes one product of matrices a step.
 * Formulas: those of ONNX's operators, differentiated.
 */
export type CellGradient = (direction: Direction) => DirectionGradients;

/** z = x·Wᵀ + h·Rᵀ + biases of all steps. */
function sums(direction: Direction): Value {
  const { graph, x, kernel, recurrent, before, bias } = direction;
  const own = product(direction, x, kernel, bias?.input);
  return graph.add('Add', [own, product(direction, before, recurrent, bias?.recurrent)]);
}

function activation(direction: Direction, at: number): Activation {
  const found = direction.activations[at];
  if (!found) throw new Error(`Bug: a recurrent node has an activation ${at}`);
  return found;
}

/** The state's gradient, with that of the step's own output. */
function withOutput(body: GraphBuilder, dy: Value | undefined, later: Value): Value {
  return dy ? body.add('Add', [dy, later]) : later;
}

/** Values that a step may get, as the list that a Scan goes over, and how to find them again in a step. */
function steps<K extends string>(
  values: Readonly<Record<K, Value | undefined>>,
): {
  readonly scanned: readonly [Value, ...Value[]];
  readonly of: (slices: readonly Value[], name: K) => Value | undefined;
} {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of a record are of its type
  const entries = Object.entries(values) as [K, Value | undefined][];
  const there = entries.filter(([, value]) => value !== undefined).map(([name]) => name);
  const [first, ...others] = entries.flatMap(([, value]) => value ?? []);
  if (!first) throw new Error('Bug: a step gets something');
  return { scanned: [first, ...others], of: (slices, name) => slices[there.indexOf(name)] };
}

function known(value: Value | undefined): Value {
  if (!value) throw new Error('Bug: a step lacks a value');
  return value;
}

/** Where the input's product and the state's are only added, both have the gradient of the sum. */
function ofSum(
  { graph, before }: Direction,
  dz: Value,
  first: DirectionGradients['first'],
): DirectionGradients {
  return { ofProduct: dz, ofRecurrentProduct: dz, recurrent: ofKernel(graph, dz, before), first };
}

/** h' = f(z). */
export const rnnGradient: CellGradient = (direction) => {
  const { graph, dy, counts, last, recurrent } = direction;
  const state = activation(direction, 0)(graph, sums(direction));
  const ones = graph.add('Add', [
    graph.add('Mul', [state.y, graph.floats('zero', [0])]),
    graph.floats('one', [1]),
  ]);
  const { scanned, of } = steps({ slope: filled(direction, state.times(ones), 0), dy, counts });
  const { state: first, collected } = overSteps(direction, 'back', {
    state: last,
    scanned,
    body: (body, [later], slices) => {
      const dh = withOutput(body, of(slices, 'dy'), known(later));
      const dz = body.add('Mul', [dh, known(of(slices, 'slope'))]);
      const earlier = body.add('MatMul', [dz, recurrent]);
      return { state: [chosen(body, of(slices, 'counts'), [earlier, dh])], collected: [dz] };
    },
  });
  return ofSum(direction, known(collected[0]), first);
};

/** Gates i, o, f, c: C' = f·C + i·g, h' = o·act(C'). */
export const lstmGradient: CellGradient = (direction) => {
  const { graph, dy, counts, last, recurrent } = direction;
  const [zi, zo, zf, zg] = gatesOf(direction, sums(direction), 2).map(known);
  const gate = activation(direction, 0);
  const [i, o, f] = [zi, zo, zf].map((z) => gate(graph, known(z)));
  const g = activation(direction, 1)(graph, known(zg));
  if (!i || !o || !f) throw new Error('Bug: an LSTM has three gates');
  const keeps = filled(direction, f.y, 1);
  const earlier = cellsBefore(direction, keeps, graph.add('Mul', [i.y, g.y]));
  const cell = graph.add('Add', [graph.add('Mul', [f.y, earlier]), graph.add('Mul', [i.y, g.y])]);
  const shown = activation(direction, 2)(graph, cell);
  const shares = [i.times(g.y), o.times(shown.y), f.times(earlier), g.times(i.y)] as const;
  const { scanned, of } = steps({
    share: filled(direction, graph.add('Concat', shares, { axis: 2 }), 0),
    shown: filled(direction, shown.times(o.y), 0),
    keeps,
    dy,
    counts,
  });
  const { state: first, collected } = overSteps(direction, 'back', {
    state: last,
    scanned,
    body: (body, [later, laterCell], slices) => {
      const dh = withOutput(body, of(slices, 'dy'), known(later));
      const through = body.add('Mul', [dh, known(of(slices, 'shown'))]);
      const dc = body.add('Add', [known(laterCell), through]);
      const all = body.add('Concat', [dc, dh, dc, dc], { axis: 1 });
      const dz = body.add('Mul', [all, known(of(slices, 'share'))]);
      const back = body.add('MatMul', [dz, recurrent]);
      const cellBack = body.add('Mul', [dc, known(of(slices, 'keeps'))]);
      return {
        state: [chosen(body, of(slices, 'counts'), [back, dh]), cellBack],
        collected: [dz],
      };
    },
  });
  return ofSum(direction, known(collected[0]), first);
};

/** The cell before each step, of which an LSTM node puts out only the last one. */
function cellsBefore(direction: Direction, keeps: Value, added: Value): Value {
  const { collected } = overSteps(direction, 'forth', {
    state: [known(direction.first[1])],
    scanned: [keeps, filled(direction, added, 0)],
    body: (body, [cell], [kept, more]) => {
      const rest = body.add('Mul', [known(kept), known(cell)]);
      return { state: [body.add('Add', [rest, known(more)])], collected: [known(cell)] };
    },
  });
  return known(collected[0]);
}

/** Gates z, r, h: h' = (1 - z)·hh + z·h, where the reset gate works on h's product with the recurrent kernel. */
export const gruAfterGradient: CellGradient = (direction) => {
  const { graph, x, kernel, recurrent, bias, before, dy, last } = direction;
  const [xz, xr, xh] = gatesOf(direction, product(direction, x, kernel, bias?.input), 2);
  const past = product(direction, before, recurrent, bias?.recurrent);
  const [hz, hr, hh] = gatesOf(direction, past, 2);
  const gate = activation(direction, 0);
  const z = gate(graph, graph.add('Add', [known(xz), known(hz)]));
  const r = gate(graph, graph.add('Add', [known(xr), known(hr)]));
  const reset = graph.add('Mul', [r.y, known(hh)]);
  const candidate = activation(direction, 1)(graph, graph.add('Add', [known(xh), reset]));
  const ofCandidate = candidate.times(graph.add('Sub', [graph.floats('one', [1]), z.y]));
  const ofZ = z.times(graph.add('Sub', [before, candidate.y]));
  const ofR = r.times(graph.add('Mul', [ofCandidate, known(hh)]));
  const ofPast = graph.add('Mul', [ofCandidate, r.y]);
  const join = (third: Value): Value =>
    filled(direction, graph.add('Concat', [ofZ, ofR, third], { axis: 2 }), 0);
  const share = join(ofPast);
  const { scanned, of } = steps({ share, keeps: filled(direction, z.y, 1), dy });
  const { state: first, collected } = overSteps(direction, 'back', {
    state: last,
    scanned,
    body: (body, [later], slices) => {
      const dh = withOutput(body, of(slices, 'dy'), known(later));
      const all = body.add('Concat', [dh, dh, dh], { axis: 1 });
      const dz = body.add('Mul', [all, known(of(slices, 'share'))]);
      const kept = body.add('Mul', [dh, known(of(slices, 'keeps'))]);
      const back = body.add('Add', [kept, body.add('MatMul', [dz, recurrent])]);
      return { state: [back], collected: [all] };
    },
  });
  const dh = known(collected[0]);
  const ofRecurrentProduct = graph.add('Mul', [dh, share]);
  return {
    ofProduct: graph.add('Mul', [dh, join(ofCandidate)]),
    ofRecurrentProduct,
    recurrent: ofKernel(graph, ofRecurrentProduct, before),
    first,
  };
};

/** The same where the reset gate works on h itself. */
export const gruBeforeGradient: CellGradient = (direction) => {
  const { graph, x, kernel, recurrent, bias, before, dy, last, units } = direction;
  const [xz, xr, xh] = gatesOf(direction, product(direction, x, kernel, bias?.input), 2);
  const biases = bias && gatesOf(direction, bias.recurrent, 0);
  const kernels = gatesOf(direction, recurrent, 0).map(known);
  const [rz, rr, rh] = kernels;
  const sum = (own: Value | undefined, from: Value, by: Value | undefined, at: number): Value =>
    graph.add('Add', [known(own), product(direction, from, known(by), biases?.[at])]);
  const gate = activation(direction, 0);
  const z = gate(graph, sum(xz, before, rz, 0));
  const r = gate(graph, sum(xr, before, rr, 1));
  const reset = graph.add('Mul', [r.y, before]);
  const candidate = activation(direction, 1)(graph, sum(xh, reset, rh, 2));
  const ofCandidate = candidate.times(graph.add('Sub', [graph.floats('one', [1]), z.y]));
  const { scanned, of } = steps({
    ofCandidate: filled(direction, ofCandidate, 0),
    ofZ: filled(direction, z.times(graph.add('Sub', [before, candidate.y])), 0),
    ofR: filled(direction, r.times(before), 0),
    resets: r.y,
    keeps: filled(direction, z.y, 1),
    dy,
  });
  const pair = graph.add('Concat', [known(rz), known(rr)], { axis: 0 });
  const { state: first, collected } = overSteps(direction, 'back', {
    state: last,
    scanned,
    body: (body, [later], slices) => {
      const dh = withOutput(body, of(slices, 'dy'), known(later));
      const times = (value: Value, name: Parameters<typeof of>[1]): Value =>
        body.add('Mul', [value, known(of(slices, name))]);
      const dCandidate = times(dh, 'ofCandidate');
      const dReset = body.add('MatMul', [dCandidate, known(rh)]);
      const gates = body.add('Concat', [times(dh, 'ofZ'), times(dReset, 'ofR')], { axis: 1 });
      const kept = body.add('Add', [times(dh, 'keeps'), times(dReset, 'resets')]);
      const back = body.add('Add', [kept, body.add('MatMul', [gates, pair])]);
      return { state: [back], collected: [body.add('Concat', [gates, dCandidate], { axis: 1 })] };
    },
  });
  const dz = known(collected[0]);
  const sizes = graph.integers('split', [2 * units, units]);
  const [gates, dCandidate = dz] = graph.addAll('Split', [dz, sizes], { axis: 2 });
  const parts = [ofKernel(graph, gates, before), ofKernel(graph, dCandidate, reset)] as const;
  return {
    ofProduct: dz,
    ofRecurrentProduct: dz,
    recurrent: graph.add('Concat', parts, { axis: 0 }),
    first,
  };
};
