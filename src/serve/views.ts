import type { DType } from '../tensor.ts';

/** Numbers of one element type; float16 and bfloat16 as their 16 bits. */
export type Numbers =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
} as const;

/** A view of a range of a buffer as numbers; `offset` in bytes, a multiple of the element's size. */
export function numbersOf(
  dtype: DType,
  buffer: ArrayBuffer,
  range: { readonly offset: number; readonly count: number },
): Numbers {
  return new arrays[dtype](buffer, range.offset, range.count);
}

/** Bytes as numbers: a view where they are aligned, else a copy. */
export function numbersIn(dtype: DType, bytes: Uint8Array): Numbers {
  const width = arrays[dtype].BYTES_PER_ELEMENT;
  const { buffer, byteOffset } = bytes;
  const count = bytes.byteLength / width;
  if (buffer instanceof ArrayBuffer && byteOffset % width === 0) {
    return numbersOf(dtype, buffer, { offset: byteOffset, count });
  }
  return numbersOf(dtype, Uint8Array.from(bytes).buffer, { offset: 0, count });
}

/** The bytes of an array of numbers, without a copy. */
export function bytesIn(numbers: ArrayBufferView): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}
