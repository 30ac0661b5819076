import type { GraphBuilder } from '../onnx/graph.ts';
import { type OpType, opRules } from '../onnx/ops.ts';
import type { StoredNode } from '../onnx/read.ts';
import { dtypeOf } from '../onnx/schema.ts';
import type { Shape, Value } from '../tensor.ts';

/** A node of a file in the form in which we emit it. */
export interface TypedNode {
  readonly op: OpType;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Readonly<Record<string, unknown>>;
}

type Attributes = Record<string, unknown>;

/** Reads what a file says of a node into what our table of operators says of it. */
type Reader = (
  attributes: Attributes,
  inputs: readonly (Value | undefined)[],
  graph: GraphBuilder,
) => Attributes | Omit<TypedNode, 'op'>;

const windowed: Reader = ({ auto_pad: auto = 'NOTSET', ...attributes }, [x]) => {
  const rank = (x?.shape.length ?? 4) - 2;
  const all = (number: number, times = 1): number[] =>
    Array.from({ length: rank * times }, () => number);
  const window: Attributes = { strides: all(1), pads: all(0, 2), ...attributes };
  return auto === 'SAME_UPPER' || auto === 'SAME_LOWER'
    ? { ...window, ...samePads(window, x?.shape.slice(2) ?? [], auto) }
    : window;
};

/** The pads that a node leaves to whoever runs it, where the sizes are known; else that it does. */
function samePads(window: Attributes, sizes: Shape, auto: 'SAME_UPPER' | 'SAME_LOWER'): Attributes {
  const list = (name: string): readonly number[] => {
    const found: unknown = window[name];
    return Array.isArray(found) ? found.map(Number) : [];
  };
  const [strides, kernel, dilations] = ['strides', 'kernel_shape', 'dilations'].map(list);
  const totals = sizes.map((size, i) => {
    const stride = strides?.[i] ?? 1;
    const reach = ((kernel?.[i] ?? 1) - 1) * (dilations?.[i] ?? 1) + 1;
    return Math.max(0, (Math.ceil(Number(size) / stride) - 1) * stride + reach - Number(size));
  });
  if (totals.some(Number.isNaN)) return { auto_pad: auto };
  const [small, large] = [
    totals.map((n) => Math.floor(n / 2)),
    totals.map((n) => Math.ceil(n / 2)),
  ];
  return { pads: auto === 'SAME_UPPER' ? [...small, ...large] : [...large, ...small] };
}

function without(read: ReturnType<Reader>, name: string): Attributes {
  return Object.fromEntries(Object.entries(read).filter(([key]) => key !== name));
}

const convolution: Reader = (attributes, inputs, graph) => {
  const kernel = inputs[1]?.shape.slice(2) ?? [];
  const dilations = kernel.map(() => 1);
  return windowed({ kernel_shape: kernel, dilations, group: 1, ...attributes }, inputs, graph);
};

const withDefaults =
  (defaults: Attributes): Reader =>
  (attributes) => ({ ...defaults, ...attributes });

/** Axes are an attribute up to opset 17 and an input after; without any all are meant. */
const reduction: Reader = ({ keepdims = 1, axes }, [x, input]) => ({
  inputs: [x],
  attributes: { keepdims, axes: axes ?? input?.constant ?? allAxes(x) },
});

function allAxes(x: Value | undefined): number[] {
  return (x?.shape ?? []).map((_, axis) => axis);
}

/** The activations of a recurrent operator are those of its direction, then those of the other. */
const recurrent =
  (...activations: readonly string[]): Reader =>
  ({ direction = 'forward', ...attributes }) => ({
    activations: direction === 'bidirectional' ? [...activations, ...activations] : activations,
    ...attributes,
    direction,
  });

