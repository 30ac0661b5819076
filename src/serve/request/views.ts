import { type DType, dtypeArrays, dtypeBytes, type Numbers } from '../../tensor.ts';

/** A view of a range of a buffer as numbers; `offset` in bytes, a multiple of the element's size. */
export function numbersOf(
  dtype: DType,
  buffer: ArrayBuffer,
  range: { readonly offset: number; readonly count: number },
): Numbers {
  return new dtypeArrays[dtype](buffer, range.offset, range.count);
}

/** Bytes as numbers: a view where they are aligned, else a copy. */
export function numbersIn(dtype: DType, bytes: Uint8Array): Numbers {
  const width = dtypeBytes[dtype];
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
