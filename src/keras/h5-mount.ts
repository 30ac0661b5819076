import { readSync } from 'node:fs';
import type { FileRange } from '../files/file-range.ts';
import { holdsEndlessHeap } from './h5-heap.ts';

/** Emscripten's file system, as far as it is used here. */
export interface FileSystem {
  writeFile(name: string, bytes: Uint8Array): void;
  lookupPath(name: string, options: object): { readonly node: MemoryNode };
  readonly ErrnoError: new (number: number) => Error;
}

/** Emscripten's in-memory files, as far as a file of ours must look like one. */
interface MemoryNode {
  usedBytes: number;
  stream_ops: Readonly<Record<string, unknown>>;
}

/** What is being read: weights may hold any bytes, the structure of the file must make sense. */
export interface Reading {
  isStructure: boolean;
}

/** Emscripten's number for a failed read (EIO); HDF5 then reports one. */
const readFailed = 29;

/** Makes a range a file that HDF5 can open by `name`. Its bytes are read from disk when HDF5 asks for them. */
export function mountRange(fs: FileSystem, name: string, range: FileRange): Reading {
  const reading: Reading = { isStructure: true };
  fs.writeFile(name, new Uint8Array(0));
  const { node } = fs.lookupPath(name, {});
  node.usedBytes = range.length;
  node.stream_ops = {
    llseek: node.stream_ops['llseek'],
    // oxlint-disable-next-line eslint/max-params -- Emscripten calls it so
    read(_: unknown, buffer: Int8Array, offset: number, length: number, position: number) {
      const size = Math.max(0, Math.min(length, range.length - position));
      const read = readSync(range.fd, buffer, offset, size, range.offset + position);
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, read);
      if (reading.isStructure && holdsEndlessHeap(range, bytes, position)) {
        throw new fs.ErrnoError(readFailed);
      }
      return read;
    },
  };
  return reading;
}
