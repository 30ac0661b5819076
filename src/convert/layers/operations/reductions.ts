import type { Value } from '../../../tensor.ts';
import { axisIn, inLayoutOf, integers, type KerasTensor, kerasTensor } from '../../layout.ts';
import { Algebra } from './algebra.ts';
import { axesFromStart, type OperationCall } from './call.ts';
import { inFloats, type Operation } from './elementwise.ts';
import { matrixAxes } from './matrices.ts';

type Reduce = (
  x: Value,
  over: { readonly axes: readonly number[]; readonly keepdims: 0 | 1 },
  call: OperationCall,
) => Value;

/** Along some axes, or all; maps stay as they are where what is left lies as Keras has it. */
function reduction(
  reduce: Reduce,
  places: { readonly axis: number; readonly keepdims: number } = { axis: 1, keepdims: 2 },
): Operation {
  return (call) => {
    const { layouts } = call.bench;
    const rank = call.x.shape.length;
    const all = Array.from({ length: rank }, (_, axis) => axis);
    const axes = axesFromStart(call.integers(places.axis, 'axis', 'axes') ?? all, rank);
    const keeps = call.flag(places.keepdims, 'keepdims', 'keep_dims');
    const padded = layouts.padded(call.x);
    const isFree = padded.layout.kind === 'channelsFirst' && (keeps || leavesOrder(axes, rank));
    const x = isFree ? padded : layouts.keras(padded);
    const over = { axes: axes.map((axis) => axisIn(x, axis)), keepdims: keeps ? 1 : 0 } as const;
    const value = reduce(x.value, over, call);
    return keeps ? inLayoutOf(x, value) : kerasTensor(value);
  };
}

/** Whether [N, C, ...spatial] without these axes of [N, ...spatial, C] lies as Keras has it. */
function leavesOrder(axes: readonly number[], rank: number): boolean {
  const left = Array.from({ length: rank }, (_, axis) => axis).filter(
    (axis) => !axes.includes(axis),
  );
  const spatial = left.filter((axis) => axis > 0 && axis < rank - 1);
  return spatial.length === 0 || !left.includes(rank - 1);
}

const sum: Reduce = (x, { axes, keepdims }, { bench: { graph } }) => {
  const numbers = x.dtype === 'bool' ? graph.add('Cast', [x], { to: 'int32' }) : x;
  return graph.add('ReduceSum', [numbers, integers(graph, 'axes', axes)], { keepdims });
};

/** The mean of whole numbers is a fraction in Keras 3, and a whole number in TensorFlow. */
const mean: Reduce = (x, over, { bench: { graph, origin } }) => {
  const isKept = x.dtype === 'float32' || (origin.generation !== 'Keras 3' && x.dtype !== 'bool');
  return graph.add('ReduceMean', [isKept ? x : inFloats(x, graph)], over);
};

/** The largest or smallest, of a given number too. */
function extreme(op: 'ReduceMax' | 'ReduceMin'): Operation {
  return reduction((x, over, call) => {
    const m = new Algebra(call.bench.graph);
    const found = m.graph.add(op, [x], over);
    const initial = call.raw(3, 'initial');
    if (initial === undefined) return found;
    return m.join(op === 'ReduceMax' ? 'Max' : 'Min', found, call.constantOf(initial, x));
  });
}

const variance: Reduce = (whole, over, { bench: { graph } }) => {
  const x = inFloats(whole, graph);
  const middle = graph.add('ReduceMean', [x], { ...over, keepdims: 1 });
  const centred = graph.add('Sub', [x, middle]);
  return graph.add('ReduceMean', [graph.add('Mul', [centred, centred])], over);
};

/** Truth as numbers, reduced, and truth again. */
function ofTruth(op: 'ReduceMax' | 'ReduceMin'): Operation {
  return reduction((x, over, { bench: { graph } }) => {
    const truth = x.dtype === 'bool' ? x : graph.add('Cast', [x], { to: 'bool' });
    const numbers = graph.add('Cast', [truth], { to: 'float32' });
    return graph.add('Cast', [graph.add(op, [numbers], over)], { to: 'bool' });
  });
}

