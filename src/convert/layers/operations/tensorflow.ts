import type { Value } from '../../../tensor.ts';
import { isKnown, type KerasTensor, kerasTensor } from '../../layout.ts';
import { Algebra } from './algebra.ts';
import { axesFromStart, type OperationCall } from './call.ts';
import { binary, inFloats, type Operation, unary } from './elementwise.ts';
import { normalisingOperations } from './normalising.ts';
import { sliced } from './ordering.ts';
import { diagonalOn, pickingOperations } from './picking.ts';
import { diagonalAlong, productOperations } from './products.ts';
import { scatteringOperations } from './scattering.ts';
import { framed, sequenceOperations } from './sequences.ts';
import { inverseErf } from './special.ts';
import { imageFunctions } from './tensorflow-images.ts';
import { filled, range } from './tensorflow-made.ts';
import { windowOperations } from './windows.ts';

function pairFormula(of: (a: Value, b: Value, m: Algebra) => Value): Operation {
  return binary((a, b, graph) => of(inFloats(a, graph), inFloats(b, graph), new Algebra(graph)));
}

function formula(of: (x: Value, m: Algebra, call: OperationCall) => Value): Operation {
  return unary((x, graph, call) => of(inFloats(x, graph), new Algebra(graph), call));
}

/** A function of the whole tensor in Keras' order. */
function whole(of: (x: Value, m: Algebra, call: OperationCall) => Value): Operation {
  return (call) => kerasTensor(of(call.kerasX, new Algebra(call.bench.graph), call));
}

function rowOf(table: Readonly<Record<string, Operation>>, name: string): Operation {
  const row = table[name];
  if (!row) throw new Error(`Bug: no operation "${name}"`);
  return row;
}

function all(x: Value): readonly number[] {
  return x.shape.map((_, axis) => axis);
}

const same: Operation = ({ x }) => x;

/** The positive and the negative part, side by side. */
function crelu(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = call.kerasX;
  const [axis = 0] = axesFromStart([call.number(1, -1, 'axis')], x.shape.length);
  const parts = [x, m.of('Neg', x)].map((part) => m.graph.add('Relu', [part]));
  return kerasTensor(m.concat(parts, axis));
}

/** x · limit / max(length, limit). */
function clipByNorm(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = call.kerasX;
  const limit = call.number(1, undefined, 'clip_norm');
  const axes = axesFromStart(call.integers(2, 'axes') ?? all(x), x.shape.length);
  const length = m.graph.add('ReduceL2', [x], { axes, keepdims: 1 });
  return kerasTensor(m.over(m.times(x, limit), m.join('Max', length, limit)));
}

function cumulativeLogSumExp(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = call.kerasX;
  const [axis = 0] = axesFromStart([call.number(1, 0, 'axis')], x.shape.length);
  if (call.flag(2, 'exclusive') || call.flag(3, 'reverse'))
    throw call.refused('exclusive or reverse');
  const largest = m.graph.add('ReduceMax', [x], { axes: [axis], keepdims: 1 });
  const powers = m.of('Exp', m.minus(x, largest));
  const sums = m.graph.add('CumSum', [powers, m.graph.integers('axis', [axis], [])], {});
  return kerasTensor(m.plus(m.of('Log', sums), largest));
}

function turned(x: Value, m: Algebra): Value {
  const rank = x.shape.length;
  return m.transpose(
    x,
    all(x).map((axis) => (axis === rank - 1 ? rank - 2 : axis === rank - 2 ? rank - 1 : axis)),
  );
}

/** Each sample by its own numbers: the first `batch_dims` axes of both go together. */
function gather(call: OperationCall): KerasTensor {
  const batch = call.number(Number.POSITIVE_INFINITY, 0, 'batch_dims');
  if (batch === 0) return one(rowOf(pickingOperations, 'take')(call));
  const m = new Algebra(call.bench.graph);
  const x = call.value(0, { dtype: 'float32' }, 'params');
  const places = m.cast(call.value(1, { dtype: 'int64' }, 'indices'), 'int64');
  const [axis = batch] = axesFromStart(
    [call.number(Number.POSITIVE_INFINITY, batch, 'axis')],
    x.shape.length,
  );
  // The axis comes right behind the batch, and what it passed goes back in front of the new axes.
  const passed = all(x).slice(batch, axis);
  const first = [...all(x).slice(0, batch), axis, ...passed, ...all(x).slice(axis + 1)];
  const found = m.graph.add(
    'GatherND',
    [m.transpose(x, first), m.unsqueeze(places, [places.shape.length])],
    {
      batch_dims: batch,
    },
  );
  const added = places.shape.length - batch;
  const rest = all(found).slice(batch + added);
  const order = [
    ...all(found).slice(0, batch),
    ...rest.slice(0, passed.length),
    ...all(found).slice(batch, batch + added),
    ...rest.slice(passed.length),
  ];
  return kerasTensor(m.transpose(found, order));
}

