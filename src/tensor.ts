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

/** The array that holds numbers of an element type: float16 and bfloat16 as their 16 bits, bool as bytes of 0 and 1. */
export const dtypeArrays: {
  readonly [Type in DType]: new (
    buffer: ArrayBufferLike,
    byteOffset?: number,
    length?: number,
  ) => Numbers;
} = {
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
};

/** Numbers of one element type, in such an array. */
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
  /** What of the numbers is known before the graph runs, such as sizes of a shape that has an open batch. */
  readonly known?: readonly (number | undefined)[];
  /** Of a list that the operator Shape made: the shape that it tells of. */
  readonly tells?: Shape;
}

/** How many elements a shape holds. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** Bytes that a source will yield in all. */
export function byteLengthOf(source: Pick<TensorSource, 'dtype' | 'shape'>): number {
  return sizeOf(source.shape) * dtypeBytes[source.dtype];
}
