import type { Where } from '../../../errors.ts';
import { ConfigReader, isJson, type Json, parseJson, table } from '../../../keras/config.ts';
import { InputPlace } from '../../../keras/model.ts';
import { Arguments } from '../../arguments.ts';
import { defineLayer, type Layer, unsupported } from '../../layer.ts';
import { OperationCall } from './call.ts';
import { elementwiseOperations, type Operation } from './elementwise.ts';
import { formulas } from './formulas.ts';
import { imageOperations } from './images.ts';
import { matrixOperations } from './matrices.ts';
import { normalisingOperations } from './normalising.ts';
import { orderingOperations } from './ordering.ts';
import { patchOperations } from './patches.ts';
import { pickingOperations } from './picking.ts';
import { productOperations } from './products.ts';
import { reductionOperations } from './reductions.ts';
import { scatteringOperations } from './scattering.ts';
import { sequenceOperations } from './sequences.ts';
import { shapeOperations } from './shapes.ts';
import { signalOperations } from './signals.ts';
import { specialOperations } from './special.ts';
import { statisticsOperations } from './statistics.ts';
import { tensorFlowFunctions } from './tensorflow.ts';
import { windowOperations } from './windows.ts';

/** Every operation by its name in `keras.ops`. */
export const operations = table<Operation>({
  ...elementwiseOperations,
  ...formulas,
  ...imageOperations,
  ...matrixOperations,
  ...normalisingOperations,
  ...orderingOperations,
  ...patchOperations,
  ...pickingOperations,
  ...scatteringOperations,
  ...productOperations,
  ...reductionOperations,
  ...sequenceOperations,
  ...shapeOperations,
  ...signalOperations,
  ...specialOperations,
  ...statisticsOperations,
  ...windowOperations,
});

/** Operations by their names in small letters alone, as classes and kernels spell them. */
const byLetters = table<Operation>(
  Object.fromEntries(Object.entries(operations).map(([name, row]) => [letters(name), row])),
);

function letters(name: string): string {
  return name.replaceAll('_', '').toLowerCase();
}

/** Classes of Keras 3 that are not spelled as their operation. */
const classNames = table<string>({
  TrueDivide: 'divide',
  Abs: 'absolute',
  Fabs: 'absolute',
  Amax: 'max',
  Amin: 'min',
  StopGradient: 'identity',
  Copy: 'identity',
  Real: 'identity',
  Conjugate: 'identity',
  ConvertToTensor: 'identity',
  Array: 'identity',
  Normalize: 'l2_normalize',
  BatchNorm: 'batch_normalization',
  LayerNorm: 'layer_normalization',
  RMSNorm: 'rms_normalization',
  LeftShift: 'bitwise_left_shift',
  RightShift: 'bitwise_right_shift',
  BitwiseInvert: 'bitwise_not',
});

/** Functions of TensorFlow, without their modules, that `keras.ops` calls otherwise. */
const functionNames: Readonly<Record<string, string>> = table({
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
  max_pool1d: 'max_pool',
  max_pool2d: 'max_pool',
  max_pool3d: 'max_pool',
  avg_pool: 'average_pool',
  avg_pool1d: 'average_pool',
  avg_pool2d: 'average_pool',
  avg_pool3d: 'average_pool',
  conv1d: 'conv',
  conv2d: 'conv',
  conv3d: 'conv',
  convolution: 'conv',
  depthwise_conv2d: 'depthwise_conv',
  separable_conv2d: 'separable_conv',
  conv1d_transpose: 'conv_transpose',
  conv2d_transpose: 'conv_transpose',
  conv3d_transpose: 'conv_transpose',
  matrix_inverse: 'inv',
  matrix_solve: 'solve',
  matrix_triangular_solve: 'solve_triangular',
  invert: 'bitwise_not',
  left_shift: 'bitwise_left_shift',
  right_shift: 'bitwise_right_shift',
  stop_gradient: 'identity',
  convert_to_tensor: 'identity',
  cast_to_floatx: 'identity',
  accumulate_n: 'add_n',
  bessel_i0: 'i0',
  real: 'identity',
  conj: 'identity',
  triangular_solve: 'solve_triangular',
});

