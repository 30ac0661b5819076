import { closeSync } from 'node:fs';
import { ToolkitError } from '../errors.ts';
import { type FileRange, openRange, readBytes } from '../files/file-range.ts';
import { foreignError } from './foreign.ts';

/** What kinds of files Keras and TensorFlow.js keep models in. */
export type Container = 'hdf5' | 'zip' | 'json';

/**
 * Tells what a file is by its first bytes: extensions are not believed. For HDF5, where it begins is put in `base`.
 *
 * Throws FILE_UNRECOGNISED (what it is instead, and what to do) and FILE_TRUNCATED.
 */
export function recogniseRange(range: FileRange): {
  readonly container: Container;
  readonly range: FileRange;
} {
  const head = readBytes(range, 0, 512);
  if (head.length >= 4 && head.readUInt32BE(0) === 0x504b0304) return { container: 'zip', range };
  const superblock = findSuperblock(range);
  if (superblock !== undefined) {
    checkLength(range, superblock);
    return { container: 'hdf5', range: { ...range, base: superblock } };
  }
  if (/^\uFEFF?\s*\{/.test(head.toString('utf8'))) return { container: 'json', range };
  throw foreignError(range.file, head);
}

/**
 * Opens a file that must be HDF5.
 *
 * Throws FILE_MISSING, FILE_UNREADABLE, FILE_UNRECOGNISED, FILE_TRUNCATED.
 */
export function openHdf5Range(file: string): FileRange {
  return asHdf5(openRange(file));
}

/** The range as HDF5; closes it where it is something else. Throws as `recogniseRange`. */
export function asHdf5(range: FileRange): FileRange {
  try {
    const found = recogniseRange(range);
    if (found.container === 'hdf5') return found.range;
    throw foreignError(range.file, readBytes(range, 0, 512));
  } catch (error) {
    closeSync(range.fd);
    throw error;
  }
}

/** HDF5 files may begin with a user block, so the signature is sought at 0, 512, 1024, 2048 … (HDF5 format, II.A). */
const signature = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');

function findSuperblock(range: FileRange): number | undefined {
  for (let at = 0; at < range.length; at = at === 0 ? 512 : at * 2) {
    if (readBytes(range, at, signature.length).equals(signature)) return at;
  }
  return undefined;
}

/** Compares the end-of-file address of the superblock with the true size: downloads break off. */
function checkLength(range: FileRange, superblock: number): void {
  const bytes = readBytes(range, superblock, 96);
  const version = bytes[8] ?? 0;
  const isOld = version < 2;
  const width = bytes[isOld ? 13 : 9] ?? 8;
  if (width !== 8 || bytes.length < 48) return;
  // Versions 0 and 1: addresses begin at 24 (version 1 has 4 bytes more); base, free space, end of file.
  const start = isOld ? (version === 1 ? 28 : 24) : 12;
  const end = Number(bytes.readBigUInt64LE(start + 2 * width));
  if (end <= range.length) return;
  throw new ToolkitError(
    'FILE_TRUNCATED',
    `The file says it is ${end} bytes long, but it has ${range.length}`,
    {
      where: { file: range.file },
      hint: 'A download or copy broke off: fetch the file again.',
    },
  );
}
