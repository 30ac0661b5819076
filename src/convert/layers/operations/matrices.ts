import type { Value } from '../../../tensor.ts';
import { isKnown, type KerasTensor, kerasTensor } from '../../layout.ts';
import { Algebra } from './algebra.ts';
import { axesFromStart, type OperationCall } from './call.ts';
import { inFloats, type Operation } from './elementwise.ts';

/** The largest matrix that is taken apart element by element. */
const largest = 16;

function square(call: OperationCall): { readonly x: Value; readonly size: number } {
  const x = inFloats(call.kerasX, call.bench.graph);
  const size = x.shape.at(-1);
  if (isKnown(size) && size === x.shape.at(-2) && size <= largest) return { x, size };
  throw call.refused(
    `matrices [${x.shape.slice(-2).join(', ')}]: those that are square, of up to ${largest} rows, can`,
  );
}

/** [...] of an element of the matrices [..., n, n]. */
function element(x: Value, row: number, column: number, m: Algebra): Value {
  const rank = x.shape.length;
  const line = m.graph.add('Gather', [x, m.graph.integers('place', [row], [])], { axis: rank - 2 });
  return m.graph.add('Gather', [line, m.graph.integers('place', [column], [])], { axis: rank - 2 });
}

/** [..., n, k] of columns of rows of elements [...]. */
function assembled(rows: readonly (readonly Value[])[], rank: number, m: Algebra): Value {
  const lines = rows.map((row) =>
    m.concat(
      row.map((value) => m.unsqueeze(value, [rank - 2])),
      rank - 2,
    ),
  );
  return m.concat(
    lines.map((line) => m.unsqueeze(line, [rank - 2])),
    rank - 2,
  );
}

type Rows = readonly (readonly (Value | undefined)[])[];

/** L of x = L · Lᵀ, element by element; `undefined` above the diagonal. */
function choleskyRows(x: Value, size: number, m: Algebra): Rows {
  const rows: (Value | undefined)[][] = [];
  const at = (i: number, j: number): Value => {
    const value = rows[i]?.[j];
    if (!value) throw new Error('Bug: an element that comes later');
    return value;
  };
  for (let i = 0; i < size; i++) {
    rows.push([]);
    for (let j = 0; j <= i; j++) {
      const rest = Array.from({ length: j }, (_, k) => m.times(at(i, k), at(j, k))).reduce<Value>(
        (sum, product) => m.minus(sum, product),
        element(x, i, j, m),
      );
      rows[i]?.push(i === j ? m.of('Sqrt', rest) : m.over(rest, at(j, j)));
    }
  }
  return rows;
}

function filled(
  rows: Rows,
  size: number,
  [isTransposed, m]: readonly [boolean, Algebra],
): readonly (readonly Value[])[] {
  const first = rows[0]?.[0];
  if (!first) throw new Error('Bug: a matrix has an element');
  const zero = m.times(first, 0);
  return Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (__, j) => (isTransposed ? rows[j]?.[i] : rows[i]?.[j]) ?? zero),
  );
}

function cholesky(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const { x, size } = square(call);
  const rows = filled(choleskyRows(x, size, m), size, [call.flag(1, 'upper'), m]);
  return kerasTensor(assembled(rows, x.shape.length, m));
}

/** Rows of the solution of L · y = b, or of U · y = b from the last row on. */
function substituted(
  a: (i: number, j: number) => Value,
  rows: readonly Value[],
  [isLower, m]: readonly [boolean, Algebra],
): readonly Value[] {
  const size = rows.length;
  const solved: Value[] = [];
  const order = Array.from({ length: size }, (_, i) => (isLower ? i : size - 1 - i));
  order.forEach((i, done) => {
    const own = rows[i];
    if (!own) throw new Error('Bug: a row stays');
    const rest = order.slice(0, done).reduce<Value>((sum, j, k) => {
      const known = solved[k];
      if (!known) throw new Error('Bug: a row that comes later');
      return m.minus(sum, m.times(m.unsqueeze(a(i, j), [a(i, j).shape.length]), known));
    }, own);
    const pivot = a(i, i);
    solved.push(m.over(rest, m.unsqueeze(pivot, [pivot.shape.length])));
  });
  return isLower ? solved : solved.toReversed();
}

function rowsOf(x: Value, size: number, m: Algebra): readonly Value[] {
  const axis = x.shape.length - 2;
  return Array.from({ length: size }, (_, i) =>
    m.graph.add('Gather', [x, m.graph.integers('place', [i], [])], { axis }),
  );
}

function stacked(rows: readonly Value[], m: Algebra): Value {
  const axis = (rows[0]?.shape.length ?? 1) - 1;
  return m.concat(
    rows.map((row) => m.unsqueeze(row, [axis])),
    axis,
  );
}

function solveTriangular(call: OperationCall): KerasTensor {
  const { bench } = call;
  if (call.flag(3, 'adjoint')) throw call.refused('adjoint');
  const m = new Algebra(call.bench.graph);
  const { x, size } = square(call);
  const b = call.value(1, x, 'b', 'rhs');
  const isVector = b.shape.length === x.shape.length - 1;
  const right = isVector ? m.unsqueeze(b, [b.shape.length]) : b;
  const solved = substituted((i, j) => element(x, i, j, m), rowsOf(right, size, m), [
    (call.raw(2, 'lower') ?? bench.origin.generation !== 'Keras 3') === true,
    m,
  ]);
  const value = stacked(solved, m);
  return kerasTensor(isVector ? m.squeeze(value, [value.shape.length - 1]) : value);
}

