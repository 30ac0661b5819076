import { readFile } from 'node:fs/promises';
import { ToolkitError } from '../../errors.ts';

/** Numbers of a NumPy file, in row-major order. */
export interface NumpyArray {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

type Reader = (bytes: ArrayBuffer) => ArrayLike<number>;

/** NumPy's little-endian types and how they are read. */
const readers: Readonly<Record<string, Reader>> = {
  '<f4': (bytes) => new Float32Array(bytes),
  '<f8': (bytes) => new Float64Array(bytes),
  '|u1': (bytes) => new Uint8Array(bytes),
  '|i1': (bytes) => new Int8Array(bytes),
  '|b1': (bytes) => new Uint8Array(bytes),
  '<i2': (bytes) => new Int16Array(bytes),
  '<u2': (bytes) => new Uint16Array(bytes),
  '<i4': (bytes) => new Int32Array(bytes),
  '<u4': (bytes) => new Uint32Array(bytes),
  '<i8': (bytes) => Array.from(new BigInt64Array(bytes), Number),
};

/**
 * Reads a `.npy` file as finite float32 numbers. Memory: the file, and its numbers.
 *
 * Source: numpy/lib/format.py. Throws FILE_MISSING, FILE_UNRECOGNISED, FILE_TRUNCATED, DATASET_INVALID.
 */
export async function readNumpy(path: string): Promise<NumpyArray> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new ToolkitError('FILE_MISSING', 'There is no such file, or it cannot be read', {
      where: { file: path },
      hint: 'See that the name is right.',
      cause,
    });
  });
  const { header, start } = headerOf(path, bytes);
  const dtype = /'descr': '([^']+)'/.exec(header)?.[1] ?? '?';
  const read = Object.hasOwn(readers, dtype) ? readers[dtype] : undefined;
  if (!read) throw unrecognised(path, `Arrays of the type "${dtype}" are not read`);
  if (header.includes("'fortran_order': True")) {
    throw unrecognised(path, 'The array is in Fortran order');
  }
  const shape = (/'shape': \(([^)]*)\)/.exec(header)?.[1] ?? '')
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  const size = shape.reduce((product, dim) => product * dim, 1) * Number(dtype.slice(2));
  if (bytes.length < start + size) {
    throw new ToolkitError(
      'FILE_TRUNCATED',
      `The file should hold ${size} bytes of numbers, but holds ${bytes.length - start}`,
      { where: { file: path }, hint: 'Save or copy it again.' },
    );
  }
  const numbers = read(Uint8Array.from(bytes.subarray(start, start + size)).buffer);
  const data = Float32Array.from(numbers);
  checkFinite(path, shape, data);
  return { shape, data };
}

/** One number that is none makes all weights none after a step. */
function checkFinite(path: string, shape: readonly number[], data: Float32Array): void {
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const row = Math.floor(at / (data.length / Math.max(1, shape[0] ?? 1)));
  const count = data.reduce((sum, value) => sum + (Number.isFinite(value) ? 0 : 1), 0);
  throw new ToolkitError(
    'DATASET_INVALID',
    `All numbers should be finite, but row ${row} has ${data[at]}, the first of ${count} that are not`,
    { where: { file: path }, hint: 'Rows are counted from 0. Correct them, or leave them out.' },
  );
}

/** The text that describes an array, and where its numbers begin. From version 2 on its length takes four bytes. */
function headerOf(
  path: string,
  bytes: Buffer,
): { readonly header: string; readonly start: number } {
  const isNumpy = bytes.length >= 12 && bytes.toString('latin1', 0, 6) === '\x93NUMPY';
  if (!isNumpy) throw unrecognised(path, 'This is not a NumPy array (.npy)');
  const isLong = bytes.readUInt8(6) >= 2;
  const first = isLong ? 12 : 10;
  const start = first + (isLong ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8));
  return { header: bytes.toString('latin1', first, start), start };
}

function unrecognised(path: string, what: string): ToolkitError {
  return new ToolkitError('FILE_UNRECOGNISED', what, {
    where: { file: path },
    hint: 'Save it with numpy.save(path, numpy.ascontiguousarray(x, dtype="float32")).',
  });
}
