import { ToolkitError } from '../errors.ts';
import type { Tensor } from '../runtime/session.ts';
import { type DType, dtypeArrays, dtypeBytes, sizeOf } from '../tensor.ts';

/** Bytes that are read by their places: a file, or a member of an archive. */
export interface NpyBytes {
  readonly file: string;
  /** The member's name in an archive. */
  readonly path?: string | undefined;
  readonly length: number;
  read(position: number, length: number): Uint8Array;
}

/** An array of NumPy, whose numbers stay in the file. */
export interface StoredArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Its numbers in row-major order, whatever order the file has. Memory: the array, twice if it must be reordered. */
  read(): Tensor;
  /** `count` rows of its first axis, from row `start` on. Memory: these rows; in column-major order the whole array. */
  rows(start: number, count: number): Tensor;
}

const magic = Buffer.from('\x93NUMPY', 'latin1');

/** Whether bytes begin as a .npy file does. */
export function isNpy(start: Uint8Array): boolean {
  return magic.equals(start.subarray(0, magic.length));
}

/** NumPy's `descr` without its byte order. */
export const dtypes: Readonly<Record<string, DType>> = {
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  b1: 'bool',
};

/**
 * Reads the header of a .npy file, versions 1 to 3; its numbers when they are asked for.
 *
 * Objects (pickles) are refused, never loaded. Throws REFERENCE_INVALID, FILE_TRUNCATED when the file holds fewer
 * bytes than the header says, before anything is allocated. Source: numpy/lib/format.py.
 */
export function openNpy(bytes: NpyBytes): StoredArray {
  const { header, start } = headerOf(bytes);
  const { order, dtype } = dtypeIn(header, bytes);
  const shape = shapeIn(header, bytes);
  const isFortran = /'fortran_order': *True/.test(header);
  const length = sizeOf(shape) * dtypeBytes[dtype];
  if (bytes.length - start !== length) {
    throw new ToolkitError(
      'FILE_TRUNCATED',
      `An array of ${dtype} [${shape.join(', ')}] takes ${length} bytes, but ${bytes.length - start} follow`,
      { where: whereOf(bytes), hint: 'Save or copy the file again.' },
    );
  }
  const part = (at: number, size: number): Uint8Array<ArrayBuffer> => {
    // A copy, so that it begins where numbers of any width may begin.
    const own = new Uint8Array(bytes.read(start + at, size));
    if (order === '>') swap(own, dtypeBytes[dtype]);
    return own;
  };
  const tensorOf = (own: Uint8Array<ArrayBuffer>, dims: readonly number[]): Tensor => ({
    dtype,
    shape: dims,
    data: new dtypeArrays[dtype](own.buffer),
  });
  const whole = (): Uint8Array<ArrayBuffer> => {
    const own = part(0, length);
    return isFortran ? fromFortran(own, shape, dtypeBytes[dtype]) : own;
  };
  return {
    dtype,
    shape,
    read: () => tensorOf(whole(), shape),
    rows(first, count) {
      const [, ...row] = shape;
      const width = sizeOf(row) * dtypeBytes[dtype];
      const own = isFortran
        ? whole().slice(first * width, (first + count) * width)
        : part(first * width, count * width);
      return tensorOf(own, [count, ...row]);
    },
  };
}

function headerOf(bytes: NpyBytes): { readonly header: string; readonly start: number } {
  const head = bytes.read(0, Math.min(12, bytes.length));
  if (!isNpy(head) || head.length < 12) {
    throw invalid(
      bytes,
      'This is not an array of NumPy',
      'Save it with numpy.save or numpy.savez.',
    );
  }
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const isFirst = head[6] === 1;
  const [from, length] = isFirst ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  if (from + length > bytes.length || length > 65_536) {
    throw invalid(
      bytes,
      `Its header takes ${length} bytes, but the file has ${bytes.length}`,
      'Save or copy the file again.',
    );
  }
  const header = Buffer.from(bytes.read(from, length)).toString('latin1');
  return { header, start: from + length };
}

function dtypeIn(
  header: string,
  bytes: NpyBytes,
): { readonly order: string; readonly dtype: DType } {
  const [, order = '', kind = ''] = /'descr': *'([<>|=]?)([^']*)'/.exec(header) ?? [];
  const dtype = dtypes[kind];
  if (dtype) return { order, dtype };
  const found = /'descr': *('[^']*'|\[.*?\])/.exec(header)?.[1] ?? 'nothing';
  throw invalid(
    bytes,
    `Its element type is ${found}, but it must be a float, an integer or a boolean`,
    'Save it with .astype("float32"). Objects are never loaded.',
  );
}

function shapeIn(header: string, bytes: NpyBytes): number[] {
  const text = /'shape': *\(([^)]*)\)/.exec(header)?.[1];
  const dims = (text ?? 'none')
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  if (dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) return dims;
  throw invalid(bytes, 'Its header has no shape', 'Save or copy the file again.');
}

function swap(bytes: Uint8Array, width: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 2) buffer.swap16();
  if (width === 4) buffer.swap32();
  if (width === 8) buffer.swap64();
}

/** Column-major to row-major. */
function fromFortran(
  bytes: Uint8Array,
  shape: readonly number[],
  width: number,
): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(bytes.length);
  const index = shape.map(() => 0);
  const steps = shape.map((_, axis) => sizeOf(shape.slice(0, axis)));
  for (let at = 0; at < bytes.length; at += width) {
    const from = index.reduce((sum, i, axis) => sum + i * (steps[axis] ?? 0), 0) * width;
    out.set(bytes.subarray(from, from + width), at);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      index[axis] = next < (shape[axis] ?? 0) ? next : 0;
      if (index[axis] !== 0) break;
    }
  }
  return out;
}

function whereOf({ file, path }: NpyBytes): { file: string; path: string | undefined } {
  return { file, path };
}

function invalid(bytes: NpyBytes, what: string, hint: string): ToolkitError {
  return new ToolkitError('REFERENCE_INVALID', what, { where: whereOf(bytes), hint });
}
