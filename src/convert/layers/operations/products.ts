import type { Shape, Value } from '../../../tensor.ts';
import { integers, isKnown, type KerasTensor, kerasTensor } from '../../layout.ts';
import { reshapeTo } from '../../sizes.ts';
import { Algebra } from './algebra.ts';
import { axesFromStart, type OperationCall } from './call.ts';
import { einsumOperations } from './einsum.ts';
import type { Operation } from './elementwise.ts';
import { timesVector } from './shapes.ts';

/** Both factors, as one type. */
function factors(call: OperationCall): readonly [Value, Value] {
  const first = call.raw(0, 'x1', 'x', 'a');
  const second = call.raw(1, 'x2', 'y', 'b');
  const own = call.tensorOf(first) ?? call.tensorOf(second);
  if (!own) throw call.refused('numbers only');
  const like = call.bench.layouts.keras(own).value;
  const m = new Algebra(call.bench.graph);
  const a = call.value(0, like, 'x1', 'x', 'a');
  const b = call.value(1, like, 'x2', 'y', 'b');
  if (a.dtype === b.dtype) return [a, b];
  return [m.cast(a, 'float32'), m.cast(b, 'float32')];
}

const alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** Σ over pairs of axes: what is left of a, then what is left of b. */
function contracted(
  [a, b]: readonly [Value, Value],
  pairs: readonly (readonly [number, number])[],
  call: OperationCall,
): KerasTensor {
  const letters = [...a.shape, ...b.shape].map((_, i) => alphabet[i] ?? '');
  if (letters.includes('')) throw call.refused('tensors of so many axes');
  const left = letters.slice(0, a.shape.length);
  const right = letters.slice(a.shape.length).map((letter, axis) => {
    const pair = pairs.find(([, other]) => other === axis);
    return pair ? (left[pair[0]] ?? letter) : letter;
  });
  const rest = [
    ...left.filter((_, axis) => !pairs.some(([own]) => own === axis)),
    ...right.filter((_, axis) => !pairs.some(([, own]) => own === axis)),
  ];
  const equation = `${left.join('')},${right.join('')}->${rest.join('')}`;
  return kerasTensor(call.bench.graph.add('Einsum', [a, b], { equation }));
}

/** NumPy's dot: the last axis of a with the last but one of b. */
function dot(call: OperationCall): KerasTensor {
  const [a, b] = factors(call);
  const { graph } = call.bench;
  if (a.shape.length === 0 || b.shape.length === 0) return kerasTensor(graph.add('Mul', [a, b]));
  if (b.shape.length === 1 && a.shape.length > 1)
    return kerasTensor(timesVector(a, b, new Algebra(graph)));
  if (b.shape.length === 2 && a.shape.length > 1) return kerasTensor(graph.add('MatMul', [a, b]));
  return contracted([a, b], [[a.shape.length - 1, Math.max(b.shape.length - 2, 0)]], call);
}

function inner(call: OperationCall): KerasTensor {
  const [a, b] = factors(call);
  if (a.shape.length === 0 || b.shape.length === 0)
    return kerasTensor(call.bench.graph.add('Mul', [a, b]));
  return contracted([a, b], [[a.shape.length - 1, b.shape.length - 1]], call);
}

function tensordot(call: OperationCall): KerasTensor {
  const [a, b] = factors(call);
  return contracted([a, b], axisPairs(call, a.shape.length, b.shape.length), call);
}

function axisPairs(
  call: OperationCall,
  ranks: number,
  others: number,
): readonly (readonly [number, number])[] {
  const axes = call.raw(2, 'axes') ?? 2;
  if (typeof axes === 'number') {
    return Array.from({ length: axes }, (_, i) => [ranks - axes + i, i] as const);
  }
  const lists: readonly unknown[] = Array.isArray(axes) ? axes : [];
  const [own = [], other = []] = lists.map((part) =>
    Array.isArray(part) ? part.map(Number) : [Number(part)],
  );
  const mine = axesFromStart(own, ranks);
  const theirs = axesFromStart(other, others);
  if (mine.length !== theirs.length || mine.some(Number.isNaN))
    throw call.refused(`axes ${JSON.stringify(axes)}`);
  return mine.map((axis, i) => [axis, theirs[i] ?? 0] as const);
}

