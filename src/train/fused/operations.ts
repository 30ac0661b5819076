import type { OpType } from '../../onnx/ops.ts';
import { type Code, op } from '../../wasm.ts';

/** An element-wise operator, on numbers and on vectors of them. */
interface Operation {
  /** Of float32 numbers, exact or rounded as float64; `undefined` where it is never asked for. */
  readonly number: ((...inputs: number[]) => number) | undefined;
  /** The instructions that take the inputs' vectors from the stack, given as what fetches them; `undefined` likewise. */
  readonly vector: ((inputs: readonly Code[]) => Code) | undefined;
}

const inOrder =
  (...instructions: readonly Code[]): Operation['vector'] =>
  (inputs) =>
    [...inputs, ...instructions].flat();

/** The element-wise operators of which the optimizers' updates are made. */
export const operations: { readonly [O in OpType]?: Operation } = {
  Abs: { number: Math.abs, vector: inOrder(op.f32x4Abs) },
  Add: { number: (a = 0, b = 0) => a + b, vector: inOrder(op.f32x4Add) },
  Clip: {
    number: undefined,
    vector: ([x = [], low = [], high = []]) => [x, low, op.f32x4Max, high, op.f32x4Min].flat(),
  },
  Div: { number: (a = 0, b = 0) => a / b, vector: inOrder(op.f32x4Div) },
  Greater: { number: undefined, vector: inOrder(op.f32x4Gt) },
  Less: { number: undefined, vector: inOrder(op.f32x4Lt) },
  Max: { number: Math.max, vector: inOrder(op.f32x4Max) },
  Mul: { number: (a = 0, b = 0) => a * b, vector: inOrder(op.f32x4Mul) },
  Pow: { number: Math.pow, vector: undefined },
  Sqrt: { number: Math.sqrt, vector: inOrder(op.f32x4Sqrt) },
  Sub: { number: (a = 0, b = 0) => a - b, vector: inOrder(op.f32x4Sub) },
  Where: {
    number: undefined,
    vector: ([condition = [], yes = [], no = []]) => [yes, no, condition, op.v128Bitselect].flat(),
  },
};
