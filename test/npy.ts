import { readFileSync } from 'node:fs';

export interface Array1 {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Reads a NumPy v1 file in C order as float32 numbers. */
export function readNpy(path: string): Array1 {
  const bytes = readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  const header = bytes.toString('latin1', 10, start);
  const dtype = /'descr': '([^']+)'/.exec(header)?.[1] ?? '';
  const shape = (/'shape': \(([^)]*)\)/.exec(header)?.[1] ?? '')
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  if (header.includes("'fortran_order': True")) throw new Error(`${path} is in Fortran order`);
  const buffer = Uint8Array.from(bytes.subarray(start)).buffer;
  return { shape, data: Float32Array.from(numbersOf(dtype, buffer)) };
}

function numbersOf(dtype: string, buffer: ArrayBuffer): ArrayLike<number> {
  switch (dtype) {
    case '<f4':
      return new Float32Array(buffer);
    case '<f8':
      return new Float64Array(buffer);
    case '|u1':
      return new Uint8Array(buffer);
    case '<i4':
      return new Int32Array(buffer);
    case '<i8':
      return Array.from(new BigInt64Array(buffer), Number);
    default:
      throw new Error(`NumPy type ${dtype} is not read here`);
  }
}
