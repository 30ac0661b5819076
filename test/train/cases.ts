import type { OpType } from '../../src/onnx/ops.ts';
import { type DifferenceCase, type Input, numbers } from './difference.ts';

/** A tensor of small numbers. */
export const x = (shape: readonly number[], salt = 0): Input => ({
  shape,
  numbers: numbers(shape, salt),
});

/** A tensor whose sizes along these axes the graph does not know. */
export const open = (shape: readonly number[], names: Input['names']): Input => ({
  ...x(shape),
  names: names ?? {},
});

export const positive = (shape: readonly number[], salt = 0): Input => ({
  shape,
  numbers: numbers(shape, salt).map((v) => Math.abs(v) + 0.3),
});

/** What the case is about, its inputs, and the node under test. */
export type Case = readonly [what: string, inputs: readonly Input[], emit: DifferenceCase['emit']];

/** The cases of each operator. */
export type Cases = { readonly [O in OpType]?: readonly Case[] };

type Unary =
  | 'Neg'
  | 'Abs'
  | 'Exp'
  | 'Log'
  | 'Sqrt'
  | 'Erf'
  | 'Relu'
  | 'Sigmoid'
  | 'Tanh'
  | 'Softplus'
  | 'Softsign'
  | 'Identity'
  | 'GlobalAveragePool'
  | 'GlobalMaxPool';

export const unary = (op: Unary, input = x([3, 5])): Case[] => [
  ['', [input], (graph, [a]) => graph.add(op, [a])],
];

type Binary = 'Add' | 'Sub' | 'Mul' | 'Div' | 'Max' | 'Min' | 'Pow' | 'MatMul' | 'PRelu';

export const binary =
  (op: Binary): DifferenceCase['emit'] =>
  (graph, [a, b]) =>
    graph.add(op, [a, b]);

export const broadcasts = (op: Binary, make = x): Case[] => [
  ['same shapes', [make([2, 3]), make([2, 3], 1)], binary(op)],
  ['a leading axis that the second lacks', [make([2, 3]), make([3], 1)], binary(op)],
  ['a leading axis that the first lacks', [make([3]), make([2, 3], 1)], binary(op)],
  ['axes of size 1 on both sides', [make([2, 1, 3]), make([4, 1], 1)], binary(op)],
  ['a scalar', [make([2, 3]), make([], 1)], binary(op)],
];