/** All numbers of a times all of b. */
function outer(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const [a, b] = factors(call);
  return kerasTensor(m.times(m.reshape(a, [-1, 1]), m.reshape(b, [1, -1])));
}

function vdot(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const [a, b] = factors(call);
  return kerasTensor(m.sum(m.times(m.reshape(a, [-1]), m.reshape(b, [-1])), [0]));
}

/** a₂b₃ - a₃b₂, a₃b₁ - a₁b₃, a₁b₂ - a₂b₁. */
function cross(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const [a, b] = factors(call);
  const axis = call.raw(5, 'axis');
  const along = (position: number, name: string): number =>
    typeof axis === 'number' ? axis : call.number(position, -1, name);
  const last = (x: Value, at: number): Value => {
    const [own = 0] = axesFromStart([at], x.shape.length);
    if (x.shape[own] !== 3) throw call.refused('vectors that are not of three numbers');
    const perm = x.shape.map((_, i) => i).filter((i) => i !== own);
    return m.transpose(x, [...perm, own]);
  };
  const x = last(a, along(2, 'axisa'));
  const y = last(b, along(3, 'axisb'));
  const turned = (value: Value, order: readonly number[]): Value =>
    m.gather(value, order, value.shape.length - 1);
  const ahead = m.times(turned(x, [1, 2, 0]), turned(y, [2, 0, 1]));
  const behind = m.times(turned(x, [2, 0, 1]), turned(y, [1, 2, 0]));
  const value = m.minus(ahead, behind);
  const rank = value.shape.length;
  const [to = 0] = axesFromStart([along(4, 'axisc')], rank);
  const rest = Array.from({ length: rank - 1 }, (_, i) => i);
  return kerasTensor(m.transpose(value, [...rest.slice(0, to), rank - 1, ...rest.slice(to)]));
}

/** Every number of a times all of b, in blocks. */
function kron(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const m = new Algebra(graph);
  const [a, b] = factors(call);
  const rank = Math.max(a.shape.length, b.shape.length);
  const wide = ({ shape }: Value): Shape => [
    ...Array.from({ length: rank - shape.length }, () => 1),
    ...shape,
  ];
  const [own, other] = [wide(a), wide(b)];
  if (!own.every(isKnown) || !other.every(isKnown)) throw call.refused('an open size');
  const x = m.reshape(
    a,
    own.flatMap((size) => [size, 1]),
  );
  const y = m.reshape(
    b,
    other.flatMap((size) => [1, size]),
  );
  const sizes = own.map((size, i) => size * (other[i] ?? 1));
  return kerasTensor(m.reshape(m.times(x, y), sizes));
}

/** The distances of all rows of a from all of b. */
function cdist(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const [a, b] = factors(call);
  const rank = a.shape.length;
  const gaps = m.minus(m.unsqueeze(a, [rank - 1]), m.unsqueeze(b, [rank - 2]));
  return kerasTensor(m.graph.add('ReduceL2', [gaps], { axes: [rank], keepdims: 0 }));
}

/** x² by x^T: of rows against each other, each by its spread. */
function corrcoef(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = m.cast(call.kerasX, 'float32');
  if (x.shape.length !== 2) throw call.refused(`a tensor of ${x.shape.length} axes`);
  const centred = m.minus(x, m.mean(x, [1], 1));
  const products = m.graph.add('MatMul', [centred, m.transpose(centred, [1, 0])]);
  const spread = m.of('Sqrt', m.sum(m.times(centred, centred), [1], 1));
  const ratio = m.over(products, m.times(spread, m.transpose(spread, [1, 0])));
  return kerasTensor(m.join('Max', m.join('Min', ratio, 1), -1));
}

