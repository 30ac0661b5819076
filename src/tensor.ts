/** A dimension: a size, or the name of a size that is only known at run time (ONNX `dim_param`). */
export type Dim = number | string;
/** Dimensions, outermost first. */
export type Shape = readonly Dim[];

/** Element types, and the bytes each takes. */
export const dtypeBytes = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float64: 8,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
} as const;

/** The name of an element type. */
export type DType = keyof typeof dtypeBytes;

/** Numbers that may stay on disk until the writer asks for them. */
export interface TensorSource {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /**
   * Little-endian bytes of `count` elements from element `start` on, in row-major order.
   *
   * They may lie in `into`, where it is given, which is at least as long: so that a loop needs one buffer only.
   */
  read(start: number, count: number, into?: Uint8Array): Uint8Array;
  /** All bytes in row-major order, in pieces of about 4 MiB. A piece is valid until the next one is asked for. */
  chunks(): Iterable<Uint8Array>;
}

/** A named tensor in a graph; every value knows its shape and type from birth. */
export interface Value {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
  /** The numbers, when they are few and known: axes, shapes, pads. */
  readonly constant?: readonly number[];
}

/** How many elements a shape holds. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** Bytes that a source will yield in all. */
export function byteLengthOf(source: Pick<TensorSource, 'dtype' | 'shape'>): number {
  return sizeOf(source.shape) * dtypeBytes[source.dtype];
}
