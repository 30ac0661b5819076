/* oxlint-disable eslint/max-lines -- one table of everything of its kind */
import type { DType, Shape, Value } from '../tensor.ts';
import {
  blocked,
  broadcast,
  concatenated,
  contracted,
  convolved,
  dropAxes,
  expanded,
  flattened,
  gathered,
  gatheredAt,
  insertAxes,
  matrixProduct,
  padded,
  pooled,
  reduced,
  reshapedTo,
  resized,
  sliced,
  splits,
  tiled,
  topped,
  transposedConvolved,
  unpooled,
} from './shapes.ts';

export type NoAttributes = Readonly<Record<string, never>>;

/** How many inputs an operator takes: so many, so many of which the last may be left out, or any number. */
type Arity = 1 | 2 | 3 | 5 | '1-2' | '2-3' | '2-5' | '3-5' | '3-6' | '3-7' | 'many';

interface Op<A extends Arity, Named = NoAttributes> {
  readonly arity: A;
  readonly attributes: Named;
}

type Ints = readonly number[];

interface ConvAttributes {
  readonly kernel_shape: Ints;
  readonly strides: Ints;
  readonly pads: Ints;
  /** Pads that are worked out when the graph runs; `pads` must be zeros, which are left out. */
  readonly auto_pad?: 'SAME_UPPER';
  readonly dilations: Ints;
  readonly group: number;
}

interface PoolAttributes {
  readonly kernel_shape: Ints;
  readonly strides: Ints;
  readonly pads: Ints;
  readonly auto_pad?: 'SAME_UPPER';
  readonly ceil_mode?: 0 | 1;
}

interface Keep {
  readonly keepdims: 0 | 1;
}

interface Axis {
  readonly axis: number;
}

