import type { GraphBuilder } from '../../../onnx/graph.ts';
import type { Value } from '../../../tensor.ts';
import { type ActivationName, activations } from '../../activations.ts';
import { axisIn, inLayoutOf, type KerasTensor, kerasTensor } from '../../layout.ts';
import { aligned } from '../../merging.ts';
import type { Operand, OperationCall } from './call.ts';

export type Operation = (call: OperationCall) => KerasTensor | readonly KerasTensor[];

type Binary = (a: Value, b: Value, graph: GraphBuilder) => Value;
type Fold = (a: number, b: number) => number;

/** Two tensors, or a tensor and numbers, element by element; single numbers leave the layout as it is. */
export function binary(
  join: Binary,
  [first, second]: readonly [readonly string[], readonly string[]] = [
    ['x1', 'x', 'a', 'value'],
    ['x2', 'y', 'b', 'bias'],
  ],
  fold?: Fold,
): Operation {
  return (call) => {
    const a = call.operand(0, ...first);
    const b = call.operand(1, ...second);
    const [left, right, like] = values(a, b, call);
    const { graph } = call.bench;
    const value = join(...promoted(left, right, graph), graph);
    const known = fold && folded(left, right, fold);
    return inLayoutOf(like, known ? graph.know(value, known) : value);
  };
}

/** What is known of the result, from what is known of both sides: of sizes, mostly. */
function folded(a: Value, b: Value, fold: Fold): readonly (number | undefined)[] | undefined {
  const [left, right] = [a.known ?? a.constant, b.known ?? b.constant];
  if (!left || !right || (!a.known && !b.known)) return undefined;
  const count = Math.max(left.length, right.length);
  return Array.from({ length: count }, (_, i) => {
    const [x, y] = [
      left.length === 1 ? left[0] : left[i],
      right.length === 1 ? right[0] : right[i],
    ];
    return x === undefined || y === undefined ? undefined : fold(x, y);
  });
}

/** Both as the wider of their types, as NumPy would have it: floats before whole numbers before truth. */
function promoted(a: Value, b: Value, graph: GraphBuilder): readonly [Value, Value] {
  if (a.dtype === b.dtype) return [a, b];
  const kinds = [a.dtype, b.dtype];
  const other = kinds.find((dtype) => dtype !== 'bool') ?? 'float32';
  const to = kinds.includes('float32') ? 'float32' : kinds.includes('bool') ? other : 'int64';
  const as = (x: Value): Value => (x.dtype === to ? x : graph.add('Cast', [x], { to }));
  return [as(a), as(b)];
}

/** Truth, whatever the numbers were. */
function logical(op: 'And' | 'Or' | 'Xor'): Operation {
  return binary((a, b, graph) => graph.add(op, [inTruth(a, graph), inTruth(b, graph)]));
}

function inTruth(x: Value, graph: GraphBuilder): Value {
  return x.dtype === 'bool' ? x : graph.add('Cast', [x], { to: 'bool' });
}

function isTensor(operand: Operand): operand is KerasTensor {
  return typeof operand === 'object' && 'layout' in operand;
}

function values(a: Operand, b: Operand, call: OperationCall): readonly [Value, Value, KerasTensor] {
  const { layouts } = call.bench;
  if (isTensor(a) && isTensor(b)) return pair(a, b, call);
  if (isTensor(a)) {
    const x = isTensor(b) || typeof b === 'number' ? layouts.padded(a) : layouts.keras(a);
    return [x.value, call.constant(isTensor(b) ? 0 : b, x.value), x];
  }
  if (!isTensor(b)) throw call.refused('numbers only');
  const x = typeof a === 'number' ? layouts.padded(b) : layouts.keras(b);
  return [call.constant(a, x.value), x.value, x];
}

function pair(
  a: KerasTensor,
  b: KerasTensor,
  { bench: { layouts } }: OperationCall,
): readonly [Value, Value, KerasTensor] {
  if (a.shape.length === b.shape.length) {
    const [x, y = x] = aligned([a, b], layouts, 'element');
    return [x.value, y.value, x];
  }
  const [x, y] = [layouts.keras(a), layouts.keras(b)];
  return [x.value, y.value, x.shape.length > y.shape.length ? x : y];
}

/** One tensor, element by element. */
export function unary(
  emit: (x: Value, graph: GraphBuilder, call: OperationCall) => Value,
): Operation {
  return (call) => {
    const x = call.bench.layouts.padded(call.x);
    return inLayoutOf(x, emit(x.value, call.bench.graph, call));
  };
}

const one = (graph: GraphBuilder): Value => graph.floats('one', [1]);

/** Floats, whatever the numbers were. */
export function inFloats(x: Value, graph: GraphBuilder): Value {
  return x.dtype === 'float32' ? x : graph.add('Cast', [x], { to: 'float32' });
}