/** Modules of TensorFlow whose functions are those of `keras.ops`, if they have their name. */
const modules = new Set([
  '',
  'math',
  'nn',
  'linalg',
  'bitwise',
  'dtypes',
  '__operators__',
  'keras.backend',
  'keras.activations',
]);

/** The operation for a function, by its path without "compat.v1". */
function functionNamed(saved: string): Operation | undefined {
  const path = saved.replace(/^(compat\.v[12]|_api\.v2)\./, '');
  const own = ownFunctions[path];
  if (own) return own;
  const at = path.lastIndexOf('.');
  if (!modules.has(path.slice(0, Math.max(at, 0)))) return undefined;
  const name = path.slice(at + 1);
  return ownFunctions[name] ?? operations[functionNames[name] ?? name];
}

const ownFunctions = table(tensorFlowFunctions);

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
  AvgPool: 'average_pool',
  Pack: 'stack',
  Inv: 'reciprocal',
  Real: 'identity',
  MatMul: 'matmul',
};

interface Node {
  readonly operation: Operation | undefined;
  /** As the file spells it. */
  readonly saved: string;
  /** Of a kernel: constant inputs by their numbers, and attributes. */
  readonly constants: Json;
  readonly attributes: Json;
}

function nodeOf(config: ConfigReader, where: Where): Node {
  const saved = config.raw('function');
  if (typeof saved === 'string') {
    return { operation: functionNamed(saved), saved, constants: {}, attributes: {} };
  }
  const stated = config.raw('node_def');
  const node = typeof stated === 'string' ? kernelText(stated, where) : stated;
  const json = isJson(node) ? node : {};
  const kernel = String(json['op']);
  const constants = config.raw('constants');
  return {
    operation: byLetters[letters(kernelNames[kernel] ?? kernel)],
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
  const named = Object.entries(attributes).flatMap(([name, value]) => {
    const own = isJson(value) ? attributeOf(value) : undefined;
    return own === undefined ? [] : [[name, own] as const];
  });
  return new Arguments({ args, kwargs: Object.fromEntries(named) }, tensors);
}

/** Truth, a number, a word, or whole numbers, as protobuf's JSON writes them; types are none of these. */
function attributeOf({ b, i, f, s, list }: Json): unknown {
  if (typeof b === 'boolean') return b;
  if (i !== undefined) return Number(i);
  if (f !== undefined) return Number(f);
  if (typeof s === 'string') return Buffer.from(s, 'base64').toString('utf8');
  const numbers = isJson(list) ? list['i'] : undefined;
  return Array.isArray(numbers) ? numbers.map(Number) : undefined;
}

function functionsKnown(): string {
  return [...Object.keys(ownFunctions), ...Object.keys(operations)].toSorted().join(', ');
}

/** TensorFlow's functions as nodes of tf.keras models, and its kernels as those of TensorFlow 1.15 to 2.3. */
export const tensorFlowOperation: Layer = defineLayer({
  keras: ['TFOpLambda', 'SlicingOpLambda', 'TensorFlowOpLayer'],
  inputs: 'many',
  read(config, _, where) {
    const node = nodeOf(config, where);
    const { operation } = node;
    if (operation) return { operation, node };
    throw unsupported(
      `The TensorFlow function "${node.saved}" cannot be converted`,
      where,
      `Build the model with layers instead. Functions that can be converted: ${functionsKnown()}.`,
    );
  },
  weights: () => ({}),
  emit({ config: { operation, node }, given, ...bench }) {
    // The config is the layer's own, whose "dtype" is no argument.
    const none = new ConfigReader({}, bench.where);
    return operation(new OperationCall(withConstants(given, node), none, bench));
  },
});

/** The rule for an operation that is a node of a Keras 3 model, whose class is "ops.<name>". */
export function operationNamed(className: string): Layer | undefined {
  if (!className.startsWith('ops.')) return undefined;
  const saved = className.slice('ops.'.length);
  const operation = byLetters[letters(classNames[saved] ?? saved)];
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