/** Of LSTM, GRU and RNN. `activations` of the one direction, then of the other; alpha and beta where they take any. */
export interface RecurrentAttributes {
  readonly hidden_size: number;
  readonly direction: 'forward' | 'reverse' | 'bidirectional';
  readonly activations: readonly string[];
  readonly activation_alpha?: Ints | undefined;
  readonly activation_beta?: Ints | undefined;
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
  /** The remainder has the divisor's sign, as Python's; `fmod` is 1 for C's, which is all that floats know. */
  readonly Mod: Op<2, { readonly fmod: 0 | 1 }>;
  readonly Neg: Op<1>;
  readonly Abs: Op<1>;
  readonly Sign: Op<1>;
  readonly Floor: Op<1>;
  readonly Ceil: Op<1>;
  readonly Round: Op<1>;
  readonly Reciprocal: Op<1>;
  readonly Sin: Op<1>;
  readonly Cos: Op<1>;
  readonly Tan: Op<1>;
  readonly Asin: Op<1>;
  readonly Acos: Op<1>;
  readonly Atan: Op<1>;
  readonly Sinh: Op<1>;
  readonly Cosh: Op<1>;
  readonly Asinh: Op<1>;
  readonly Acosh: Op<1>;
  readonly Atanh: Op<1>;
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
  readonly GreaterOrEqual: Op<2>;
  readonly LessOrEqual: Op<2>;
  readonly And: Op<2>;
  readonly Or: Op<2>;
  readonly Xor: Op<2>;
  readonly Not: Op<1>;
  readonly IsNaN: Op<1>;
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
  /** With `storage_order` there is a second output: where in all of x each maximum was, int64. */
  readonly MaxPool: Op<1, PoolAttributes & { readonly storage_order?: 0 }>;
  /** Puts each number of x where the second input says, zeros elsewhere; the third input is the shape of the result. */
  readonly MaxUnpool: Op<'2-3', Omit<PoolAttributes, 'ceil_mode'>>;
  readonly AveragePool: Op<1, PoolAttributes & { readonly count_include_pad: 0 | 1 }>;
  readonly GlobalAveragePool: Op<1>;
  readonly GlobalMaxPool: Op<1>;
  readonly BatchNormalization: Op<5, { readonly epsilon: number }>;
  readonly LayerNormalization: Op<'2-3', Axis & { readonly epsilon: number }>;
  readonly InstanceNormalization: Op<3, { readonly epsilon: number }>;
  readonly Einsum: Op<'many', { readonly equation: string }>;
  readonly LSTM: Op<'3-7', RecurrentAttributes>;
  readonly GRU: Op<'3-6', RecurrentAttributes & { readonly linear_before_reset: 0 | 1 }>;
  readonly RNN: Op<'3-6', RecurrentAttributes>;
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
  readonly GatherElements: Op<2, Axis>;
  readonly ScatterElements: Op<3, Axis & { readonly reduction: 'add' }>;
  /** Numbers of the third input put into the first, where the rows of the second say. */
  readonly ScatterND: Op<3, { readonly reduction: 'none' | 'add' | 'mul' }>;
  /** Determinants of the matrices of the last two axes. */
  readonly Det: Op<1>;
  readonly GatherND: Op<2, { readonly batch_dims: number }>;
  readonly LRN: Op<
    1,
    { readonly size: number; readonly alpha: number; readonly beta: number; readonly bias: number }
  >;
  readonly Tile: Op<2>;
  readonly CumSum: Op<2, { readonly exclusive?: 0 | 1; readonly reverse?: 0 | 1 }>;
  readonly TopK: Op<2, Axis & { readonly largest: 0 | 1; readonly sorted: 0 | 1 }>;
  readonly Split: Op<2, Axis>;
  readonly SpaceToDepth: Op<1, { readonly blocksize: number }>;
  readonly DepthToSpace: Op<1, { readonly blocksize: number; readonly mode: 'DCR' | 'CRD' }>;
  readonly ConstantOfShape: Op<1>;
  readonly Trilu: Op<'1-2', { readonly upper: 0 | 1 }>;
  readonly Pad: Op<'2-3', { readonly mode: 'constant' | 'reflect' | 'edge' }>;
  readonly Resize: Op<
    '2-5',
    {
      readonly mode: 'nearest' | 'linear' | 'cubic';
      readonly coordinate_transformation_mode: 'half_pixel' | 'asymmetric' | 'align_corners';
      readonly nearest_mode?: 'floor' | 'round_prefer_floor' | 'round_prefer_ceil';
      readonly cubic_coeff_a?: number;
      readonly exclude_outside?: 0 | 1;
    }
  >;
  readonly ReduceSum: Op<2, Keep>;
  readonly ReduceMean: Op<1, Keep & { readonly axes: Ints }>;
  readonly ReduceMax: Op<1, Keep & { readonly axes: Ints }>;
  readonly ReduceMin: Op<1, Keep & { readonly axes: Ints }>;
  readonly ReduceProd: Op<1, Keep & { readonly axes: Ints }>;
  readonly ReduceL2: Op<1, Keep & { readonly axes: Ints }>;
  readonly ReduceLogSumExp: Op<1, Keep & { readonly axes: Ints }>;
  readonly ArgMax: Op<1, Keep & Axis>;
  readonly ArgMin: Op<1, Keep & Axis>;
  readonly Shape: Op<1>;
  readonly Range: Op<3>;
  /** Added with `GraphBuilder.loop`, which gives it its body and its outputs. */
  readonly Loop: Op<'many'>;
  /** Added with `GraphBuilder.scan`, which gives it its body and its outputs. */
  readonly Scan: Op<'many', { readonly num_scan_inputs: number }>;
}

export type OpType = keyof Ops;
export type Attributes<O extends OpType> = Ops[O]['attributes'];

