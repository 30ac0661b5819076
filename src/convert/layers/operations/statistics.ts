import type { Dim, Value } from '../../../tensor.ts';
import { integers, isKnown, type KerasTensor, kerasTensor } from '../../layout.ts';
import { productOf, reshapeTo, sizeAlong } from '../../sizes.ts';
import { Algebra } from './algebra.ts';
import { axesFromStart, type OperationCall } from './call.ts';
import { inFloats, type Operation } from './elementwise.ts';

/** x with the axes that are reduced as one at the end: [...kept, all]. */
interface Rows {
  readonly x: Value;
  /** The axes that are left, and those that are not, of the Keras shape. */
  readonly kept: readonly Dim[];
  readonly gone: readonly number[];
  readonly keepdims: boolean;
}

function rowsOf(
  call: OperationCall,
  places: { readonly axis: number; readonly keepdims: number },
): Rows {
  const { graph } = call.bench;
  const x = inFloats(call.kerasX, graph);
  const rank = x.shape.length;
  const all = x.shape.map((_, axis) => axis);
  const gone = axesFromStart(call.integers(places.axis, 'axis') ?? all, rank);
  const left = all.filter((axis) => !gone.includes(axis));
  const kept = left.map((axis) => x.shape[axis] ?? 1);
  const moved = new Algebra(graph).transpose(x, [...left, ...gone]);
  const size = productOf(gone.map((axis) => x.shape[axis] ?? 1));
  const flat = gone.length === 1 ? moved : reshapeTo(graph, moved, [...kept, size], [x]);
  return { x: flat, kept, gone, keepdims: call.flag(places.keepdims, 'keepdims') };
}

/** The sizes of 1 that are kept, where they are asked for; `before` axes come first. */
function restored(value: Value, rows: Rows, m: Algebra, before = 0): KerasTensor {
  if (!rows.keepdims) return kerasTensor(value);
  return kerasTensor(
    m.unsqueeze(
      value,
      rows.gone.map((axis) => axis + before).toSorted((a, b) => a - b),
    ),
  );
}

const methods = ['linear', 'lower', 'higher', 'nearest', 'midpoint'] as const;
type Method = (typeof methods)[number];

/** The numbers at (fractional) places between 0 and count - 1 of sorted rows. `at` gives those at whole places. */
function between(
  place: Value,
  method: Method,
  { at, m }: { readonly at: (place: Value) => Value; readonly m: Algebra },
): Value {
  const low = m.of('Floor', place);
  const high = m.of('Ceil', place);
  switch (method) {
    case 'lower':
      return at(low);
    case 'higher':
      return at(high);
    case 'nearest':
      return at(m.of('Round', place));
    case 'midpoint':
      return m.times(m.plus(at(low), at(high)), 0.5);
    case 'linear': {
      const fraction = m.minus(place, low);
      return m.plus(m.times(at(low), m.minus(1, fraction)), m.times(at(high), fraction));
    }
  }
}

function sorted(x: Value, m: Algebra): Value {
  const axis = x.shape.length - 1;
  const [numbers] = m.graph.addAll('TopK', [x, sizeAlong(m.graph, x, axis)], {
    axis,
    largest: 0,
    sorted: 1,
  });
  return numbers;
}

/** Quantiles of what is a number, or of everything, which is no number where a part is not. */
function quantileOf(
  rows: Rows,
  q: number,
  { method, skips, m }: { readonly method: Method; readonly skips: boolean; readonly m: Algebra },
): Value {
  const { x } = rows;
  const last = x.shape.length - 1;
  const isNone = m.cast(m.of('IsNaN', x), 'float32');
  const missing = m.sum(isNone, [last], 1);
  const order = sorted(m.where(m.of('IsNaN', x), Number.POSITIVE_INFINITY, x), m);
  const size = x.shape[last];
  const all = isKnown(size)
    ? m.number(size, { dtype: 'float32' })
    : m.cast(sizeAlong(m.graph, x, last), 'float32');
  const count = skips ? m.minus(all, missing) : all;
  // Places are exact in float32 below 2²⁴ elements.
  const place = m.join('Max', m.times(m.minus(count, 1), q), 0);
  const at = (whole: Value): Value => {
    const index = m.cast(whole, 'int64');
    if (skips) return m.graph.add('GatherElements', [order, index], { axis: last });
    const one = m.graph.add('Reshape', [index, integers(m.graph, 'shape', [1])]);
    return m.graph.add('Gather', [order, one], { axis: last });
  };
  const found = between(place, method, { at, m });
  const isOut = skips ? m.join('Equal', count, 0) : m.join('Greater', missing, 0);
  return m.squeeze(m.where(isOut, Number.NaN, found), [last]);
}

interface Kind {
  readonly skips: boolean;
  readonly scale: number;
  /** The only one there is, which is then no argument. */
  readonly q?: number;
  /** Keras forgets the method of a Quantile that is a node. Source: Quantile.call in keras/src/ops/numpy.py. */
  readonly isLinear?: boolean;
}

