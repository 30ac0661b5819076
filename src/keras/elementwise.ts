import { sourceOf } from '../source.ts';
import type { DType, TensorSource } from '../tensor.ts';

/** Numbers of any float width as float32, converted while they are read; other types are left as they are. */
export function castToFloat32(source: TensorSource): TensorSource {
  if (source.dtype !== 'float64' && source.dtype !== 'float16') return source;
  return mapped(source, (number) => number);
}

/** A float32 source of `change(number)` for each number of a float source. Lazy. */
export function mapped(source: TensorSource, change: (number: number) => number): TensorSource {
  const decode = decoderOf(source.dtype);
  return sourceOf('float32', source.shape, (start, count) => {
    const bytes = source.read(start, count);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const numbers = new Float32Array(count);
    for (let i = 0; i < count; i++) numbers[i] = change(decode(view, i));
    return new Uint8Array(numbers.buffer);
  });
}

function decoderOf(dtype: DType): (view: DataView, index: number) => number {
  if (dtype === 'float64') return (view, i) => view.getFloat64(8 * i, true);
  if (dtype === 'float16') return (view, i) => halfToNumber(view.getUint16(2 * i, true));
  if (dtype === 'float32') return (view, i) => view.getFloat32(4 * i, true);
  throw new Error(`Bug: ${dtype} is not a float type that is mapped here`);
}

/** IEEE 754 half precision: 1 sign bit, 5 exponent bits, 10 fraction bits. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