/** One node that takes floats only; whole numbers become floats, as in Keras. */
function inFloat(
  op:
    | 'Exp'
    | 'Sqrt'
    | 'Log'
    | 'Sin'
    | 'Cos'
    | 'Tan'
    | 'Asin'
    | 'Acos'
    | 'Atan'
    | 'Sinh'
    | 'Cosh'
    | 'Asinh'
    | 'Acosh'
    | 'Atanh'
    | 'Erf'
    | 'Floor'
    | 'Ceil'
    | 'Reciprocal',
): Operation {
  return unary((x, graph) => graph.add(op, [inFloats(x, graph)]));
}

/** A row of the activation table as an operation. */
function activation(name: ActivationName): Operation {
  return (call) => {
    const { graph, layouts, origin } = call.bench;
    const x = layouts.padded(call.x);
    const lastAxis = axisIn(x, -1);
    const { generation } = origin;
    const own = name === 'relu' ? x.value : inFloats(x.value, graph);
    return inLayoutOf(x, activations[name]({ x: own, graph, lastAxis, generation }));
  };
}

/** 0.5 x (1 + tanh(sqrt(2/π) (x + 0.044715 x³))), or the exact form, which is TensorFlow's default but not Keras 3's. */
function gelu(call: OperationCall): KerasTensor | readonly KerasTensor[] {
  const isKeras3 = call.bench.origin.generation === 'Keras 3';
  if ((call.raw(1, 'approximate') ?? isKeras3) === false) return activation('gelu')(call);
  return unary((x, graph) => {
    const cube = graph.add('Mul', [graph.add('Mul', [x, x]), x]);
    const bent = graph.add('Add', [x, graph.add('Mul', [cube, graph.floats('cube', [0.044715])])]);
    const inner = graph.add('Mul', [bent, graph.floats('root', [Math.sqrt(2 / Math.PI)])]);
    const spread = graph.add('Add', [graph.add('Tanh', [inner]), one(graph)]);
    return graph.add('Mul', [graph.add('Mul', [x, graph.floats('half', [0.5])]), spread]);
  })(call);
}

function cast(call: OperationCall): KerasTensor {
  const to = call.dtype('dtype', 1);
  if (!to) throw call.refused('dtype missing');
  const { graph, layouts } = call.bench;
  const x = layouts.padded(call.x);
  if (x.value.dtype === to) return x;
  const value = graph.add('Cast', [x.value], { to });
  return inLayoutOf(x, x.value.known ? graph.know(value, x.value.known) : value);
}

function clip(call: OperationCall): KerasTensor {
  const low = call.number(1, undefined, 'x_min', 'clip_value_min');
  const high = call.number(2, undefined, 'x_max', 'clip_value_max');
  const x = call.bench.layouts.padded(call.x);
  const { graph } = call.bench;
  const limits = [call.constant(low, x.value), call.constant(high, x.value)] as const;
  return inLayoutOf(x, graph.add('Clip', [x.value, ...limits]));
}

/** `condition` chooses between two tensors or numbers. */
function where(call: OperationCall): KerasTensor {
  const { graph, layouts } = call.bench;
  const condition = call.operand(0, 'condition');
  if (!isTensor(condition)) throw call.refused('a constant condition');
  const parts = [call.operand(1, 'x1', 'x'), call.operand(2, 'x2', 'y')];
  const like = parts.find(isTensor);
  const number = (operand: Operand): Value => {
    if (isTensor(operand)) return layouts.keras(operand).value;
    const own = like ? layouts.keras(like).value : graph.floats('zero', [0]);
    return call.constant(operand, own);
  };
  const [a, b] = parts.map(number);
  if (!a || !b) throw new Error('Bug: two choices stay two');
  const isOn = layouts.keras(condition).value;
  const truth = isOn.dtype === 'bool' ? isOn : graph.add('Cast', [isOn], { to: 'bool' });
  return kerasTensor(graph.add('Where', [truth, a, b]));
}

/** The sum of a list of tensors of one shape. */
function sumOf(call: OperationCall): KerasTensor {
  const { graph, layouts } = call.bench;
  const [head, ...tail] = call.tensors;
  if (!head) throw call.refused('no tensors');
  const [first, ...others] = aligned([head, ...tail], layouts, 'element');
  const sum = others.reduce((total, { value }) => graph.add('Add', [total, value]), first.value);
  return inLayoutOf(first, sum);
}

const identity: Operation = ({ x }) => x;

