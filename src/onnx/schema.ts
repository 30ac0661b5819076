import onnxProto from 'onnx-proto';
import type { Dim, DType, Shape, TensorSource, Value } from '../tensor.ts';
import { byteLengthOf } from '../tensor.ts';
import type { GraphBuilder, Node } from './graph.ts';
import { field, joined, type Piece } from './wire.ts';

const { onnx } = onnxProto;

/** ONNX 1.12's IR: what opset 17 came with. */
export const irVersion = 8;
/** Kept at 17: a GPU kernel registered for "12+" may not match an operator of a newer opset. */
export const opset = 17;

/** Field numbers of onnx.proto3 that we frame or look for ourselves. */
export const modelField = { irVersion: 1, graph: 7, opsetImport: 8, metadata: 14 } as const;
export const graphField = {
  node: 1,
  name: 2,
  initializer: 5,
  input: 11,
  output: 12,
  valueInfo: 13,
} as const;
export const tensorField = {
  dims: 1,
  dataType: 2,
  name: 8,
  rawData: 9,
  externalData: 13,
  dataLocation: 14,
} as const;

/** TensorProto.DataType of onnx.proto3. */
const dataTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const satisfies Record<DType, number>;

const dtypes = new Map<number, DType>(
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.entries forgets the keys of a constant table
  (Object.entries(dataTypes) as [DType, number][]).map(([dtype, code]) => [code, dtype]),
);

/** The element type for ONNX's number; `undefined` for strings, complex numbers and the 4- and 8-bit floats. */
export function dtypeOf(dataType: number): DType | undefined {
  return dtypes.get(dataType);
}

/** Attributes that ONNX declares as FLOAT, so that a whole number is not written as INT. */
const floatAttributes = new Set([
  'alpha',
  'bias',
  'beta',
  'gamma',
  'epsilon',
  'cubic_coeff_a',
  'activation_alpha',
  'activation_beta',
]);

/** What convolutions and poolings do unless told otherwise: every number of these attributes is this one. */
const defaults: Readonly<Record<string, number>> = { strides: 1, dilations: 1, pads: 0, group: 1 };

/** Whether an attribute may be left out, as small graphs are mostly names and attributes. */
function isDefault(op: string, name: string, value: unknown): boolean {
  // A convolution sees the size of its kernel by the kernel.
  if (name === 'kernel_shape') return op === 'Conv' || op === 'ConvTranspose';
  const byDefault = Object.hasOwn(defaults, name) ? defaults[name] : undefined;
  if (byDefault === undefined) return false;
  return Array.isArray(value) ? value.every((each) => each === byDefault) : value === byDefault;
}

type Attribute = Parameters<typeof onnx.AttributeProto.encode>[0];

function attributeOf(name: string, value: unknown): Attribute {
  const { AttributeType } = onnx.AttributeProto;
  if (name === 'to') {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- only Cast has `to`, and the operator table types it
    return { name, type: AttributeType.INT, i: dataTypes[value as DType] };
  }
  if (typeof value === 'string') {
    return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
  }
  if (Array.isArray(value)) return listAttribute(name, value);
  if (floatAttributes.has(name)) return { name, type: AttributeType.FLOAT, f: Number(value) };
  return { name, type: AttributeType.INT, i: Number(value) };
}

function listAttribute(name: string, values: readonly unknown[]): Attribute {
  const { AttributeType } = onnx.AttributeProto;
  if (values.some((value) => typeof value === 'string')) {
    const strings = values.map((value) => new TextEncoder().encode(String(value)));
    return { name, type: AttributeType.STRINGS, strings };
  }
  const numbers = values.map(Number);
  return floatAttributes.has(name)
    ? { name, type: AttributeType.FLOATS, floats: numbers }
    : { name, type: AttributeType.INTS, ints: numbers };
}

/** Gives another name to a value, or keeps it. */
export type Renaming = (name: string) => string;

