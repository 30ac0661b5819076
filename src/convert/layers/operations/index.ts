import type { Where } from '../../../errors.ts';
import { type ConfigReader, isJson, type Json, parseJson, table } from '../../../keras/config.ts';
import { InputPlace } from '../../../keras/model.ts';
import { Arguments } from '../../arguments.ts';
import { defineLayer, type Layer, unsupported } from '../../layer.ts';
import { OperationCall } from './call.ts';
import { elementwiseOperations, type Operation } from './elementwise.ts';
import { formulas } from './formulas.ts';
import { orderingOperations } from './ordering.ts';
import { reductionOperations } from './reductions.ts';
import { shapeOperations } from './shapes.ts';

/** Every operation by its name in `keras.ops`. */
export const operations = table<Operation>({
  ...elementwiseOperations,
  ...formulas,
  ...orderingOperations,
  ...reductionOperations,
  ...shapeOperations,
});

/** Classes of Keras 3 whose operation has not their name in snake case. */
const classNames = table<string>({
  TrueDivide: 'divide',
  Abs: 'absolute',
  Fabs: 'absolute',
  Amax: 'max',
  Amin: 'min',
  Arcsin: 'arcsin',
  Relu6: 'relu6',
  Log1p: 'log1p',
  Expm1: 'expm1',
  StopGradient: 'identity',
  Copy: 'identity',
  Real: 'identity',
  Conjugate: 'identity',
  Arctan2: 'arctan2',
  Exp2: 'exp2',
  Log2: 'log2',
  Log10: 'log10',
  Deg2rad: 'deg2rad',
  Rad2deg: 'rad2deg',
  ConvertToTensor: 'identity',
  SaturateCast: 'cast',
  Normalize: 'l2_normalize',
  GetItem: 'get_item',
});

/** Functions of TensorFlow, without their modules, that `keras.ops` calls otherwise. */
const functionNames: Readonly<Record<string, string>> = {
  truediv: 'divide',
  realdiv: 'divide',
  div: 'divide',
  floordiv: 'floor_divide',
  floormod: 'mod',
  sub: 'subtract',
  mul: 'multiply',
  abs: 'absolute',
  neg: 'negative',
  pow: 'power',
  getitem: 'get_item',
  concat: 'concatenate',
  reverse: 'flip',
  gather: 'take',
  clip_by_value: 'clip',
  reduce_mean: 'mean',
  reduce_sum: 'sum',
  reduce_max: 'max',
  reduce_min: 'min',
  reduce_prod: 'prod',
  reduce_variance: 'var',
  reduce_std: 'std',
  reduce_any: 'any',
  reduce_all: 'all',
  reduce_logsumexp: 'logsumexp',
  acos: 'arccos',
  asin: 'arcsin',
  atan: 'arctan',
  atan2: 'arctan2',
  acosh: 'arccosh',
  asinh: 'arcsinh',
  atanh: 'arctanh',
  floor_div: 'floor_divide',
  rint: 'round',
  is_finite: 'isfinite',
  is_inf: 'isinf',
  reduce_euclidean_norm: 'norm',
  swish: 'silu',
  is_nan: 'isnan',
  stop_gradient: 'identity',
  convert_to_tensor: 'identity',
  cast_to_floatx: 'identity',
};

/** TensorFlow's kernels, as TensorFlowOpLayer names them. */
const kernelNames: Readonly<Record<string, string>> = {
  AddV2: 'add',
  Sub: 'subtract',
  Mul: 'multiply',
  RealDiv: 'divide',
  Div: 'divide',
  Pow: 'power',
  Neg: 'negative',
  Abs: 'absolute',
  ConcatV2: 'concatenate',
  BatchMatMulV2: 'matmul',
  MatMul: 'matmul',
};

function snakeCase(name: string): string {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toLowerCase();
}

interface Node {
  readonly name: string;
  /** As the file spells it. */
  readonly saved: string;
  /** Of a kernel: constant inputs by their numbers, and attributes. */
  readonly constants: Json;
  readonly attributes: Json;
}

function nodeOf(config: ConfigReader, where: Where): Node {
  const saved = config.raw('function');
  if (typeof saved === 'string') {
    const last = saved.split('.').at(-1) ?? '';
    return { name: functionNames[last] ?? last, saved, constants: {}, attributes: {} };
  }
  const stated = config.raw('node_def');
  const node = typeof stated === 'string' ? kernelText(stated, where) : stated;
  const json = isJson(node) ? node : {};
  const kernel = String(json['op']);
  const constants = config.raw('constants');
  return {
    name: kernelNames[kernel] ?? snakeCase(kernel),
    saved: kernel,
    constants: isJson(constants) ? constants : {},
    attributes: isJson(json['attr']) ? json['attr'] : {},
  };
}

/** TensorFlow 2.0 to 2.3 wrote nodes as JSON in a string, 1.15 in bytes of its own. */
function kernelText(text: string, where: Where): Json {
  if (text.startsWith('{')) return parseJson(text, where);
  throw unsupported(
    'A TensorFlow operation is described in bytes, as TensorFlow 1.15 did, and cannot be read',
    where,
    'Build the model with layers instead.',
  );
}

/** Constant inputs of a kernel in their places among the tensors, its flags by name. */
function withConstants(given: Arguments, { constants, attributes }: Node): Arguments {
  if (Object.keys(constants).length + Object.keys(attributes).length === 0) return given;
  const tensors = given.all;
  const count = tensors.length + Object.keys(constants).length;
  let next = 0;
  const args = Array.from({ length: count }, (_, i) => {
    const constant = constants[String(i)];
    if (constant !== undefined) return constant;
    const place = new InputPlace(next);
    next += 1;
    return place;
  });
  const flags = Object.entries(attributes).flatMap(([name, value]) =>
    isJson(value) && typeof value['b'] === 'boolean' ? [[name, value['b']] as const] : [],
  );
  return new Arguments({ args, kwargs: Object.fromEntries(flags) }, tensors);
}

/** TensorFlow's functions as nodes of tf.keras models, and its kernels as those of TensorFlow 1.15 to 2.3. */
export const tensorFlowOperation: Layer = defineLayer({
  keras: ['TFOpLambda', 'SlicingOpLambda', 'TensorFlowOpLayer'],
  inputs: 'many',
  read(config, _, where) {
    const node = nodeOf(config, where);
    const operation = operations[node.name];
    if (operation) return { operation, node, config };
    throw unsupported(
      `The TensorFlow function "${node.saved}" cannot be converted`,
      where,
      `Build the model with layers instead. Functions that can be converted: ${Object.keys(operations).toSorted().join(', ')}.`,
    );
  },
  weights: () => ({}),
  emit({ config: { operation, node, config }, given, ...bench }) {
    return operation(new OperationCall(withConstants(given, node), config, bench));
  },
});

/** The rule for an operation that is a node of a Keras 3 model, whose class is "ops.<name>". */
export function operationNamed(className: string): Layer | undefined {
  if (!className.startsWith('ops.')) return undefined;
  const saved = className.slice('ops.'.length);
  const operation = operations[classNames[saved] ?? snakeCase(saved)];
  return operation && keras3Operation(className, operation);
}

function keras3Operation(className: string, operation: Operation): Layer {
  return defineLayer({
    keras: [className],
    inputs: 'many',
    read: (config) => config,
    weights: () => ({}),
    emit: ({ config, given, ...bench }) => operation(new OperationCall(given, config, bench)),
  });
}
