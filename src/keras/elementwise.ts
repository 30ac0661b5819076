import { sourceOf } from '../source.ts';
import type { DType, TensorSource } from '../tensor.ts';

/** Numbers of any float width as float32, converted while they are read; other types are left as they are. */
export function castToFloat32(source: TensorSource): TensorSource {
  if (!narrowed.has(source.dtype)) return source;
  return mapped(source, (number) => number);
}

const narrowed: ReadonlySet<DType> = new Set(['float64', 'float16', 'bfloat16']);

/** A float32 source of `change(number)` for each number of a source. Lazy. */
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

type Decode = (view: DataView, index: number) => number;

const decoders: Readonly<Partial<Record<DType, Decode>>> = {
  float64: (view, i) => view.getFloat64(8 * i, true),
  float32: (view, i) => view.getFloat32(4 * i, true),
  float16: (view, i) => halfToNumber(view.getUint16(2 * i, true)),
  bfloat16: (view, i) => upperHalf(view.getUint16(2 * i, true)),
  int8: (view, i) => view.getInt8(i),
  uint8: (view, i) => view.getUint8(i),
  int16: (view, i) => view.getInt16(2 * i, true),
  uint16: (view, i) => view.getUint16(2 * i, true),
  int32: (view, i) => view.getInt32(4 * i, true),
};

function decoderOf(dtype: DType): Decode {
  const decode = decoders[dtype];
  if (!decode) throw new Error(`Bug: ${dtype} is not a type that is mapped here`);
  return decode;
}

const word = new DataView(new ArrayBuffer(4));

/** bfloat16 is the upper half of a float32. */
function upperHalf(bits: number): number {
  word.setUint32(0, bits * 0x10000);
  return word.getFloat32(0);
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