/** A NodeProto of a node that we author. */
export function encodeNode(node: Node, rename: Renaming): Uint8Array {
  const inputs: readonly (Value | undefined)[] = node.inputs;
  const attribute = Object.entries(node.attributes)
    .filter(([name, value]) => value !== undefined && !isDefault(node.op, name, value))
    .map(([name, value]) => attributeOf(name, value));
  const proto = onnx.NodeProto.encode({
    opType: node.op,
    name: rename(node.name),
    input: trimmed(inputs.map((input) => (input ? rename(input.name) : ''))),
    output: node.outputs.map((output) => rename(output.name)),
    attribute,
  }).finish();
  if (!node.body) return proto;
  // AttributeProto: name = 1, g = 6, type = 20 (GRAPH = 5); NodeProto: attribute = 5.
  const body = onnx.AttributeProto.encode({
    name: 'body',
    type: onnx.AttributeProto.AttributeType.GRAPH,
  }).finish();
  const graph = joined(encodeGraph(node.body, 'body', rename));
  return joined([proto, ...field(5, [body, ...field(6, [graph])])]);
}

function trimmed(names: readonly string[]): string[] {
  const last = names.findLastIndex((name) => name !== '');
  return names.slice(0, last + 1);
}

/** A ValueInfoProto. */
export function encodeValue(value: Value, rename: Renaming = (name) => name): Uint8Array {
  return onnx.ValueInfoProto.encode({
    name: rename(value.name),
    type: {
      tensorType: {
        elemType: dataTypes[value.dtype],
        shape: {
          dim: value.shape.map((dim) =>
            typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim },
          ),
        },
      },
    },
  }).finish();
}

/** A value as a file declares it; `undefined` when it is no tensor, or of a type we do not know. */
export function decodeValue(bytes: Uint8Array): Value | undefined {
  const proto = onnx.ValueInfoProto.decode(bytes);
  const tensor = proto.type?.tensorType;
  const dtype = dtypeOf(tensor?.elemType ?? 0);
  if (!tensor?.shape || !dtype) return undefined;
  const shape: Shape = (tensor.shape.dim ?? []).map((dim, axis): Dim => {
    if (dim.dimParam) return dim.dimParam;
    const size = Number(dim.dimValue ?? 0);
    return size > 0 ? size : `${proto.name}_dim${axis}`;
  });
  return { name: proto.name, dtype, shape };
}

/** What an attribute holds, as plain data. */
type Plain = number | string | readonly number[] | readonly string[];

/** A NodeProto as plain data. Names used by bodies of control flow are among `captured`. */
export interface DecodedNode {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Plain>;
  readonly captured: readonly string[];
}

export function decodeNode(bytes: Uint8Array): DecodedNode {
  const proto = onnx.NodeProto.decode(bytes);
  return {
    name: proto.name,
    op: proto.opType,
    domain: proto.domain,
    inputs: proto.input,
    outputs: proto.output,
    attributes: new Map(
      proto.attribute.flatMap((attribute) => {
        const value = valueOf(attribute);
        return value === undefined ? [] : [[attribute.name ?? '', value] as const];
      }),
    ),
    captured: proto.attribute.flatMap((attribute) =>
      [...(attribute.g ? [attribute.g] : []), ...(attribute.graphs ?? [])].flatMap(namesUsed),
    ),
  };
}

function valueOf(attribute: Attribute): Plain | undefined {
  const { AttributeType } = onnx.AttributeProto;
  switch (attribute.type) {
    case AttributeType.FLOAT:
      return attribute.f ?? 0;
    case AttributeType.INT:
      return Number(attribute.i ?? 0);
    case AttributeType.STRING:
      return new TextDecoder().decode(attribute.s ?? new Uint8Array(0));
    default:
      return listOf(attribute);
  }
}

function listOf({ type, ints, floats, strings }: Attribute): Plain | undefined {
  const { AttributeType } = onnx.AttributeProto;
  switch (type) {
    case AttributeType.INTS:
      return (ints ?? []).map(Number);
    case AttributeType.FLOATS:
      return floats ?? [];
    case AttributeType.STRINGS:
      return (strings ?? []).map((bytes) => new TextDecoder().decode(bytes));
    default:
      return undefined;
  }
}

/** The name of a node whose attributes, or bodies, hold tensors with external data; `undefined` of any other. */
export function nodeWithOutsideData(bytes: Uint8Array): string | undefined {
  const node = onnx.NodeProto.decode(bytes);
  return node.attribute.some(isOutside) ? node.name || node.opType : undefined;
}

function isOutside({ t, tensors, g, graphs }: Attribute): boolean {
  const inside = [...(g ? [g] : []), ...(graphs ?? [])];
  return (
    [...(t ? [t] : []), ...(tensors ?? [])].some(
      (tensor) => (tensor.externalData ?? []).length > 0,
    ) ||
    inside.some(
      (graph) =>
        (graph.initializer ?? []).some((tensor) => (tensor.externalData ?? []).length > 0) ||
        (graph.node ?? []).some((node) => (node.attribute ?? []).some(isOutside)),
    )
  );
}

