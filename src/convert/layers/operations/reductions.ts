import type { Value } from '../../../tensor.ts';
import { axisIn, inLayoutOf, integers, type KerasTensor, kerasTensor } from '../../layout.ts';
import { axesFromStart, type OperationCall } from './call.ts';
import type { Operation } from './elementwise.ts';

type ReduceOp = 'ReduceMean' | 'ReduceMax' | 'ReduceMin' | 'ReduceProd' | 'ReduceLogSumExp';
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

function simple(op: ReduceOp): Operation {
  return reduction((x, over, { bench: { graph } }) => graph.add(op, [x], over));
}

const sum: Reduce = (x, { axes, keepdims }, { bench: { graph } }) =>
  graph.add('ReduceSum', [x, integers(graph, 'axes', axes)], { keepdims });

const variance: Reduce = (x, over, { bench: { graph } }) => {
  const mean = graph.add('ReduceMean', [x], { ...over, keepdims: 1 });
  const centred = graph.add('Sub', [x, mean]);
  return graph.add('ReduceMean', [graph.add('Mul', [centred, centred])], over);
};

/** Truth as numbers, reduced, and truth again. */
function ofTruth(op: 'ReduceMax' | 'ReduceMin'): Operation {
  return reduction((x, over, { bench: { graph } }) => {
    const numbers = graph.add('Cast', [x], { to: 'float32' });
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

/** x / sqrt(max(Σx², epsilon)). */
const l2Normalize: Operation = (call) => {
  const { graph, layouts } = call.bench;
  const x = layouts.padded(call.x);
  if (call.number(2, 2, 'order') !== 2) throw call.refused('a norm that is not of order 2');
  const axes = (call.integers(1, 'axis') ?? [-1]).map((axis) => axisIn(x, axis));
  const epsilon = call.number(3, 1e-12, 'epsilon');
  const length = graph.add('ReduceL2', [x.value], { axes, keepdims: 1 });
  const floor = graph.add('Max', [length, graph.floats('smallest', [Math.sqrt(epsilon)])]);
  return inLayoutOf(x, graph.add('Div', [x.value, floor]));
};

/** The length of vectors: of order 2, which is the default, 1, or the largest element. */
const norm: Operation = (call) => {
  // oxlint-disable-next-line typescript/no-base-to-string -- the text of a setting; anything else matches no row
  const order = String(call.raw(1, 'ord') ?? 2);
  if (!['1', '2', 'euclidean'].includes(order)) throw call.refused(`a norm of order ${order}`);
  return reduction(
    (x, over, inner) => {
      const { graph } = inner.bench;
      return order === '1'
        ? sum(graph.add('Abs', [x]), over, inner)
        : graph.add('ReduceL2', [x], over);
    },
    { axis: 2, keepdims: 3 },
  )(call);
};

/** Mean and variance. */
const moments: Operation = (call) => {
  const places = { axis: 1, keepdims: 2 };
  const mean = reduction(
    (x, over, { bench: { graph } }) => graph.add('ReduceMean', [x], over),
    places,
  );
  return [mean(call), reduction(variance, places)(call)].flat();
};

/** Operations along axes. */
export const reductionOperations: Readonly<Record<string, Operation>> = {
  mean: simple('ReduceMean'),
  max: simple('ReduceMax'),
  min: simple('ReduceMin'),
  prod: simple('ReduceProd'),
  logsumexp: simple('ReduceLogSumExp'),
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
