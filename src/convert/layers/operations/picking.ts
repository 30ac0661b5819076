import { bytesSource } from '../../../source.ts';
import type { Value } from '../../../tensor.ts';
import { integers, isKnown, type KerasTensor, kerasTensor } from '../../layout.ts';
import { sizesOf } from '../../sizes.ts';
import { Algebra } from './algebra.ts';
import { axesFromStart, type OperationCall } from './call.ts';
import type { Operation } from './elementwise.ts';
import { diagonalAlong } from './products.ts';

/** An argument as whole numbers, whatever their type: a tensor, or numbers of the file. */
export function places(call: OperationCall, position: number, ...names: readonly string[]): Value {
  const value = call.value(position, { dtype: 'int64' }, ...names);
  return new Algebra(call.bench.graph).cast(value, 'int64');
}

/** Rows by their numbers along an axis; either may be numbers of the file. */
function take(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const m = new Algebra(graph);
  const whole = call.value(0, { dtype: 'float32' }, 'x', 'params');
  const indices = places(call, 1, 'indices');
  const stated = call.raw(2, 'axis');
  const batch = call.raw(Number.POSITIVE_INFINITY, 'batch_dims');
  if (batch !== undefined && batch !== 0) throw call.refused(`batch_dims ${JSON.stringify(batch)}`);
  // Without an axis Keras 3 counts through all elements, and TensorFlow along the first axis.
  const isFlat = stated === undefined && call.bench.origin.generation === 'Keras 3';
  const x = isFlat ? m.reshape(whole, [-1]) : whole;
  const [axis = 0] = axesFromStart([isFlat ? 0 : call.number(2, 0, 'axis')], x.shape.length);
  return kerasTensor(graph.add('Gather', [x, indices], { axis }));
}

/** As many rows as there are indices, each along its own line. */
function takeAlongAxis(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const m = new Algebra(graph);
  const whole = call.kerasX;
  const asked = places(call, 1, 'indices');
  const isFlat = call.raw(2, 'axis') === undefined;
  const x = isFlat ? m.reshape(whole, [-1]) : whole;
  const [axis = 0] = axesFromStart([isFlat ? 0 : call.number(2, 0, 'axis')], x.shape.length);
  if (asked.shape.length !== x.shape.length)
    throw call.refused(`indices of ${asked.shape.length} axes`);
  const isAlike = asked.shape.every((size, at) => at === axis || size === x.shape[at]);
  const wanted = x.shape.map((size, at) => (at === axis ? (asked.shape[at] ?? 1) : size));
  const indices = isAlike
    ? asked
    : graph.add('Expand', [asked, sizesOf(graph, wanted, [x, asked])]);
  // Negative indices count from the end, in ONNX as in NumPy.
  const value = graph.add('GatherElements', [x, indices], { axis });
  return kerasTensor(graph.rename(value, value.name, wanted));
}

/** Each element so many times in a row along an axis; of all elements where none is named. */
function repeat(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const m = new Algebra(graph);
  const times = call.integers(1, 'repeats');
  if (!times) throw call.refused('repeats that are computed');
  const isFlat = call.raw(2, 'axis') === undefined;
  const x = isFlat ? m.reshape(call.kerasX, [-1]) : call.kerasX;
  const [axis = 0] = axesFromStart([isFlat ? 0 : call.number(2, 0, 'axis')], x.shape.length);
  const size = x.shape[axis];
  const [count = 1, ...others] = times;
  if (others.length === 0) return kerasTensor(repeatedEach(x, axis, count, m));
  if (!isKnown(size)) throw call.refused('an axis of open size');
  const order = times.flatMap((each, i) => Array.from({ length: each }, () => i));
  return kerasTensor(graph.add('Gather', [x, integers(graph, 'order', order)], { axis }));
}

function repeatedEach(x: Value, axis: number, count: number, m: Algebra): Value {
  const size = x.shape[axis];
  if (isKnown(size)) {
    const order = Array.from({ length: size * count }, (_, i) => Math.floor(i / count));
    return m.graph.add('Gather', [x, integers(m.graph, 'order', order)], { axis });
  }
  // [..., n, ...] → [..., n, 1, ...] → [..., n, count, ...] → [..., n · count, ...].
  const thin = m.unsqueeze(x, [axis + 1]);
  const repeats = thin.shape.map((_, at) => (at === axis + 1 ? count : 1));
  const wide = m.graph.add('Tile', [thin, integers(m.graph, 'repeats', repeats)]);
  const target = sizesOf(m.graph, x.shape.with(axis, -1), [x]);
  const value = m.graph.add('Reshape', [wide, target]);
  return m.graph.rename(value, value.name, x.shape.with(axis, `${size}*${count}`));
}