/** Powers of numbers as columns, the highest first. */
function vander(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = call.kerasX;
  const count = call.raw(1, 'N') ?? x.shape[0];
  if (typeof count !== 'number') throw call.refused('an open size');
  const up = Array.from({ length: count }, (_, i) => i);
  const powers = call.flag(2, 'increasing') ? up : up.toReversed();
  const exponents = m.graph.floats('powers', powers, [count]);
  return kerasTensor(
    m.cast(m.graph.add('Pow', [m.cast(m.unsqueeze(x, [1]), 'float32'), exponents]), x.dtype),
  );
}

/** Sums of products of a sequence with another that moves along it. */
function correlate(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const [a, b] = factors(call).map((x) => m.cast(x, 'float32'));
  const [size, length] = [a?.shape[0], b?.shape[0]];
  if (!a || !b || a.shape.length !== 1 || !isKnown(size) || !isKnown(length)) {
    throw call.refused('sequences of open length');
  }
  const mode = call.word(2, {
    names: ['mode'],
    of: ['valid', 'same', 'full'],
    byDefault: 'valid',
  });
  const over = size + length - 1 - Math.max(size, length);
  const cut = Math.floor(over / 2);
  const full = length - 1;
  const pads = { valid: [0, 0], full: [full, full], same: [full - cut, full - (over - cut)] }[mode];
  const window = { kernel_shape: [length], strides: [1], dilations: [1], group: 1 };
  const made = m.graph.add('Conv', [m.unsqueeze(a, [0, 1]), m.unsqueeze(b, [0, 1])], {
    ...window,
    pads,
  });
  return kerasTensor(m.squeeze(made, [0, 1]));
}

/** Products of tensors. Source: keras/src/ops/numpy.py. */
export const productOperations: Readonly<Record<string, Operation>> = {
  dot,
  inner,
  outer,
  vdot,
  tensordot,
  cross,
  kron,
  cdist,
  ...einsumOperations,
  correlate,
  corrcoef,
  vander,
  trace: (call) => {
    const m = new Algebra(call.bench.graph);
    const diagonal = diagonalOf(call);
    return kerasTensor(m.sum(diagonal, [diagonal.shape.length - 1]));
  },
  diagonal: (call) => kerasTensor(diagonalOf(call)),
};

/** The diagonal of two axes, as the last axis. */
function diagonalOf(call: OperationCall): Value {
  const m = new Algebra(call.bench.graph);
  const x = call.kerasX;
  const rank = x.shape.length;
  const stated = [call.number(2, 0, 'axis1'), call.number(3, 1, 'axis2')];
  return diagonalAlong(x, {
    axes: axesFromStart(stated, rank),
    offset: call.number(1, 0, 'offset'),
    call,
    m,
  });
}

export function diagonalAlong(
  x: Value,
  {
    axes,
    offset,
    call,
    m,
  }: {
    readonly axes: readonly number[];
    readonly offset: number;
    readonly call: OperationCall;
    readonly m: Algebra;
  },
): Value {
  const others = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const [rows, columns] = axes.map((axis) => x.shape[axis]);
  if (!isKnown(rows) || !isKnown(columns)) throw call.refused('a diagonal of open size');
  const moved = m.transpose(x, [...others, ...axes]);
  const kept = others.map((axis) => x.shape[axis] ?? 1);
  const flat = reshapeTo(m.graph, moved, [...kept, rows * columns], [x]);
  const first = offset < 0 ? -offset : 0;
  const size = Math.max(Math.min(rows - first, columns - Math.max(offset, 0)), 0);
  const places = Array.from(
    { length: size },
    (_, i) => (first + i) * columns + Math.max(offset, 0) + i,
  );
  return m.graph.add('Gather', [flat, integers(m.graph, 'places', places)], {
    axis: others.length,
  });
}
