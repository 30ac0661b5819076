import type { DType } from '../../tensor.ts';

/** The element types of the Open Inference Protocol; a string is BYTES. */
export type Datatype =
  | 'BOOL'
  | 'UINT8'
  | 'UINT16'
  | 'UINT32'
  | 'UINT64'
  | 'INT8'
  | 'INT16'
  | 'INT32'
  | 'INT64'
  | 'FP16'
  | 'BF16'
  | 'FP32'
  | 'FP64'
  | 'BYTES';

/** What an element type is: one row a type. */
export interface DatatypeRule {
  /** The type as ONNX has it; `string` for BYTES. */
  readonly dtype: DType | 'string';
  /** Bytes of an element; 0 where it varies. */
  readonly bytes: number;
  /** How its numbers may be spelled in JSON; `never` for the halves, which travel as bytes only. */
  readonly json: 'float' | 'integer' | 'big' | 'bool' | 'string' | 'never';
  /** Least and greatest value of a whole number. */
  readonly range?: readonly [bigint, bigint];
  /** The field of InferTensorContents (gRPC) that holds it. */
  readonly contents: ContentsField | undefined;
  /** As Triton's model configuration spells it. */
  readonly config: string;
}

/** Fields of the message InferTensorContents. */
type ContentsField =
  | 'bool_contents'
  | 'int_contents'
  | 'int64_contents'
  | 'uint_contents'
  | 'uint64_contents'
  | 'fp32_contents'
  | 'fp64_contents'
  | 'bytes_contents';

const signed = (bits: bigint): readonly [bigint, bigint] => [
  -(2n ** (bits - 1n)),
  2n ** (bits - 1n) - 1n,
];
const unsigned = (bits: bigint): readonly [bigint, bigint] => [0n, 2n ** bits - 1n];

/** Every element type, with the bytes, the spellings and the ranges of its values. */
export const datatypes: { readonly [D in Datatype]: DatatypeRule } = {
  BOOL: { dtype: 'bool', bytes: 1, json: 'bool', contents: 'bool_contents', config: 'TYPE_BOOL' },
  UINT8: {
    dtype: 'uint8',
    bytes: 1,
    json: 'integer',
    range: unsigned(8n),
    contents: 'uint_contents',
    config: 'TYPE_UINT8',
  },
  UINT16: {
    dtype: 'uint16',
    bytes: 2,
    json: 'integer',
    range: unsigned(16n),
    contents: 'uint_contents',
    config: 'TYPE_UINT16',
  },
  UINT32: {
    dtype: 'uint32',
    bytes: 4,
    json: 'integer',
    range: unsigned(32n),
    contents: 'uint_contents',
    config: 'TYPE_UINT32',
  },
  UINT64: {
    dtype: 'uint64',
    bytes: 8,
    json: 'big',
    range: unsigned(64n),
    contents: 'uint64_contents',
    config: 'TYPE_UINT64',
  },
  INT8: {
    dtype: 'int8',
    bytes: 1,
    json: 'integer',
    range: signed(8n),
    contents: 'int_contents',
    config: 'TYPE_INT8',
  },
  INT16: {
    dtype: 'int16',
    bytes: 2,
    json: 'integer',
    range: signed(16n),
    contents: 'int_contents',
    config: 'TYPE_INT16',
  },
  INT32: {
    dtype: 'int32',
    bytes: 4,
    json: 'integer',
    range: signed(32n),
    contents: 'int_contents',
    config: 'TYPE_INT32',
  },
  INT64: {
    dtype: 'int64',
    bytes: 8,
    json: 'big',
    range: signed(64n),
    contents: 'int64_contents',
    config: 'TYPE_INT64',
  },
  FP16: { dtype: 'float16', bytes: 2, json: 'never', contents: undefined, config: 'TYPE_FP16' },
  BF16: { dtype: 'bfloat16', bytes: 2, json: 'never', contents: undefined, config: 'TYPE_BF16' },
  FP32: {
    dtype: 'float32',
    bytes: 4,
    json: 'float',
    contents: 'fp32_contents',
    config: 'TYPE_FP32',
  },
  FP64: {
    dtype: 'float64',
    bytes: 8,
    json: 'float',
    contents: 'fp64_contents',
    config: 'TYPE_FP64',
  },
  BYTES: {
    dtype: 'string',
    bytes: 0,
    json: 'string',
    contents: 'bytes_contents',
    config: 'TYPE_STRING',
  },
};

const byDtype = new Map(
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.keys forgets the keys of a constant table
  (Object.keys(datatypes) as Datatype[]).map((name) => [datatypes[name].dtype, name]),
);

/** The protocol's name of an ONNX element type. */
export function datatypeOf(dtype: DType | 'string'): Datatype {
  const found = byDtype.get(dtype);
  if (!found) throw new Error(`Bug: no datatype for ${dtype}`);
  return found;
}

/** Whether a text is one of the protocol's element types. */
export function isDatatype(text: string): text is Datatype {
  return Object.hasOwn(datatypes, text);
}