/** One T for each input of the operator; `undefined` where an optional input is left out. */
export type PerInput<O extends OpType, T> = {
  readonly 1: readonly [T];
  readonly 2: readonly [T, T];
  readonly 3: readonly [T, T, T];
  readonly 5: readonly [T, T, T, T, T];
  readonly '1-2': readonly [T, T?];
  readonly '2-3': readonly [T, T, T?];
  readonly '2-5': readonly [T, T | undefined, (T | undefined)?, T?, T?];
  readonly '3-5': readonly [T, T, T, T?, T?];
  readonly '3-6': readonly [T, T, T, (T | undefined)?, (T | undefined)?, (T | undefined)?];
  readonly '3-7': readonly [
    T,
    T,
    T,
    (T | undefined)?,
    (T | undefined)?,
    (T | undefined)?,
    (T | undefined)?,
  ];
  readonly many: readonly [T, ...T[]];
}[Ops[O]['arity']];

/** Shape, and where it is not that of the first input, element type, of an operator's output. */
interface OpRule<O extends OpType> {
  readonly shape: (inputs: PerInput<O, Value>, attributes: Attributes<O>) => Shape;
  readonly dtype?: (inputs: PerInput<O, Value>, attributes: Attributes<O>) => DType;
  /** The outputs after the first, where there are any. */
  readonly more?: (inputs: PerInput<O, Value>, attributes: Attributes<O>) => readonly OutputType[];
}

interface OutputType {
  readonly shape: Shape;
  readonly dtype: DType;
}

const sameAsFirst = { shape: ([x]: readonly [Value]) => x.shape };
const elementwise = {
  shape: ([a, b]: readonly [Value, Value]) => broadcast(a.shape, b.shape),
};
const comparison = { ...elementwise, dtype: (): DType => 'bool' };
const reduction = {
  shape: ([x]: readonly [Value], { axes, keepdims }: Keep & { readonly axes: Ints }) =>
    reduced(x.shape, axes, keepdims),
};
const position = {
  shape: ([x]: readonly [Value], { axis, keepdims }: Keep & Axis) =>
    reduced(x.shape, [axis], keepdims),
  dtype: (): DType => 'int64',
};

/** Y [T, D, N, H], then the last states [D, N, H]: one for RNN and GRU, two for LSTM. */
function recurrent(states: number) {
  // oxlint-disable-next-line unicorn/consistent-function-scoping -- read together with what it serves
  const dirs = ({ direction }: RecurrentAttributes): number =>
    direction === 'bidirectional' ? 2 : 1;
  return {
    shape: ([x]: readonly [Value, ...unknown[]], attributes: RecurrentAttributes) => [
      x.shape[0] ?? 1,
      dirs(attributes),
      x.shape[1] ?? 1,
      attributes.hidden_size,
    ],
    more: ([x]: readonly [Value, ...unknown[]], attributes: RecurrentAttributes) =>
      Array.from({ length: states }, () => ({
        shape: [dirs(attributes), x.shape[1] ?? 1, attributes.hidden_size],
        dtype: x.dtype,
      })),
  };
}

