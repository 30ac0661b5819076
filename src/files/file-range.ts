import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ToolkitError } from '../errors.ts';

/** A part of an open file. Whoever opened the file closes `fd`. */
export interface FileRange {
  readonly file: string;
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
  /** Where HDF5 begins in the range: what its addresses count from. */
  readonly base: number;
}

/** Opens a plain file as one range. Throws FILE_MISSING, FILE_UNREADABLE, and FILE_TRUNCATED for an empty one. */
export function openRange(file: string): FileRange {
  const fd = openFile(file);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw notPlain(file);
    if (stat.size === 0) throw empty(file);
    return { file, fd, offset: 0, length: stat.size, base: 0 };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function notPlain(file: string): ToolkitError {
  return new ToolkitError('FILE_UNREADABLE', 'Expected a file, but this is a device or a pipe', {
    where: { file },
    hint: 'Save it to a file first: weights are read by their places.',
  });
}

function empty(file: string): ToolkitError {
  return new ToolkitError('FILE_TRUNCATED', 'The file is empty (0 bytes)', {
    where: { file },
    hint: 'Download or copy it again.',
  });
}

/** Bytes at a place in a range; fewer at its end. */
export function readBytes(range: FileRange, position: number, length: number): Buffer {
  const size = Math.max(0, Math.min(length, range.length - position));
  const bytes = Buffer.alloc(size);
  let got = 0;
  while (got < size) {
    const read = readSync(range.fd, bytes, got, size - got, range.offset + position + got);
    if (read === 0) break;
    got += read;
  }
  return bytes.subarray(0, got);
}

function openFile(file: string): number {
  try {
    return openSync(file, 'r');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new ToolkitError('FILE_MISSING', 'There is no such file', {
        where: { file },
        hint: 'Check the name and the folder.',
        cause: error,
      });
    }
    throw new ToolkitError('FILE_UNREADABLE', `The file cannot be opened (${code})`, {
      where: { file },
      hint: 'Check its permissions.',
      cause: error,
    });
  }
}

/** The whole text of a range, as UTF-8. Throws KERAS_FILE_UNSAFE above `limit` bytes, before reading. */
export function readText(range: FileRange, limit: number): string {
  if (range.length <= limit) return readBytes(range, 0, range.length).toString('utf8');
  throw new ToolkitError(
    'KERAS_FILE_UNSAFE',
    `Expected a text of at most ${limit} bytes, but it has ${range.length}`,
    { where: { file: range.file }, hint: 'Architectures are small: check which file this is.' },
  );
}