type GraphProto = NonNullable<Attribute['g']>;

function namesUsed(graph: GraphProto): string[] {
  return (graph.node ?? []).flatMap((node) => [
    ...(node.input ?? []),
    ...(node.attribute ?? []).flatMap((attribute) => (attribute.g ? namesUsed(attribute.g) : [])),
  ]);
}

/** TensorProto with its numbers last, as `raw_data` that is read when it is written. */
export function encodeTensor(name: string, source: TensorSource): Piece[] {
  return [
    tensorHead(name, source),
    ...field(tensorField.rawData, [
      { byteLength: byteLengthOf(source), chunks: () => source.chunks() },
    ]),
  ];
}

/** TensorProto whose numbers lie in a range of another file of the same folder. */
export function encodeExternalTensor(
  name: string,
  tensor: Pick<TensorSource, 'dtype' | 'shape'>,
  range: { readonly location: string; readonly offset: number; readonly length: number },
): Uint8Array {
  return onnx.TensorProto.encode({
    name,
    dims: [...tensor.shape],
    dataType: dataTypes[tensor.dtype],
    dataLocation: onnx.TensorProto.DataLocation.EXTERNAL,
    externalData: Object.entries(range).map(([key, value]) => ({ key, value: String(value) })),
  }).finish();
}

function tensorHead(name: string, tensor: Pick<TensorSource, 'dtype' | 'shape'>): Uint8Array {
  return onnx.TensorProto.encode({
    name,
    dims: [...tensor.shape],
    dataType: dataTypes[tensor.dtype],
  }).finish();
}

/** A whole TensorProto: for small ones, whatever form their numbers are in. */
export function decodeTensor(bytes: Uint8Array): ReturnType<typeof onnx.TensorProto.decode> {
  return onnx.TensorProto.decode(bytes);
}

/** Whether a value is inside a layer ("conv1/Conv"): no one asks for it, and any runtime infers its shape. */
function isInside(value: Value, node: Node): boolean {
  return value.name === node.name && value.name.includes('/');
}

/** How the TensorProto of a weight is written: with its numbers inside, or with the place where they lie. */
export type TensorEncoder = (name: string, source: TensorSource) => readonly Piece[];

/** Fields of a GraphProto. Weights stay lazy. */
export function encodeGraph(
  graph: GraphBuilder,
  name: string,
  rename: Renaming,
  encode: TensorEncoder = encodeTensor,
): Piece[] {
  const declared = new Set([...graph.inputs, ...graph.outputs].map((value) => value.name));
  return [
    ...graph.nodes.flatMap((node) => field(graphField.node, [encodeNode(node, rename)])),
    ...field(graphField.name, [new TextEncoder().encode(name)]),
    ...[...graph.initializers].flatMap(([key, source]) =>
      field(graphField.initializer, encode(rename(key), source)),
    ),
    ...graph.inputs.flatMap((value) => field(graphField.input, [encodeValue(value, rename)])),
    ...graph.outputs.flatMap((value) => field(graphField.output, [encodeValue(value, rename)])),
    ...graph.nodes
      .flatMap((node) => node.outputs.filter((value) => !isInside(value, node)))
      .filter((value) => !declared.has(value.name))
      .flatMap((value) => field(graphField.valueInfo, [encodeValue(value, rename)])),
  ];
}

/** A StringStringEntryProto. */
export function encodeEntry(key: string, value: string): Uint8Array {
  return onnx.StringStringEntryProto.encode({ key, value }).finish();
}

export function decodeEntry(bytes: Uint8Array): readonly [key: string, value: string] {
  const entry = onnx.StringStringEntryProto.decode(bytes);
  return [entry.key, entry.value];
}

/** The version of ONNX's own operators among the opset imports. */
export function decodeOpset(bytes: Uint8Array): {
  readonly domain: string;
  readonly version: number;
} {
  const proto = onnx.OperatorSetIdProto.decode(bytes);
  return { domain: proto.domain, version: Number(proto.version) };
}

export function encodeOpset(version: number): Uint8Array {
  return onnx.OperatorSetIdProto.encode({ domain: '', version }).finish();
}
