import type { Dim, Value } from '../../../tensor.ts';
import { integers, isKnown, type KerasTensor, kerasTensor } from '../../layout.ts';
import { sizeAlong, sizesOf } from '../../sizes.ts';
import { Algebra } from './algebra.ts';
import { axesFromStart, type OperationCall } from './call.ts';
import { inFloats, type Operation } from './elementwise.ts';
import { spaceOperations } from './spaces.ts';

/** Beyond the size of any axis. */
const end = 2 ** 31 - 1;

/** Along an axis, or all elements in a row where Keras 3 names none; TensorFlow's default is the first. */
function line(call: OperationCall, position = 1): { readonly x: Value; readonly axis: number } {
  const m = new Algebra(call.bench.graph);
  const isFlat =
    call.bench.origin.generation === 'Keras 3' && call.raw(position, 'axis') === undefined;
  const x = isFlat ? m.reshape(call.kerasX, [-1]) : call.kerasX;
  const [axis = 0] = axesFromStart([call.number(position, 0, 'axis')], x.shape.length);
  return { x, axis };
}

function typed(x: Value, call: OperationCall, m: Algebra): Value {
  const asked = call.dtype('dtype');
  if (asked) return m.cast(x, asked);
  return x.dtype === 'bool' ? m.cast(x, 'int32') : x;
}

function withoutNan(x: Value, fill: number, m: Algebra): Value {
  return x.dtype === 'float32' ? m.where(m.of('IsNaN', x), fill, x) : x;
}

function cumulativeSum(skips: boolean): Operation {
  return (call) => {
    const { graph } = call.bench;
    const m = new Algebra(graph);
    const { x, axis } = line(call);
    const numbers = typed(skips ? withoutNan(x, 0, m) : x, call, m);
    const flags = {
      ...(call.flag(2, 'exclusive') ? { exclusive: 1 as const } : {}),
      ...(call.flag(3, 'reverse') ? { reverse: 1 as const } : {}),
    };
    return kerasTensor(graph.add('CumSum', [numbers, graph.integers('axis', [axis], [])], flags));
  };
}

/** Products of the first 1, 2, 4, … numbers: each step joins those of twice as many. */
function cumulativeProduct(skips: boolean): Operation {
  return (call) => {
    const { graph } = call.bench;
    const m = new Algebra(graph);
    const { x, axis } = line(call);
    const size = x.shape[axis];
    if (!isKnown(size)) throw call.refused('an axis of open size');
    const isBackward = call.flag(3, 'reverse');
    const back = (value: Value): Value =>
      isBackward ? m.slice(value, axis, [-1, -(2 ** 31), -1]) : value;
    const along = (places: number): readonly number[] =>
      x.shape.map((_, at) => (at === axis ? places : 0));
    const shifted = (value: Value, by: number): Value => {
      const pads = integers(graph, 'pads', [...along(by), ...along(-by)]);
      return graph.add('Pad', [value, pads, m.number(1, value)], { mode: 'constant' });
    };
    let product = back(typed(skips ? withoutNan(x, 1, m) : x, call, m));
    for (let reach = 1; reach < size; reach *= 2) {
      product = graph.add('Mul', [product, shifted(product, reach)]);
    }
    return kerasTensor(back(call.flag(2, 'exclusive') ? shifted(product, 1) : product));
  };
}

/** Differences of neighbours, so many times. */
function difference(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = call.kerasX;
  const [axis = 0] = axesFromStart([call.number(2, -1, 'axis')], x.shape.length);
  const times = Array.from({ length: call.number(1, 1, 'n') });
  return kerasTensor(
    times.reduce<Value>(
      (value) => m.minus(m.slice(value, axis, [1, end]), m.slice(value, axis, [0, -1])),
      x,
    ),
  );
}

/** Half the sum of neighbours times how far they are apart, summed. */
function trapezoid(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const y = inFloats(call.value(0, { dtype: 'float32' }, 'y'), call.bench.graph);
  const [axis = 0] = axesFromStart([call.number(3, -1, 'axis')], y.shape.length);
  if (call.raw(1, 'x') !== undefined) throw call.refused('places that are no constant step');
  const pairs = m.plus(m.slice(y, axis, [1, end]), m.slice(y, axis, [0, -1]));
  return kerasTensor(m.times(m.sum(pairs, [axis]), call.number(2, 1, 'dx') / 2));
}

/** How many boundaries are at or below (right), or below (left) each number. */
function boundariesBelow(
  call: OperationCall,
  x: Value,
  [limits, isRight]: readonly [Value, boolean],
): Value {
  const m = new Algebra(call.bench.graph);
  const rank = x.shape.length;
  const isBelow = m.join(isRight ? 'GreaterOrEqual' : 'Greater', m.unsqueeze(x, [rank]), limits);
  return m.sum(m.cast(isBelow, 'int32'), [rank]);
}

function isIn(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = call.value(0, { dtype: 'float32' }, 'x1');
  const others = m.reshape(call.value(1, x, 'x2'), [-1]);
  const rank = x.shape.length;
  const same = m.graph.add('Equal', [m.unsqueeze(x, [rank]), others]);
  const any = m.graph.add('ReduceMax', [m.cast(same, 'float32')], { axes: [rank], keepdims: 0 });
  const found = m.cast(any, 'bool');
  return kerasTensor(call.flag(3, 'invert') ? m.of('Not', found) : found);
}