/** What the attributes of an operator are when a file leaves them out, where that matters to us. */
const readers: { readonly [O in OpType]?: Reader } = {
  Conv: convolution,
  ConvTranspose: convolution,
  MaxPool: (attributes, ...rest) => without(windowed(attributes, ...rest), 'storage_order'),
  AveragePool: (attributes, ...rest) => ({
    count_include_pad: 0,
    ...windowed(attributes, ...rest),
  }),
  BatchNormalization: ({ epsilon = 1e-5 }) => ({ epsilon }),
  LayerNormalization: withDefaults({ axis: -1, epsilon: 1e-5 }),
  InstanceNormalization: withDefaults({ epsilon: 1e-5 }),
  Elu: withDefaults({ alpha: 1 }),
  Selu: withDefaults({ alpha: 1.67326319217681884765625, gamma: 1.05070102214813232421875 }),
  LeakyRelu: withDefaults({ alpha: 0.01 }),
  ThresholdedRelu: withDefaults({ alpha: 1 }),
  HardSigmoid: withDefaults({ alpha: 0.2, beta: 0.5 }),
  Softmax: withDefaults({ axis: -1 }),
  LogSoftmax: withDefaults({ axis: -1 }),
  Flatten: withDefaults({ axis: 1 }),
  Gather: withDefaults({ axis: 0 }),
  GatherElements: withDefaults({ axis: 0 }),
  Split: withDefaults({ axis: 0 }),
  TopK: withDefaults({ axis: -1, largest: 1, sorted: 1 }),
  DepthToSpace: withDefaults({ mode: 'DCR' }),
  Trilu: withDefaults({ upper: 1 }),
  LSTM: recurrent('Sigmoid', 'Tanh', 'Tanh'),
  GRU: (attributes, ...rest) => ({
    linear_before_reset: 0,
    ...recurrent('Sigmoid', 'Tanh')(attributes, ...rest),
  }),
  RNN: recurrent('Tanh'),
  Mod: withDefaults({ fmod: 0 }),
  ArgMax: withDefaults({ axis: 0, keepdims: 1 }),
  ArgMin: withDefaults({ axis: 0, keepdims: 1 }),
  Pad: withDefaults({ mode: 'constant' }),
  Resize: withDefaults({ mode: 'nearest', coordinate_transformation_mode: 'half_pixel' }),
  Transpose: (attributes, [x]) => ({ perm: allAxes(x).toReversed(), ...attributes }),
  Cast: ({ to }) => ({ to: dtypeOf(Number(to)) }),
  ReduceMean: reduction,
  ReduceMax: reduction,
  ReduceMin: reduction,
  ReduceProd: reduction,
  ReduceL2: reduction,
  ReduceLogSumExp: reduction,
  ReduceSum: ({ keepdims = 1 }, [x, axes], graph) => ({
    inputs: [x, axes ?? graph.integers('axes', allAxes(x))],
    attributes: { keepdims },
  }),
  Clip: (attributes, [x, low, high], graph) => ({
    inputs: [
      x,
      low ?? graph.floats('lowest', [-largestFloat]),
      high ?? graph.floats('highest', [largestFloat]),
    ],
    attributes,
  }),
};

const largestFloat = 3.4028234663852886e38;

/** Operators that compute nothing when a model runs. */
const passing: ReadonlySet<string> = new Set(['Dropout', 'Identity']);

/** Control flow cannot be copied: its body is a graph of its own. */
const uncopied: ReadonlySet<string> = new Set(['Loop', 'Scan']);

/** Operators whose pads we know how to find where they are left open. */
const paddingThemselves: ReadonlySet<string> = new Set(['Conv', 'MaxPool', 'AveragePool']);

/** Whether a recurrent operator does something that our table does not know: clip, couple gates, look at the cell. */
function isUnusualRecurrent({ op, attributes, inputs }: Described): boolean {
  if (!['LSTM', 'GRU', 'RNN'].includes(op)) return false;
  const isSet = (name: string): boolean => (attributes.get(name) ?? 0) !== 0;
  return attributes.has('clip') || isSet('input_forget') || isSet('layout') || !!inputs[7];
}

type Described = Pick<StoredNode, 'op' | 'domain' | 'attributes' | 'inputs'>;

/** Whether a node of a file is of the table of operators. */
export function isKnownOp(node: Described): boolean {
  const isOurs = node.domain === '' || node.domain === 'ai.onnx';
  const auto = node.attributes.get('auto_pad') ?? 'NOTSET';
  const isSpread = node.op.endsWith('Pool') && !areOnes(node.attributes.get('dilations'));
  const isPadded = paddingThemselves.has(node.op) || auto === 'NOTSET' || auto === 'VALID';
  if (!isOurs || uncopied.has(node.op) || !isPadded || isSpread) return false;
  if (isUnusualRecurrent(node)) return false;
  return passing.has(node.op) || node.op in opRules;
}

function areOnes(list: unknown): boolean {
  return !Array.isArray(list) || list.every((each) => each === 1);
}

/** A node of a file, which `isKnownOp`, with all that it leaves out filled in. */
export function typedNode(
  node: Pick<StoredNode, 'op' | 'attributes'>,
  inputs: readonly (Value | undefined)[],
  graph: GraphBuilder,
): TypedNode {
  if (passing.has(node.op)) return { op: 'Identity', inputs: inputs.slice(0, 1), attributes: {} };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- isKnownOp has looked it up
  const op = node.op as OpType;
  const attributes = Object.fromEntries(node.attributes);
  const read = readers[op]?.(attributes, inputs, graph) ?? attributes;
  if (isNode(read)) return { op, ...read };
  return { op, inputs, attributes: read };
}

function isNode(read: Attributes | Omit<TypedNode, 'op'>): read is Omit<TypedNode, 'op'> {
  return 'inputs' in read && 'attributes' in read;
}
