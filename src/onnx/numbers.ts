import type { DType } from '../tensor.ts';
import type { decodeTensor } from './schema.ts';

type TensorProto = ReturnType<typeof decodeTensor>;
type Numbers = (proto: TensorProto) => ArrayBufferView<ArrayBuffer>;

/** onnx-proto has whole numbers as `number` or as `Long`, whose text is exact. */
function big(value: unknown): bigint {
  return BigInt(String(value));
}

const halves: Numbers = ({ int32Data }) => Uint16Array.from(int32Data);
const octets: Numbers = ({ int32Data }) => Uint8Array.from(int32Data);

/** Which field of a TensorProto spells out which type: its comments in onnx.proto3. */
const spelledOut: { readonly [Type in DType]: Numbers } = {
  float32: ({ floatData }) => Float32Array.from(floatData),
  float64: ({ doubleData }) => Float64Array.from(doubleData),
  float16: halves,
  bfloat16: halves,
  int64: ({ int64Data }) => BigInt64Array.from(int64Data, big),
  uint64: ({ uint64Data }) => BigUint64Array.from(uint64Data, big),
  int32: ({ int32Data }) => Int32Array.from(int32Data),
  uint32: ({ uint64Data }) => Uint32Array.from(uint64Data, Number),
  int16: ({ int32Data }) => Int16Array.from(int32Data),
  uint16: halves,
  int8: ({ int32Data }) => Int8Array.from(int32Data),
  uint8: octets,
  bool: octets,
};

/** Little-endian bytes of a weight that is spelled out in `float_data`, `int32_data`, `int64_data` and so on. */
export function numbersOf(proto: TensorProto, dtype: DType): Uint8Array {
  const array = spelledOut[dtype](proto);
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