function one(made: ReturnType<Operation>): KerasTensor {
  if ('value' in made) return made;
  throw new Error('Bug: the operation has one output');
}

function gatherNd(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = call.value(0, { dtype: 'float32' }, 'params');
  const places = m.cast(call.value(1, { dtype: 'int64' }, 'indices'), 'int64');
  const batch = call.number(Number.POSITIVE_INFINITY, 0, 'batch_dims');
  if (!isKnown(places.shape.at(-1))) throw call.refused('indices of open length');
  return kerasTensor(m.graph.add('GatherND', [x, places], { batch_dims: batch }));
}

function stridedSlice(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const starts = call.integers(1, 'begin');
  const ends = call.integers(2, 'end');
  const masks = ['begin_mask', 'end_mask', 'ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask'];
  const isPlain = masks.every((mask) => (call.raw(Number.POSITIVE_INFINITY, mask) ?? 0) === 0);
  if (!starts || !ends || !isPlain) throw call.refused('masks, or places that are computed');
  const steps = call.integers(3, 'strides') ?? starts.map(() => 1);
  return kerasTensor(sliced(graph, call.kerasX, { starts, ends, steps }));
}

function booleanMask(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const mask: unknown = call.raw(1, 'mask');
  const list: readonly unknown[] = Array.isArray(mask) ? mask : [];
  if (list.length === 0 || list.some((part) => typeof part !== 'boolean'))
    throw call.refused('a mask that is computed');
  const places = list.flatMap((part, i) => (part === true ? [i] : []));
  const axis = call.number(3, 0, 'axis');
  return kerasTensor(m.gather(call.kerasX, places, axis));
}

/** Whether each place up to a length is before it. */
function sequenceMask(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const lengths = m.cast(call.kerasX, 'int64');
  const size = call.number(1, undefined, 'maxlen');
  const places = m.graph.integers(
    'steps',
    Array.from({ length: size }, (_, i) => i),
  );
  const isBefore = m.graph.add('Less', [places, m.unsqueeze(lengths, [lengths.shape.length])]);
  return kerasTensor(m.cast(isBefore, call.dtype('dtype', 2) ?? 'bool'));
}

function diagonalPart(call: OperationCall): Value {
  const m = new Algebra(call.bench.graph);
  const x = call.kerasX;
  const rank = x.shape.length;
  const offset = call.number(1, 0, 'k', 'offset');
  return diagonalAlong(x, { axes: [rank - 2, rank - 1], offset, call, m });
}

function setDiagonal(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = call.kerasX;
  const [rows, columns] = x.shape.slice(-2);
  if (!isKnown(rows) || !isKnown(columns) || call.number(2, 0, 'k') !== 0)
    throw call.refused('a diagonal of open size');
  const diagonal = call.value(1, x, 'diagonal');
  const rank = diagonal.shape.length;
  const isOn = diagonalOn([rows, columns], m);
  return kerasTensor(m.where(isOn, m.unsqueeze(diagonal, [rows <= columns ? rank : rank - 1]), x));
}

function normalize(call: OperationCall): readonly KerasTensor[] {
  const m = new Algebra(call.bench.graph);
  const x = call.kerasX;
  const order = call.raw(1, 'ord') ?? 'euclidean';
  if (order !== 'euclidean' && order !== 2)
    throw call.refused(`a norm of order ${JSON.stringify(order)}`);
  const axes = axesFromStart(call.integers(2, 'axis') ?? all(x), x.shape.length);
  const length = m.graph.add('ReduceL2', [x], { axes, keepdims: 1 });
  return [kerasTensor(m.over(x, length)), kerasTensor(length)];
}

function pool(call: OperationCall): ReturnType<Operation> {
  const kind = call.word(2, { names: ['pooling_type'], of: ['max', 'avg'], byDefault: 'max' });
  return rowOf(windowOperations, kind === 'max' ? 'max_pool' : 'average_pool')(call);
}

/** x / (bias + alpha Σ x²)^beta, the sum over the channels around each. */
function localResponse(call: OperationCall): KerasTensor {
  const { graph, layouts } = call.bench;
  const x = layouts.padded(layouts.channelsFirst(call.x));
  const size = 2 * call.number(1, 5, 'depth_radius') + 1;
  const value = graph.add('LRN', [x.value], {
    size,
    // ONNX divides by the size.
    alpha: call.number(3, 1, 'alpha') * size,
    beta: call.number(4, 0.5, 'beta'),
    bias: call.number(2, 1, 'bias'),
  });
  return { ...x, value };
}

/** The losses of TensorFlow on what comes before softmax or sigmoid. */
function logitLoss(
  kind: 'binary_crossentropy' | 'categorical_crossentropy' | 'sparse_categorical_crossentropy',
): Operation {
  return (call) =>
    rowOf(
      normalisingOperations,
      kind,
    )(call.renamed({ target: 'labels', output: 'logits' }, { from_logits: true }));
}