function position(op: 'ArgMax' | 'ArgMin'): Operation {
  return (call) => {
    const { graph, layouts, origin } = call.bench;
    const whole = layouts.keras(call.x).value;
    const stated = call.raw(1, 'axis', 'dimension');
    const keepdims = call.flag(2, 'keepdims') ? 1 : 0;
    // Without an axis, Keras 3 counts through all elements, and TensorFlow along the first axis.
    const isFlat = stated === undefined && origin.generation === 'Keras 3';
    if (isFlat && keepdims === 1) throw call.refused('axis missing and keepdims');
    const x = isFlat ? graph.add('Reshape', [whole, integers(graph, 'shape', [-1])]) : whole;
    const axis = call.number(1, 0, 'axis', 'dimension');
    const at = axis < 0 ? axis + x.shape.length : axis;
    return kerasTensor(graph.add(op, [x], { axis: at, keepdims }));
  };
}

/** softmax over one axis, or several at once: exp(x - logsumexp(x)). */
export function softmaxOver(
  x: KerasTensor,
  axes: readonly number[],
  graph: OperationCall['bench']['graph'],
): KerasTensor {
  const along = axesFromStart(axes, x.shape.length).map((axis) => axisIn(x, axis));
  const [axis = -1, ...others] = along;
  if (others.length === 0) return inLayoutOf(x, graph.add('Softmax', [x.value], { axis }));
  const sums = graph.add('ReduceLogSumExp', [x.value], { axes: along, keepdims: 1 });
  return inLayoutOf(x, graph.add('Exp', [graph.add('Sub', [x.value, sums])]));
}

const softmax: Operation = (call) =>
  softmaxOver(
    call.bench.layouts.padded(call.x),
    call.integers(1, 'axis') ?? [-1],
    call.bench.graph,
  );

const logSoftmax: Operation = (call) => {
  const x = call.bench.layouts.padded(call.x);
  const axis = axisIn(x, call.number(1, -1, 'axis'));
  return inLayoutOf(x, call.bench.graph.add('LogSoftmax', [x.value], { axis }));
};

/** x over its length: of order 2, which TensorFlow's epsilon is the least square of, or of any in Keras 3. */
const l2Normalize: Operation = (call) => {
  const { graph, layouts, origin } = call.bench;
  const x = layouts.padded(call.x);
  const axes = (call.integers(1, 'axis') ?? [-1]).map((axis) => axisIn(x, axis));
  const isKeras3 = origin.generation === 'Keras 3';
  const order = isKeras3 ? call.number(2, 2, 'order') : 2;
  const least = isKeras3
    ? call.number(3, 1e-7, 'epsilon')
    : Math.sqrt(call.number(2, 1e-12, 'epsilon'));
  const length = lengthOf(inFloats(x.value, graph), order, { axes, keepdims: 1 }, call);
  const floor = graph.add('Max', [length, graph.floats('smallest', [least])]);
  return inLayoutOf(x, graph.add('Div', [x.value, floor]));
};

type Over = Parameters<Reduce>[1];

/** The length of vectors, of an order that is a number. */
// oxlint-disable-next-line eslint/max-params -- one formula with its order
function lengthOf(x: Value, order: number, over: Over, call: OperationCall): Value {
  const m = new Algebra(call.bench.graph);
  if (order === 2) return m.graph.add('ReduceL2', [x], over);
  const size = m.of('Abs', x);
  if (order === 1) return sum(size, over, call);
  if (order === Number.POSITIVE_INFINITY) return m.graph.add('ReduceMax', [size], over);
  if (order === Number.NEGATIVE_INFINITY) return m.graph.add('ReduceMin', [size], over);
  if (order === 0) {
    return sum(m.cast(m.of('Not', m.join('Equal', x, 0)), 'float32'), over, call);
  }
  return m.join('Pow', sum(m.join('Pow', size, order), over, call), 1 / order);
}