/** Operations that leave every element where it is. */
export const elementwiseOperations: Readonly<Record<string, Operation>> = {
  add: binary(
    (a, b, graph) => graph.add('Add', [a, b]),
    undefined,
    (a, b) => a + b,
  ),
  // Along the last axis, which is where TensorFlow's channels are unless told otherwise.
  bias_add: (call) => {
    if (call.raw(2, 'data_format') === 'NCHW') throw call.refused('channels first');
    return binary((a, b, graph) => graph.add('Add', [a, b]))(call);
  },
  add_n: sumOf,
  subtract: binary(
    (a, b, graph) => graph.add('Sub', [a, b]),
    undefined,
    (a, b) => a - b,
  ),
  multiply: binary(
    (a, b, graph) => graph.add('Mul', [a, b]),
    undefined,
    (a, b) => a * b,
  ),
  divide: binary((a, b, graph) => graph.add('Div', [inFloats(a, graph), inFloats(b, graph)])),
  maximum: binary((a, b, graph) => graph.add('Max', [a, b])),
  minimum: binary((a, b, graph) => graph.add('Min', [a, b])),
  power: binary((a, b, graph) => graph.add('Pow', [a, b])),
  floor_divide: binary(
    (a, b, graph) => {
      const ratio = graph.add('Div', [inFloats(a, graph), inFloats(b, graph)]);
      const floor = graph.add('Floor', [ratio]);
      return a.dtype === 'float32' ? floor : graph.add('Cast', [floor], { to: a.dtype });
    },
    undefined,
    (a, b) => Math.floor(a / b),
  ),
  squared_difference: binary((a, b, graph) => {
    const difference = graph.add('Sub', [a, b]);
    return graph.add('Mul', [difference, difference]);
  }),
  equal: binary((a, b, graph) => graph.add('Equal', [a, b])),
  not_equal: binary((a, b, graph) => graph.add('Not', [graph.add('Equal', [a, b])])),
  less: binary((a, b, graph) => graph.add('Less', [a, b])),
  less_equal: binary((a, b, graph) => graph.add('LessOrEqual', [a, b])),
  greater: binary((a, b, graph) => graph.add('Greater', [a, b])),
  greater_equal: binary((a, b, graph) => graph.add('GreaterOrEqual', [a, b])),
  logical_and: logical('And'),
  logical_or: logical('Or'),
  logical_xor: logical('Xor'),
  logical_not: unary((x, graph) => graph.add('Not', [inTruth(x, graph)])),
  isnan: unary((x, graph) => graph.add('IsNaN', [x])),
  absolute: unary((x, graph) => graph.add('Abs', [x])),
  negative: unary((x, graph) => graph.add('Neg', [x])),
  sign: unary((x, graph) => graph.add('Sign', [x])),
  floor: inFloat('Floor'),
  ceil: inFloat('Ceil'),
  reciprocal: inFloat('Reciprocal'),
  exp: inFloat('Exp'),
  expm1: unary((x, graph) =>
    graph.add('Sub', [graph.add('Exp', [inFloats(x, graph)]), one(graph)]),
  ),
  log: inFloat('Log'),
  log1p: unary((x, graph) =>
    graph.add('Log', [graph.add('Add', [inFloats(x, graph), one(graph)])]),
  ),
  sqrt: inFloat('Sqrt'),
  rsqrt: unary((x, graph) => graph.add('Reciprocal', [graph.add('Sqrt', [inFloats(x, graph)])])),
  square: unary((x, graph) => graph.add('Mul', [x, x])),
  erf: inFloat('Erf'),
  sin: inFloat('Sin'),
  cos: inFloat('Cos'),
  tan: inFloat('Tan'),
  arcsin: inFloat('Asin'),
  arccos: inFloat('Acos'),
  arctan: inFloat('Atan'),
  sinh: inFloat('Sinh'),
  cosh: inFloat('Cosh'),
  arcsinh: inFloat('Asinh'),
  arccosh: inFloat('Acosh'),
  arctanh: inFloat('Atanh'),
  tanh: activation('tanh'),
  relu: activation('relu'),
  relu6: activation('relu6'),
  sigmoid: activation('sigmoid'),
  softplus: activation('softplus'),
  softsign: activation('softsign'),
  silu: activation('silu'),
  selu: activation('selu'),
  log_sigmoid: activation('log_sigmoid'),
  hard_sigmoid: activation('hard_sigmoid'),
  hard_silu: activation('hard_silu'),
  hard_tanh: activation('hard_tanh'),
  tanh_shrink: activation('tanh_shrink'),
  sparse_plus: activation('sparse_plus'),
  sparse_sigmoid: activation('sparse_sigmoid'),
  gelu,
  leaky_relu: unary((x, graph, call) =>
    graph.add('LeakyRelu', [x], { alpha: call.number(1, 0.2, 'negative_slope', 'alpha') }),
  ),
  elu: unary((x, graph, call) => graph.add('Elu', [x], { alpha: call.number(1, 1, 'alpha') })),
  // alpha (exp(x / alpha) - 1) below 0: Elu of x / alpha, times alpha.
  celu: unary((x, graph, call) => {
    const alpha = graph.floats('alpha', [call.number(1, 1, 'alpha')]);
    const below = graph.add('Elu', [graph.add('Div', [x, alpha])], { alpha: 1 });
    return graph.add('Mul', [below, alpha]);
  }),
  cast,
  clip,
  where,
  identity,
};