/** Every operator has a rule, so every value has a shape. */
export const opRules: { readonly [O in OpType]: OpRule<O> } = {
  Add: elementwise,
  Sub: elementwise,
  Mul: elementwise,
  Div: elementwise,
  Pow: elementwise,
  Max: elementwise,
  Min: elementwise,
  Mod: elementwise,
  Neg: sameAsFirst,
  Abs: sameAsFirst,
  Sign: sameAsFirst,
  Floor: sameAsFirst,
  Ceil: sameAsFirst,
  Round: sameAsFirst,
  Reciprocal: sameAsFirst,
  Sin: sameAsFirst,
  Cos: sameAsFirst,
  Tan: sameAsFirst,
  Asin: sameAsFirst,
  Acos: sameAsFirst,
  Atan: sameAsFirst,
  Sinh: sameAsFirst,
  Cosh: sameAsFirst,
  Asinh: sameAsFirst,
  Acosh: sameAsFirst,
  Atanh: sameAsFirst,
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
  GreaterOrEqual: comparison,
  LessOrEqual: comparison,
  And: comparison,
  Or: comparison,
  Xor: comparison,
  Not: { ...sameAsFirst, dtype: () => 'bool' },
  IsNaN: { ...sameAsFirst, dtype: () => 'bool' },
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
  MaxPool: {
    shape: ([x], attributes) => pooled(x.shape, attributes),
    more: ([x], attributes) =>
      attributes.storage_order === undefined
        ? []
        : [{ shape: pooled(x.shape, attributes), dtype: 'int64' }],
  },
  MaxUnpool: {
    shape: ([x, , shape], attributes) => shape?.constant ?? unpooled(x.shape, attributes),
  },
  AveragePool: { shape: ([x], attributes) => pooled(x.shape, attributes) },
  GlobalAveragePool: { shape: ([x]) => x.shape.map((dim, axis) => (axis < 2 ? dim : 1)) },
  GlobalMaxPool: { shape: ([x]) => x.shape.map((dim, axis) => (axis < 2 ? dim : 1)) },
  BatchNormalization: { shape: ([x]) => x.shape },
  LayerNormalization: { shape: ([x]) => x.shape },
  InstanceNormalization: { shape: ([x]) => x.shape },
  Einsum: {
    shape: (inputs, { equation }) =>
      contracted(
        inputs.map((input) => input.shape),
        equation,
      ),
  },
  LSTM: recurrent(2),
  GRU: recurrent(1),
  RNN: recurrent(1),
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
  GatherElements: { shape: ([, indices]) => indices.shape },
  ScatterElements: { shape: ([x]) => x.shape },
  ScatterND: { shape: ([x]) => x.shape },
  GatherND: {
    shape: ([x, indices], { batch_dims }) => gatheredAt(x.shape, indices.shape, batch_dims),
  },
  LRN: sameAsFirst,
  Det: { shape: ([x]) => x.shape.slice(0, -2) },
  Tile: { shape: ([x, repeats]) => tiled(x.shape, repeats) },
  CumSum: { shape: ([x]) => x.shape },
  TopK: {
    shape: ([x, k], { axis }) => topped(x.shape, k, axis),
    more: ([x, k], { axis }) => [{ shape: topped(x.shape, k, axis), dtype: 'int64' }],
  },
  Split: {
    shape: ([x, sizes], { axis }) => splits(x.shape, sizes, axis)[0] ?? x.shape,
    more: ([x, sizes], { axis }) =>
      splits(x.shape, sizes, axis)
        .slice(1)
        .map((shape) => ({ shape, dtype: x.dtype })),
  },
  SpaceToDepth: { shape: ([x], { blocksize }) => blocked(x.shape, blocksize) },
  DepthToSpace: { shape: ([x], { blocksize }) => blocked(x.shape, 1 / blocksize) },
  ConstantOfShape: {
    shape: ([shape]) => shape.constant ?? Array.from({ length: Number(shape.shape[0]) }, () => '?'),
    dtype: () => 'float32',
  },
  Trilu: { shape: ([x]) => x.shape },
  Pad: { shape: ([x, pads]) => padded(x.shape, pads) },
  Resize: { shape: ([x, , scales, sizes]) => resized(x.shape, scales, sizes) },
  ReduceSum: { shape: ([x, axes], { keepdims }) => reduced(x.shape, axes.constant, keepdims) },
  ReduceMean: reduction,
  ReduceMax: reduction,
  ReduceMin: reduction,
  ReduceProd: reduction,
  ReduceL2: reduction,
  ReduceLogSumExp: reduction,
  ArgMax: position,
  ArgMin: position,
  Shape: { shape: ([x]) => [x.shape.length], dtype: () => 'int64' },
  Range: { shape: () => ['range'] },
  Loop: {
    shape: () => {
      throw new Error('Bug: a Loop is added with GraphBuilder.loop');
    },
  },
  Scan: {
    shape: () => {
      throw new Error('Bug: a Scan is added with GraphBuilder.scan');
    },
  },
};