function quantile(kind: Kind): Operation {
  return (call) => {
    const m = new Algebra(call.bench.graph);
    const at = kind.q === undefined ? 1 : 0;
    const given = kind.q ?? quantiles(call);
    const method =
      kind.q === undefined && kind.isLinear !== true
        ? call.word(3, { names: ['method'], of: methods, byDefault: 'linear' })
        : 'linear';
    const rows = rowsOf(call, { axis: 1 + at, keepdims: kind.q === undefined ? 4 : 2 });
    const one = (q: number): Value =>
      quantileOf(rows, q / kind.scale, { method, skips: kind.skips, m });
    if (typeof given === 'number') return restored(one(given), rows, m);
    const each = given.map((q) => m.unsqueeze(one(q), [0]));
    return restored(m.concat(each, 0), rows, m, 1);
  };
}

function quantiles(call: OperationCall): number | readonly number[] {
  const q = call.operand(1, 'q');
  if (typeof q === 'number') return q;
  if (Array.isArray(q) && q.every((part): part is number => typeof part === 'number')) return q;
  throw call.refused('quantiles that are computed');
}

/** What is no number as another number, reduced; and how many numbers there are. */
function known(
  x: Value,
  fill: number,
  m: Algebra,
): { readonly x: Value; readonly count: () => Value } {
  const isNone = m.of('IsNaN', x);
  const last = [x.shape.length - 1];
  return {
    x: m.where(isNone, fill, x),
    count: () => m.sum(m.cast(m.of('Not', isNone), 'float32'), last),
  };
}

function skipping(reduce: (x: Value, m: Algebra) => Value): Operation {
  return (call) => {
    const m = new Algebra(call.bench.graph);
    const rows = rowsOf(call, { axis: 1, keepdims: 2 });
    return restored(reduce(rows.x, m), rows, m);
  };
}

function extreme(op: 'ReduceMax' | 'ReduceMin'): Operation {
  const fill = op === 'ReduceMax' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return skipping((x, m) => {
    const { x: numbers, count } = known(x, fill, m);
    const found = m.graph.add(op, [numbers], { axes: [x.shape.length - 1], keepdims: 0 });
    return m.where(m.join('Equal', count(), 0), Number.NaN, found);
  });
}

function meanOfKnown(x: Value, m: Algebra): Value {
  const { x: numbers, count } = known(x, 0, m);
  return m.over(m.sum(numbers, [x.shape.length - 1]), count());
}

function varianceOfKnown(x: Value, m: Algebra): Value {
  const mean = m.unsqueeze(meanOfKnown(x, m), [x.shape.length - 1]);
  const centred = m.minus(x, mean);
  return meanOfKnown(m.times(centred, centred), m);
}

/** The place of the largest or smallest number; -1 where there is none, as Keras has it. */
function positionOfKnown(op: 'ArgMax' | 'ArgMin'): Operation {
  const fill = op === 'ArgMax' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return (call) => {
    const m = new Algebra(call.bench.graph);
    const rows = rowsOf(call, { axis: 1, keepdims: 2 });
    const { x, count } = known(rows.x, fill, m);
    const at = m.graph.add(op, [x], { axis: x.shape.length - 1, keepdims: 0 });
    const place = m.where(m.join('Equal', count(), 0), -1, m.cast(at, 'int32'));
    return restored(place, rows, m);
  };
}

/** Σ w x / Σ w along an axis. Weights of one axis go with that axis. */
function average(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const m = new Algebra(graph);
  const x = inFloats(call.kerasX, graph);
  const stated = call.integers(1, 'axis');
  const axes = axesFromStart(stated ?? x.shape.map((_, axis) => axis), x.shape.length);
  if (call.raw(2, 'weights') === undefined) return kerasTensor(m.mean(x, axes));
  const weights = inFloats(call.value(2, x, 'weights'), graph);
  if (weights.shape.length === x.shape.length) {
    return kerasTensor(m.over(m.sum(m.times(x, weights), axes), m.sum(weights, axes)));
  }
  const [axis] = axes;
  if (axes.length !== 1 || axis === undefined || weights.shape.length !== 1) {
    throw call.refused(`weights [${weights.shape.join(', ')}]`);
  }
  const column = m.unsqueeze(
    weights,
    Array.from({ length: x.shape.length - axis - 1 }, (_, i) => i + 1),
  );
  return kerasTensor(m.over(m.sum(m.times(x, column), axes), m.sum(weights, [0])));
}

/** Statistics that sort, or that pass over what is no number. Source: keras/src/backend/tensorflow/numpy.py. */
export const statisticsOperations: Readonly<Record<string, Operation>> = {
  median: quantile({ skips: false, scale: 1, q: 0.5 }),
  nanmedian: quantile({ skips: true, scale: 1, q: 0.5 }),
  quantile: quantile({ skips: false, scale: 1, isLinear: true }),
  nanquantile: quantile({ skips: true, scale: 1 }),
  percentile: quantile({ skips: false, scale: 100 }),
  nanpercentile: quantile({ skips: true, scale: 100 }),
  nanmax: extreme('ReduceMax'),
  nanmin: extreme('ReduceMin'),
  nansum: skipping((x, m) => m.sum(known(x, 0, m).x, [x.shape.length - 1])),
  nanprod: skipping((x, m) =>
    m.graph.add('ReduceProd', [known(x, 1, m).x], { axes: [x.shape.length - 1], keepdims: 0 }),
  ),
  nanmean: skipping(meanOfKnown),
  nanvar: skipping(varianceOfKnown),
  nanstd: skipping((x, m) => m.of('Sqrt', varianceOfKnown(x, m))),
  nanargmax: positionOfKnown('ArgMax'),
  nanargmin: positionOfKnown('ArgMin'),
  average,
};