/** x⁻¹ from L of x = L · Lᵀ: (L⁻¹)ᵀ · L⁻¹. */
function choleskyInverse(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const { x, size } = square(call);
  const rank = x.shape.length;
  const turned = (value: Value): Value =>
    m.transpose(
      value,
      value.shape.map((_, i) => (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i)),
    );
  const lower = call.flag(1, 'upper') ? turned(x) : x;
  const one = unit(size, m);
  const rows = Array.from({ length: size }, (_, i) => m.gather(one, [i], 0));
  const own = substituted((i, j) => element(lower, i, j, m), rows, [true, m]);
  const half = stacked(own, m);
  return kerasTensor(m.graph.add('MatMul', [turned(half), half]));
}

function unit(size: number, m: Algebra): Value {
  return m.graph.floats(
    'unit',
    Array.from({ length: size * size }, (_, i) => (Math.floor(i / size) === i % size ? 1 : 0)),
    [size, size],
  );
}

/** The determinant without a row and a column, by the elements of what is left. */
function minor(
  at: (i: number, j: number) => Value,
  rows: readonly number[],
  [columns, m]: readonly [readonly number[], Algebra],
): Value {
  const [row = 0, ...below] = rows;
  const [first, ...others] = columns.map((column, i) => {
    const own = at(row, column);
    if (below.length === 0) return own;
    const rest = minor(at, below, [columns.filter((each) => each !== column), m]);
    const product = m.times(own, rest);
    return i % 2 === 0 ? product : m.of('Neg', product);
  });
  if (!first) throw new Error('Bug: a determinant has a column');
  return others.reduce((sum, part) => m.plus(sum, part), first);
}

/** The transposed cofactors over the determinant: of up to four rows, beyond which rounding would need pivots. */
function inverted(x: Value, size: number, call: OperationCall): Value {
  if (size > 4) throw call.refused(`the inverse of matrices of ${size} rows: those of up to 4 can`);
  const m = new Algebra(call.bench.graph);
  const known = new Map<number, Value>();
  const at = (i: number, j: number): Value => {
    const value = known.get(i * size + j) ?? element(x, i, j, m);
    known.set(i * size + j, value);
    return value;
  };
  const all = Array.from({ length: size }, (_, i) => i);
  const cofactor = (i: number, j: number): Value => {
    if (size === 1) return m.plus(m.times(at(0, 0), 0), 1);
    const rest = minor(
      at,
      all.filter((row) => row !== i),
      [all.filter((column) => column !== j), m],
    );
    return (i + j) % 2 === 0 ? rest : m.of('Neg', rest);
  };
  const cofactors = all.map((i) => all.map((j) => cofactor(j, i)));
  const whole = all
    .map((j) => m.times(at(0, j), cofactors[j]?.[0] ?? at(0, j)))
    .reduce((sum, part) => m.plus(sum, part));
  const rank = x.shape.length;
  return m.over(assembled(cofactors, rank, m), m.unsqueeze(whole, [rank - 2, rank - 1]));
}

function inverse(call: OperationCall): KerasTensor {
  const { x, size } = square(call);
  return kerasTensor(inverted(x, size, call));
}

function solve(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const { x, size } = square(call);
  const b = call.value(1, x, 'b', 'rhs');
  const isVector = b.shape.length === x.shape.length - 1;
  const right = isVector ? m.unsqueeze(b, [b.shape.length]) : b;
  const value = m.graph.add('MatMul', [inverted(x, size, call), right]);
  return kerasTensor(isVector ? m.squeeze(value, [value.shape.length - 1]) : value);
}

function determinant(call: OperationCall): Value {
  return call.bench.graph.add('Det', [inFloats(call.kerasX, call.bench.graph)]);
}

function logOfSize(call: OperationCall): Value {
  const m = new Algebra(call.bench.graph);
  return m.of('Log', m.of('Abs', determinant(call)));
}

/** Diagonals that lie too far from the middle are zero. A negative number keeps them all. */
function bandPart(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const x = call.kerasX;
  const lower = call.number(1, undefined, 'num_lower');
  const upper = call.number(2, undefined, 'num_upper');
  const m = new Algebra(graph);
  const from = (k: number): Value => graph.integers('diagonal', [k], []);
  const numbers = x.dtype === 'bool' ? m.cast(x, 'float32') : x;
  const below = lower < 0 ? numbers : graph.add('Trilu', [numbers, from(-lower)], { upper: 1 });
  const both = upper < 0 ? below : graph.add('Trilu', [below, from(upper)], { upper: 0 });
  return kerasTensor(m.cast(both, x.dtype));
}

/** Operations on matrices. Source: keras/src/ops/linalg.py. */
export const matrixOperations: Readonly<Record<string, Operation>> = {
  det: (call) => kerasTensor(determinant(call)),
  logdet: (call) => kerasTensor(logOfSize(call)),
  slogdet: (call) => [
    kerasTensor(call.bench.graph.add('Sign', [determinant(call)])),
    kerasTensor(logOfSize(call)),
  ],
  inv: inverse,
  solve,
  cholesky,
  cholesky_inverse: choleskyInverse,
  solve_triangular: solveTriangular,
  band_part: bandPart,
};

/** Axes of the two matrices that a norm is of, in order. */
export function matrixAxes(
  axes: readonly number[],
  rank: number,
): readonly [number, number] | undefined {
  const [row, column, ...more] = axesFromStart(axes, rank);
  return row === undefined || column === undefined || more.length > 0 ? undefined : [row, column];
}
