import { type Code, op, type WasmFunction } from '../../wasm.ts';

/** Rows of the result that one call computes. */
export const productRows = 4;
/** Columns that are computed together: two vectors. */
export const productColumns = 8;

const { localGet: get, localSet: set, localTee: tee } = op;

/** Parameters, then locals, by their numbers. */
const [x, dy, result, count, rowBytes, nextX, nextDy, column, end, left] = [
  0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
];
const factor = 10;
const halves = [11, 12];
const sums = Array.from({ length: productRows }, (_, row) => [13 + 2 * row, 14 + 2 * row]);

/**
 * Four rows of xᵀ · dy: each number is summed in the order of the batch's rows.
 *
 * Takes the addresses of x [n, 4], dy [columns / 8, n, 8] and the result [4, columns]; then n and the bytes of a row of
 * the result. Both factors are read from first to last, which caches are made for; eight sums stay in registers.
 */
export const product: WasmFunction = {
  parameters: ['i32', 'i32', 'i32', 'i32', 'i32'],
  locals: [
    ...[nextX, nextDy, column, end, left].map(() => 'i32' as const),
    ...[factor, ...halves, ...sums.flat()].map(() => 'v128' as const),
  ],
  body: [
    [get(result), tee(column), get(rowBytes), op.i32Add, set(end)],
    [get(dy), set(nextDy)],
    [op.loop(...eightColumns())],
  ].flat(2),
};

function eightColumns(): Code[] {
  return [
    [get(x), set(nextX), get(count), set(left)],
    sums.flat().flatMap((sum) => [op.v128Zero, set(sum)]),
    [op.loop(...oneRowOfBatch())],
    [get(column), set(left)],
    sums.flatMap((own) => [
      ...own.flatMap((sum, half) => [get(left), get(sum), op.v128Store(16 * half)]),
      get(left),
      get(rowBytes),
      op.i32Add,
      set(left),
    ]),
    [get(column), op.i32Const(32), op.i32Add, tee(column), get(end), op.i32LtU, op.brIf(0)],
  ].flat();
}

function oneRowOfBatch(): Code[] {
  return [
    halves.flatMap((half, i) => [get(nextDy), op.v128Load(16 * i), set(half)]),
    sums.flatMap((own, row) => [
      get(nextX),
      op.v128Load32Splat(4 * row),
      set(factor),
      ...own.flatMap((sum, i) => added(sum, halves[i] ?? 0)),
    ]),
    [get(nextX), op.i32Const(4 * productRows), op.i32Add, set(nextX)],
    [get(nextDy), op.i32Const(4 * productColumns), op.i32Add, set(nextDy)],
    [get(left), op.i32Const(1), op.i32Sub, tee(left), op.brIf(0)],
  ].flat();
}

function added(sum: number, half: number): Code[] {
  return [get(sum), get(factor), get(half), op.f32x4Mul, op.f32x4Add, set(sum)];
}