/** Whether the class of each row is among its k largest. */
function inTopK(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const targets = m.cast(call.value(0, { dtype: 'int64' }, 'targets'), 'int64');
  const numbers = call.value(1, { dtype: 'float32' }, 'predictions');
  const own = m.graph.add('GatherElements', [numbers, m.unsqueeze(targets, [1])], { axis: 1 });
  const above = m.sum(m.cast(m.join('Greater', numbers, own), 'int64'), [1]);
  return kerasTensor(m.join('Less', above, call.number(2, undefined, 'k')));
}

/** The coordinates of a grid. */
function meshgrid(call: OperationCall): readonly KerasTensor[] {
  const { graph, layouts } = call.bench;
  const m = new Algebra(graph);
  const vectors = call.tensors.map((tensor) => m.reshape(layouts.keras(tensor).value, [-1]));
  const isSwapped =
    (call.raw(Number.POSITIVE_INFINITY, 'indexing') ?? 'xy') === 'xy' && vectors.length > 1;
  const placeOf = (i: number): number => (isSwapped && i < 2 ? 1 - i : i);
  const dims = vectors.map((_, axis) => vectors[placeOf(axis)]?.shape[0] ?? 1);
  return vectors.map((vector, i) => {
    const axis = placeOf(i);
    const column = m.unsqueeze(
      vector,
      vectors.map((_, at) => at).filter((at) => at !== axis),
    );
    const value = graph.add('Expand', [column, sizesOf(graph, dims, vectors)]);
    return kerasTensor(graph.rename(value, value.name, dims));
  });
}

/** The number of elements, of all axes. */
function sizeOf(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = call.kerasX;
  const known = x.shape.every(isKnown) ? x.shape.reduce((a, b) => a * b, 1) : undefined;
  if (known !== undefined)
    return kerasTensor(m.graph.add('Identity', [m.number(known, { dtype: 'int32' })]));
  const all = m.graph.add('ReduceProd', [m.cast(m.graph.add('Shape', [x]), 'int32')], {
    axes: [0],
    keepdims: 0,
  });
  return kerasTensor(all);
}

/** Windows of a length that start a stride apart, along the last axis, as a new axis before it. */
export function framed(
  x: Value,
  [length, stride]: readonly [number, number],
  call: OperationCall,
): Value {
  const m = new Algebra(call.bench.graph);
  const axis = x.shape.length - 1;
  const all: Dim = x.shape[axis] ?? 1;
  if (!isKnown(all)) throw call.refused('a sequence of open length');
  const count = Math.max(Math.floor((all - length) / stride) + 1, 0);
  const places = Array.from(
    { length: count * length },
    (_, i) => Math.floor(i / length) * stride + (i % length),
  );
  return m.graph.add('Gather', [x, m.graph.integers('frames', places, [count, length])], { axis });
}

/** argsort without an axis goes through all elements. */
function sorted(part: 0 | 1): Operation {
  return (call) => {
    const { graph } = call.bench;
    const m = new Algebra(graph);
    // Keras 3 writes the axis always, null for all elements.
    const isFlat = call.bench.origin.generation === 'Keras 3' && call.raw(1, 'axis') === undefined;
    const whole = call.kerasX;
    const x = isFlat ? m.reshape(whole, [-1]) : whole;
    const isDown = call.raw(2, 'direction') === 'DESCENDING';
    const [axis = 0] = axesFromStart([call.number(1, -1, 'axis')], x.shape.length);
    const made = graph.addAll('TopK', [x, sizeAlong(graph, x, axis)], {
      axis,
      largest: isDown ? 1 : 0,
      sorted: 1,
    });
    return kerasTensor(made[part] ?? made[0]);
  };
}

/** All tensors in a row, or along an axis. */
function append(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const { like } = call;
  const whole = [call.value(0, like, 'x1'), call.value(1, like, 'x2')];
  const isFlat = call.raw(2, 'axis') === undefined;
  const parts = isFlat ? whole.map((x) => m.reshape(x, [-1])) : whole;
  const [axis = 0] = axesFromStart(
    [isFlat ? 0 : call.number(2, 0, 'axis')],
    parts[0]?.shape.length ?? 1,
  );
  return kerasTensor(m.concat(parts, axis));
}

/** Operations along sequences of numbers. Source: keras/src/ops/numpy.py and math.py. */
export const sequenceOperations: Readonly<Record<string, Operation>> = {
  cumsum: cumulativeSum(false),
  nancumsum: cumulativeSum(true),
  cumprod: cumulativeProduct(false),
  nancumprod: cumulativeProduct(true),
  diff: difference,
  trapezoid,
  digitize: (call) => {
    const x = call.value(0, { dtype: 'float32' }, 'x');
    return kerasTensor(boundariesBelow(call, x, [call.value(1, x, 'bins'), true]));
  },
  searchsorted: (call) => {
    const values = call.value(1, { dtype: 'float32' }, 'values');
    const limits = call.value(0, values, 'sorted_sequence');
    if (limits.shape.length !== 1) throw call.refused(`boundaries of ${limits.shape.length} axes`);
    const isRight = call.raw(2, 'side') === 'right';
    return kerasTensor(boundariesBelow(call, values, [limits, isRight]));
  },
  isin: isIn,
  in_top_k: inTopK,
  ...spaceOperations,
  meshgrid,
  size: sizeOf,
  ndim: (call) => {
    const m = new Algebra(call.bench.graph);
    const rank = m.number(call.x.shape.length, { dtype: 'int32' });
    return kerasTensor(m.graph.add('Identity', [rank]));
  },
  sort: sorted(0),
  argsort: sorted(1),
  append,
  extract_sequences: (call) => {
    const lengths = [
      call.number(1, undefined, 'sequence_length'),
      call.number(2, undefined, 'sequence_stride'),
    ] as const;
    return kerasTensor(framed(call.kerasX, lengths, call));
  },
};
