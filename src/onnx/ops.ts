import type { DType, Shape, Value } from '../tensor.ts';
import {
  broadcast,
  concatenated,
  convolved,
  dropAxes,
  expanded,
  flattened,
  gathered,
  insertAxes,
  matrixProduct,
  padded,
  pooled,
  reduced,
  reshapedTo,
  resized,
  sliced,
  transposedConvolved,
} from './shapes.ts';

export type NoAttributes = Readonly<Record<string, never>>;

/** How many inputs an operator takes: so many, so many of which the last may be left out, or any number. */
type Arity = 1 | 2 | 3 | 5 | '2-3' | '2-5' | '3-5' | 'many';

interface Op<A extends Arity, Named = NoAttributes> {
  readonly arity: A;
  readonly attributes: Named;
}

type Ints = readonly number[];

interface ConvAttributes {
  readonly kernel_shape: Ints;
  readonly strides: Ints;
  readonly pads: Ints;
  readonly dilations: Ints;
  readonly group: number;
}

interface PoolAttributes {
  readonly kernel_shape: Ints;
  readonly strides: Ints;
  readonly pads: Ints;
  readonly ceil_mode?: 0 | 1;
}

interface Keep {
  readonly keepdims: 0 | 1;
}

interface Axis {
  readonly axis: number;
}

/** The operators that we emit, at opset 17: how many inputs each takes, and its attributes by their ONNX names. */
interface Ops {
  readonly Add: Op<2>;
  readonly Sub: Op<2>;
  readonly Mul: Op<2>;
  readonly Div: Op<2>;
  readonly Pow: Op<2>;
  readonly Max: Op<2>;
  readonly Min: Op<2>;
  readonly Neg: Op<1>;
  readonly Abs: Op<1>;
  readonly Exp: Op<1>;
  readonly Log: Op<1>;
  readonly Sqrt: Op<1>;
  readonly Erf: Op<1>;
  readonly Relu: Op<1>;
  readonly Sigmoid: Op<1>;
  readonly Tanh: Op<1>;
  readonly Softplus: Op<1>;
  readonly Softsign: Op<1>;
  readonly Elu: Op<1, { readonly alpha: number }>;
  readonly Selu: Op<1, { readonly alpha: number; readonly gamma: number }>;
  readonly LeakyRelu: Op<1, { readonly alpha: number }>;
  readonly ThresholdedRelu: Op<1, { readonly alpha: number }>;
  readonly HardSigmoid: Op<1, { readonly alpha: number; readonly beta: number }>;
  readonly PRelu: Op<2>;
  readonly Clip: Op<3>;
  readonly Identity: Op<1>;
  readonly Cast: Op<1, { readonly to: DType }>;
  readonly Equal: Op<2>;
  readonly Greater: Op<2>;
  readonly Less: Op<2>;
  readonly And: Op<2>;
  readonly Not: Op<1>;
  readonly Where: Op<3>;
  readonly MatMul: Op<2>;
  readonly Gemm: Op<
    '2-3',
    {
      readonly transA?: 0 | 1;
      readonly transB?: 0 | 1;
      readonly alpha?: number;
      readonly beta?: number;
    }
  >;
  readonly Conv: Op<'2-3', ConvAttributes>;
  readonly ConvTranspose: Op<'2-3', ConvAttributes & { readonly output_padding?: Ints }>;
  readonly MaxPool: Op<1, PoolAttributes>;
  readonly AveragePool: Op<1, PoolAttributes & { readonly count_include_pad: 0 | 1 }>;
  readonly GlobalAveragePool: Op<1>;
  readonly GlobalMaxPool: Op<1>;
  readonly BatchNormalization: Op<5, { readonly epsilon: number }>;
  readonly Softmax: Op<1, Axis>;
  readonly LogSoftmax: Op<1, Axis>;
  readonly Transpose: Op<1, { readonly perm: Ints }>;
  readonly Reshape: Op<2>;
  readonly Flatten: Op<1, Axis>;
  readonly Unsqueeze: Op<2>;
  readonly Squeeze: Op<2>;
  readonly Expand: Op<2>;
  readonly Concat: Op<'many', Axis>;
  readonly Slice: Op<'3-5'>;
  readonly Gather: Op<2, Axis>;
  readonly Pad: Op<'2-3', { readonly mode: 'constant' | 'reflect' | 'edge' }>;
  readonly Resize: Op<
    '2-5',
    {
      readonly mode: 'nearest' | 'linear' | 'cubic';
      readonly coordinate_transformation_mode: 'half_pixel' | 'asymmetric' | 'align_corners';
      readonly nearest_mode?: 'floor' | 'round_prefer_floor' | 'round_prefer_ceil';
    }
  >;
  readonly ReduceSum: Op<2, Keep>;
  readonly ReduceMean: Op<1, Keep & { readonly axes: Ints }>;
  readonly ReduceMax: Op<1, Keep & { readonly axes: Ints }>;
  readonly ArgMax: Op<1, Keep & Axis>;
  readonly Shape: Op<1>;
  readonly Range: Op<3>;
  /** Added with `GraphBuilder.loop`, which gives it its body and its outputs. */
  readonly Loop: Op<'many'>;
}

export type OpType = keyof Ops;
export type Attributes<O extends OpType> = Ops[O]['attributes'];