function ones(length: number): readonly number[] {
  return Array.from({ length: Math.max(length, 0) }, () => 1);
}

/** As often one after the other along each axis. */
function tile(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const m = new Algebra(graph);
  const x = call.value(0, { dtype: 'float32' }, 'x', 'input');
  const repeats = call.integers(1, 'repeats', 'multiples');
  if (!repeats) throw call.refused('repeats that are computed');
  const missing = x.shape.length - repeats.length;
  const wide = m.unsqueeze(
    x,
    ones(-missing).map((_, axis) => axis),
  );
  return kerasTensor(
    graph.add('Tile', [wide, integers(graph, 'repeats', [...ones(missing), ...repeats])]),
  );
}

/** A vector as a diagonal matrix, or the diagonal of a matrix. */
function diag(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = call.kerasX;
  const offset = call.number(1, 0, 'k');
  if (x.shape.length === 2) return kerasTensor(diagonalAlong(x, { axes: [0, 1], offset, call, m }));
  if (x.shape.length !== 1) throw call.refused(`a tensor of ${x.shape.length} axes`);
  return kerasTensor(diagonalMatrix(x, offset, call, m));
}

/** Truth on the diagonal of a matrix. */
export function diagonalOn([rows, columns]: readonly [number, number], m: Algebra): Value {
  return m.graph.shared(`diagonal_${rows}_${columns}`, () => {
    const bits = Uint8Array.from({ length: rows * columns }, (_, i) =>
      Math.floor(i / columns) === i % columns ? 1 : 0,
    );
    return bytesSource('bool', [rows, columns], bits);
  });
}

function diagonalMatrix(x: Value, offset: number, call: OperationCall, m: Algebra): Value {
  const size = x.shape.at(-1);
  if (!isKnown(size)) throw call.refused('a vector of open size');
  const isOn = diagonalOn([size, size], m);
  const square = m.where(isOn, m.unsqueeze(x, [x.shape.length]), m.number(0, x));
  if (offset === 0) return square;
  const [before, below] = [Math.max(offset, 0), Math.max(-offset, 0)];
  const lead = x.shape.slice(0, -1).map(() => 0);
  return m.graph.add(
    'Pad',
    [square, integers(m.graph, 'pads', [...lead, below, before, ...lead, before, below])],
    {
      mode: 'constant',
    },
  );
}

/** A quarter of a turn, so many times, from the first axis to the second. */
function rot90(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = call.kerasX;
  const [from = 0, to = 1] = axesFromStart(call.integers(2, 'axes') ?? [0, 1], x.shape.length);
  const turns = ((call.number(1, 1, 'k') % 4) + 4) % 4;
  // TensorFlow's half turn of what is not square puts the numbers in another order than that of other backends.
  if (turns === 2 && x.shape[from] !== x.shape[to]) {
    throw call.refused('half a turn of what is not square, in which the backends of Keras differ');
  }
  const swapped = (value: Value): Value =>
    m.transpose(
      value,
      value.shape.map((_, axis) => (axis === from ? to : axis === to ? from : axis)),
    );
  const mirrored = (value: Value, axis: number): Value =>
    m.slice(value, axis, [-1, -(2 ** 31), -1]);
  const value = [
    () => x,
    () => swapped(mirrored(x, to)),
    () => mirrored(mirrored(x, from), to),
    () => mirrored(swapped(x), to),
  ][turns]?.();
  return kerasTensor(value ?? x);
}

function flipped(axis: number): Operation {
  return (call) => {
    const m = new Algebra(call.bench.graph);
    return kerasTensor(m.slice(call.kerasX, axis, [-1, -(2 ** 31), -1]));
  };
}