function segments(kind: 'sum' | 'max' | 'min' | 'prod'): Operation {
  return (call) => {
    const ids: unknown = call.raw(1, 'segment_ids');
    const list: readonly unknown[] = Array.isArray(ids) ? ids : [];
    const known = list.every((id) => typeof id === 'number') && list.length > 0;
    const count =
      call.raw(2, 'num_segments') ?? (known ? Math.max(...list.map(Number)) + 1 : undefined);
    return rowOf(
      scatteringOperations,
      `segment_${kind}`,
    )(call.renamed({}, { num_segments: count }));
  };
}

/** Functions of TensorFlow that `keras.ops` has not, or has otherwise, by their paths. */
export const tensorFlowFunctions: Readonly<Record<string, Operation>> = {
  ...imageFunctions,
  rank: rowOf(sequenceOperations, 'ndim'),
  ensure_shape: same,
  'debugging.check_numerics': same,
  identity_n: ({ tensors }) => tensors,
  'nn.crelu': crelu,
  'nn.l2_loss': whole((x, m) => m.times(m.sum(m.times(x, x), all(x)), 0.5)),
  'math.zero_fraction': whole((x, m) => m.mean(m.cast(m.join('Equal', x, 0), 'float32'), all(x))),
  'math.xdivy': pairFormula((a, b, m) => m.where(m.join('Equal', a, 0), 0, m.over(a, b))),
  'math.xlog1py': pairFormula((a, b, m) =>
    m.where(m.join('Equal', a, 0), 0, m.times(a, m.of('Log', m.plus(b, 1)))),
  ),
  'math.ndtri': formula((x, m) => m.times(inverseErf(m.minus(m.times(x, 2), 1), m), Math.SQRT2)),
  'math.erfcinv': formula((x, m) => inverseErf(m.minus(1, x), m)),
  clip_by_norm: clipByNorm,
  'math.cumulative_logsumexp': cumulativeLogSumExp,
  'math.in_top_k': (call) => rowOf(sequenceOperations, 'in_top_k')(call.swapped()),
  'linalg.matrix_transpose': whole((x, m) => turned(x, m)),
  gather,
  gather_nd: gatherNd,
  'nn.embedding_lookup': (call) =>
    rowOf(pickingOperations, 'take')(call.renamed({ indices: 'ids' }, {})),
  strided_slice: stridedSlice,
  boolean_mask: booleanMask,
  sequence_mask: sequenceMask,
  zeros: filled(0),
  ones: filled(1),
  fill: filled(undefined),
  range,
  scatter_nd: rowOf(scatteringOperations, 'scatter'),
  'math.segment_sum': segments('sum'),
  'math.segment_max': segments('max'),
  'math.segment_min': segments('min'),
  'math.segment_prod': segments('prod'),
  'math.unsorted_segment_sum': segments('sum'),
  'math.unsorted_segment_max': segments('max'),
  'math.unsorted_segment_min': segments('min'),
  'math.unsorted_segment_prod': segments('prod'),
  'linalg.diag': whole((x, m, call) => {
    const size = x.shape.at(-1);
    if (!isKnown(size) || call.number(1, 0, 'k') !== 0)
      throw call.refused('a vector of open size, or another diagonal');
    return m.where(diagonalOn([size, size], m), m.unsqueeze(x, [x.shape.length]), m.number(0, x));
  }),
  'linalg.tensor_diag': rowOf(pickingOperations, 'diag'),
  'linalg.diag_part': (call) => kerasTensor(diagonalPart(call)),
  'linalg.set_diag': setDiagonal,
  'linalg.trace': (call) => {
    const m = new Algebra(call.bench.graph);
    const diagonal = diagonalPart(call);
    return kerasTensor(m.sum(diagonal, [diagonal.shape.length - 1]));
  },
  'linalg.normalize': normalize,
  'linalg.cross': rowOf(productOperations, 'cross'),
  'nn.pool': pool,
  'nn.local_response_normalization': localResponse,
  'nn.softmax_cross_entropy_with_logits_v2': logitLoss('categorical_crossentropy'),
  'nn.sparse_softmax_cross_entropy_with_logits': logitLoss('sparse_categorical_crossentropy'),
  'nn.sigmoid_cross_entropy_with_logits': logitLoss('binary_crossentropy'),
  'keras.backend.batch_flatten': whole((x, m) => m.graph.add('Flatten', [x], { axis: 1 })),
  'signal.frame': (call) => {
    if (call.flag(3, 'pad_end')) throw call.refused('pad_end');
    const lengths = [
      call.number(1, undefined, 'frame_length'),
      call.number(2, undefined, 'frame_step'),
    ] as const;
    return kerasTensor(framed(call.kerasX, lengths, call));
  },
};