/** One T for each input of the operator; `undefined` where an optional input is left out. */
export type PerInput<O extends OpType, T> = {
  readonly 1: readonly [T];
  readonly 2: readonly [T, T];
  readonly 3: readonly [T, T, T];
  readonly 5: readonly [T, T, T, T, T];
  readonly '2-3': readonly [T, T, T?];
  readonly '2-5': readonly [T, T | undefined, (T | undefined)?, T?, T?];
  readonly '3-5': readonly [T, T, T, T?, T?];
  readonly many: readonly [T, ...T[]];
}[Ops[O]['arity']];

/** Shape, and where it is not that of the first input, element type, of an operator's output. */
interface OpRule<O extends OpType> {
  readonly shape: (inputs: PerInput<O, Value>, attributes: Attributes<O>) => Shape;
  readonly dtype?: (inputs: PerInput<O, Value>, attributes: Attributes<O>) => DType;
}

const sameAsFirst = { shape: ([x]: readonly [Value]) => x.shape };
const elementwise = {
  shape: ([a, b]: readonly [Value, Value]) => broadcast(a.shape, b.shape),
};
const comparison = { ...elementwise, dtype: (): DType => 'bool' };

/** Every operator has a rule, so every value has a shape. */
export const opRules: { readonly [O in OpType]: OpRule<O> } = {
  Add: elementwise,
  Sub: elementwise,
  Mul: elementwise,
  Div: elementwise,
  Pow: elementwise,
  Max: elementwise,
  Min: elementwise,
  Neg: sameAsFirst,
  Abs: sameAsFirst,
  Exp: sameAsFirst,
  Log: sameAsFirst,
  Sqrt: sameAsFirst,
  Erf: sameAsFirst,
  Relu: sameAsFirst,
  Sigmoid: sameAsFirst,
  Tanh: sameAsFirst,
  Softplus: sameAsFirst,
  Softsign: sameAsFirst,
  Elu: sameAsFirst,
  Selu: sameAsFirst,
  LeakyRelu: sameAsFirst,
  ThresholdedRelu: sameAsFirst,
  HardSigmoid: sameAsFirst,
  PRelu: { shape: ([x]) => x.shape },
  Clip: { shape: ([x]) => x.shape },
  Identity: sameAsFirst,
  Cast: { shape: ([x]) => x.shape, dtype: (_, { to }) => to },
  Equal: comparison,
  Greater: comparison,
  Less: comparison,
  And: comparison,
  Not: { ...sameAsFirst, dtype: () => 'bool' },
  Where: {
    shape: ([condition, a, b]) => broadcast(condition.shape, broadcast(a.shape, b.shape)),
    dtype: ([, a]) => a.dtype,
  },
  MatMul: { shape: ([a, b]) => matrixProduct(a.shape, b.shape) },
  Gemm: {
    shape: ([a, b], { transA, transB }) => [
      a.shape.at(transA === 1 ? 1 : 0) ?? 1,
      b.shape.at(transB === 1 ? 0 : 1) ?? 1,
    ],
  },
  Conv: { shape: ([x, w], attributes) => convolved(x.shape, w.shape, attributes) },
  ConvTranspose: {
    shape: ([x, w], attributes) => transposedConvolved(x.shape, w.shape, attributes),
  },
  MaxPool: { shape: ([x], attributes) => pooled(x.shape, attributes) },
  AveragePool: { shape: ([x], attributes) => pooled(x.shape, attributes) },
  GlobalAveragePool: { shape: ([x]) => x.shape.map((dim, axis) => (axis < 2 ? dim : 1)) },
  GlobalMaxPool: { shape: ([x]) => x.shape.map((dim, axis) => (axis < 2 ? dim : 1)) },
  BatchNormalization: { shape: ([x]) => x.shape },
  Softmax: sameAsFirst,
  LogSoftmax: sameAsFirst,
  Transpose: { shape: ([x], { perm }) => perm.map((axis) => x.shape[axis] ?? 1) },
  Reshape: { shape: ([x, shape]) => reshapedTo(x.shape, shape) },
  Flatten: { shape: ([x], { axis }) => flattened(x.shape, axis) },
  Unsqueeze: { shape: ([x, axes]) => insertAxes(x.shape, axes) },
  Squeeze: { shape: ([x, axes]) => dropAxes(x.shape, axes) },
  Expand: { shape: ([x, shape]) => expanded(x.shape, shape) },
  Concat: {
    shape: (inputs, { axis }) =>
      concatenated(
        inputs.map((input) => input.shape),
        axis,
      ),
  },
  Slice: {
    shape: ([x, starts, ends, axes, steps]) => sliced(x.shape, { starts, ends, axes, steps }),
  },
  Gather: { shape: ([x, indices], { axis }) => gathered(x.shape, indices.shape, axis) },
  Pad: { shape: ([x, pads]) => padded(x.shape, pads) },
  Resize: { shape: ([x, , scales, sizes]) => resized(x.shape, scales, sizes) },
  ReduceSum: { shape: ([x, axes], { keepdims }) => reduced(x.shape, axes.constant, keepdims) },
  ReduceMean: { shape: ([x], { axes, keepdims }) => reduced(x.shape, axes, keepdims) },
  ReduceMax: { shape: ([x], { axes, keepdims }) => reduced(x.shape, axes, keepdims) },
  ArgMax: {
    shape: ([x], { axis, keepdims }) => reduced(x.shape, [axis], keepdims),
    dtype: () => 'int64',
  },
  Shape: { shape: ([x]) => [x.shape.length], dtype: () => 'int64' },
  Range: { shape: () => ['range'] },
  Loop: {
    shape: () => {
      throw new Error('Bug: a Loop is added with GraphBuilder.loop');
    },
  },
};