/** The largest or smallest of the sums along rows or columns. */
function matrixNorm(
  x: Value,
  [order, axes]: readonly [number, readonly [number, number]],
  keepdims: 0 | 1,
  call: OperationCall,
): Value {
  const m = new Algebra(call.bench.graph);
  const [rows, columns] = axes;
  const isByColumn = Math.abs(order) === 1;
  const sums = m.sum(m.of('Abs', x), [isByColumn ? rows : columns], 1);
  const found = m.graph.add(order > 0 ? 'ReduceMax' : 'ReduceMin', [sums], {
    axes: [isByColumn ? columns : rows],
    keepdims: 1,
  });
  return keepdims === 1 ? found : m.squeeze(found, [rows, columns]);
}

const infinities: Readonly<Record<string, number>> = {
  inf: Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
  euclidean: 2,
};

/** The order as a number, of what may be none: 2 where Keras has the plain length. */
function orderOf(said: unknown): number | undefined {
  if (typeof said === 'number') return said;
  if (said === undefined || said === 'fro') return 2;
  return typeof said === 'string' ? infinities[said] : undefined;
}

/** Sums of rows or columns make the norms of matrices of order 1 and infinity. */
function isOfSums(order: number): boolean {
  return Math.abs(order) === 1 || !Number.isFinite(order);
}

/** The length of vectors, or, of two axes, a norm of matrices. Source: norm in keras/src/backend/tensorflow/linalg.py. */
const norm: Operation = (call) => {
  const said = call.raw(1, 'ord');
  const axes = call.integers(2, 'axis');
  const order = orderOf(said);
  const isPlain = said === undefined || said === 'euclidean' || said === 'fro';
  const isMatrix = axes?.length === 2 && !isPlain;
  if (order === undefined || (isMatrix && !isOfSums(order))) {
    throw call.refused(`a norm of order ${JSON.stringify(said)}`);
  }
  return reduction(
    (whole, over, inner) => {
      const x = inFloats(whole, inner.bench.graph);
      const pair = isMatrix ? matrixAxes(over.axes, x.shape.length) : undefined;
      return pair
        ? matrixNorm(x, [order, pair], over.keepdims, inner)
        : lengthOf(x, order, over, inner);
    },
    { axis: 2, keepdims: 3 },
  )(call);
};

/** Mean and variance. */
const moments: Operation = (call) => {
  const places = { axis: 1, keepdims: 2 };
  return [reduction(mean, places)(call), reduction(variance, places)(call)].flat();
};

/** Operations along axes. */
export const reductionOperations: Readonly<Record<string, Operation>> = {
  mean: reduction(mean),
  max: extreme('ReduceMax'),
  min: extreme('ReduceMin'),
  prod: reduction((x, over, call) => {
    const { graph } = call.bench;
    const to = call.dtype('dtype') ?? (x.dtype === 'bool' ? 'int32' : x.dtype);
    const numbers = x.dtype === to ? x : graph.add('Cast', [x], { to });
    return graph.add('ReduceProd', [numbers], over);
  }),
  logsumexp: reduction((x, over, { bench: { graph } }) =>
    graph.add('ReduceLogSumExp', [inFloats(x, graph)], over),
  ),
  sum: reduction(sum),
  var: reduction(variance),
  std: reduction((x, over, call) => call.bench.graph.add('Sqrt', [variance(x, over, call)])),
  norm,
  moments,
  ptp: reduction((x, over, { bench: { graph } }) =>
    graph.add('Sub', [graph.add('ReduceMax', [x], over), graph.add('ReduceMin', [x], over)]),
  ),
  count_nonzero: reduction((x, over, call) => {
    const { graph } = call.bench;
    const isSome = graph.add('Cast', [x], { to: 'bool' });
    return sum(graph.add('Cast', [isSome], { to: 'int64' }), over, call);
  }),
  any: ofTruth('ReduceMax'),
  all: ofTruth('ReduceMin'),
  argmax: position('ArgMax'),
  argmin: position('ArgMin'),
  softmax,
  log_softmax: logSoftmax,
  l2_normalize: l2Normalize,
};