/** A part of the first tensor replaced by the second. */
function sliceUpdate(call: OperationCall): KerasTensor {
  const { graph, layer } = call.bench;
  const m = new Algebra(graph);
  const x = call.kerasX;
  const starts = call.integers(1, 'start_indices');
  if (!starts) throw call.refused('start_indices that are computed');
  const update = m.cast(call.value(2, x, 'updates'), x.dtype);
  const spans = x.shape.map((size, axis) => {
    const start = starts[axis] ?? 0;
    const own = update.shape[axis];
    if (start === 0 && own === size) return { before: 0, own: 1, after: 0, size: 1 };
    if (!isKnown(size) || !isKnown(own)) throw call.refused('an axis of open size');
    return { before: start, own, after: size - start - own, size };
  });
  const isIn = spans.reduce<readonly number[]>(
    (all, { before, own, size }) =>
      all.flatMap((bit) =>
        Array.from({ length: size }, (_, i) => (bit && i >= before && i < before + own ? 1 : 0)),
      ),
    [1],
  );
  const mask = graph.initializer(
    `${layer}/part`,
    bytesSource(
      'bool',
      spans.map(({ size }) => size),
      Uint8Array.from(isIn),
    ),
  );
  const pads = [...spans.map(({ before }) => before), ...spans.map(({ after }) => after)];
  const wide = graph.add('Pad', [update, integers(graph, 'pads', pads)], { mode: 'constant' });
  return kerasTensor(graph.add('Where', [mask, wide, x]));
}

function oneHotAlong(call: OperationCall, ids: Value, axis: number): Value {
  const m = new Algebra(call.bench.graph);
  const depth = call.number(1, undefined, 'num_classes', 'depth');
  const [at = 0] = axesFromStart([axis], ids.shape.length + 1);
  const shape = Array.from({ length: ids.shape.length + 1 - at }, (_, i) => (i === 0 ? depth : 1));
  const classes = m.graph.integers(
    'classes',
    Array.from({ length: depth }, (_, i) => i),
    shape,
  );
  return m.graph.add('Equal', [m.unsqueeze(ids, [at]), classes]);
}

/** TensorFlow's on and off values; 1 and 0. */
function oneHot(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const isKeras3 = call.bench.origin.generation === 'Keras 3';
  const hot = oneHotAlong(
    call,
    m.cast(call.kerasX, 'int64'),
    call.number(isKeras3 ? 2 : 4, -1, 'axis'),
  );
  const to = call.dtype('dtype') ?? 'float32';
  const [on, off] = isKeras3
    ? [1, 0]
    : [call.number(2, 1, 'on_value'), call.number(3, 0, 'off_value')];
  const numbers = on === 1 && off === 0 ? m.cast(hot, 'float32') : m.where(hot, on, off);
  return kerasTensor(m.cast(to === 'float32' ? numbers : m.cast(hot, to), to));
}

/** A 1 for each class that is among those along the second axis, or the only one. Source: multi_hot in keras/src/backend. */
function multiHot(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const ids = m.cast(call.kerasX, 'int64');
  const hot = m.cast(oneHotAlong(call, ids, call.number(2, -1, 'axis')), 'float32');
  const gone = ids.shape.length > 1 ? 1 : 0;
  const value = m.graph.add('ReduceMax', [hot], { axes: [gone], keepdims: 0 });
  return kerasTensor(m.cast(value, call.dtype('dtype') ?? 'float32'));
}

/** The places along each axis for a place among all. */
function unravelIndex(call: OperationCall): readonly KerasTensor[] {
  const m = new Algebra(call.bench.graph);
  const shape = call.integers(1, 'shape');
  if (!shape) throw call.refused('a shape that is computed');
  const x = call.kerasX;
  if (x.shape.length !== 1) {
    throw call.refused('places of several axes, in which the backends of Keras differ');
  }
  return shape.map((size, axis) => {
    const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    const whole = inner === 1 ? x : m.over(x, inner);
    return kerasTensor(m.graph.add('Mod', [whole, m.number(size, x)], { fmod: 0 }));
  });
}

/** Operations that pick elements by numbers, or put them somewhere. Source: keras/src/ops/numpy.py, core.py and math.py. */
export const pickingOperations: Readonly<Record<string, Operation>> = {
  take,
  take_along_axis: takeAlongAxis,
  repeat,
  tile,
  diag,
  diagflat: (call) => {
    const m = new Algebra(call.bench.graph);
    return kerasTensor(
      diagonalMatrix(m.reshape(call.kerasX, [-1]), call.number(1, 0, 'k'), call, m),
    );
  },
  rot90,
  fliplr: flipped(1),
  flipud: flipped(0),
  slice_update: sliceUpdate,
  one_hot: oneHot,
  multi_hot: multiHot,
  unravel_index: unravelIndex,
};
