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

/**
 * Opens a file that is meant to be HDF5, after a look at its first bytes: extensions are not believed.
 *
 * Throws FILE_MISSING, FILE_UNREADABLE, FILE_UNRECOGNISED (what it is instead, and what to do), FILE_TRUNCATED.
 */
export function openHdf5Range(file: string): FileRange {
  const fd = openFile(file);
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw folderError(file);
    const range = { file, fd, offset: 0, length: stat.size, base: 0 };
    return { ...range, base: recognise(range) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
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

function folderError(file: string): ToolkitError {
  return new ToolkitError('FILE_UNRECOGNISED', 'Expected an HDF5 file, but this is a folder', {
    where: { file },
    hint: 'TensorFlow SavedModel folders are not read yet: save the model as .h5 with Keras (model.save("model.h5")) and convert that.',
  });
}

/** HDF5 files may begin with a user block, so the signature is sought at 0, 512, 1024, 2048 … (HDF5 format, II.A). */
const signature = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');

function recognise(range: FileRange): number {
  if (range.length === 0) {
    throw new ToolkitError('FILE_TRUNCATED', 'The file is empty (0 bytes)', {
      where: { file: range.file },
      hint: 'Download or copy it again.',
    });
  }
  const superblock = findSuperblock(range);
  if (superblock === undefined) throw foreignError(range, readBytes(range, 0, 512));
  checkLength(range, superblock);
  return superblock;
}

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

interface Foreign {
  readonly is: string;
  readonly hint: string;
  readonly fits: (head: Buffer, text: string) => boolean;
}

const saveAsH5 =
  'Open it in the Keras that wrote it, save it with model.save("model.h5"), and convert that file.';

/** What is mistaken for a Keras file, by its first bytes. */
const foreigners: readonly Foreign[] = [
  {
    is: 'a Git LFS pointer, not the file itself',
    hint: 'Run "git lfs pull" in the repository it came from, or download the file itself.',
    fits: (_, text) => text.startsWith('version https://git-lfs'),
  },
  {
    is: 'a web page (HTML), not the file itself',
    hint: 'The download link led to a page: download the raw file.',
    fits: (_, text) => /^\s*(<!doctype html|<html|<head|<\?xml)/i.test(text),
  },
  {
    is: 'a .keras archive (zip) of Keras 3 or tf.keras 2.12 and later',
    hint: `These archives are not read yet. ${saveAsH5}`,
    fits: (head, text) =>
      head.readUInt32BE(0) === 0x504b0304 &&
      /metadata\.json|config\.json|model\.weights/.test(text),
  },
  {
    is: 'a zip archive',
    hint: 'Unpack it first and give the .h5 file inside. (.keras archives are not read yet: save as .h5.)',
    fits: (head) => head.readUInt32BE(0) === 0x504b0304,
  },
  {
    is: 'a gzip archive',
    hint: 'Unpack it first and give the .h5 file inside.',
    fits: (head) => head.readUInt16BE(0) === 0x1f8b,
  },
  {
    is: 'a TensorFlow.js model (JSON)',
    hint: 'TensorFlow.js models are not read yet. Convert the .h5 it was made from.',
    fits: (_, text) => /^\s*\{/.test(text) && /"(modelTopology|weightsManifest)"/.test(text),
  },
  {
    is: 'JSON: an architecture without weights',
    hint: 'Give the .h5 file with the weights, and this file with --arch.',
    fits: (_, text) => /^\s*\{/.test(text),
  },
  {
    is: 'a NumPy file',
    hint: 'Give the .h5 file that Keras saved.',
    fits: (_, text) => text.startsWith('\x93NUMPY'),
  },
  {
    is: 'a Python pickle or PyTorch file',
    hint: 'Pickles are never read: they can run code. Give the .h5 file that Keras saved.',
    fits: (head) => head[0] === 0x80 && (head[1] ?? 9) <= 5,
  },
  {
    is: 'an ONNX or other protobuf file (perhaps a TensorFlow SavedModel or frozen graph)',
    hint: `ONNX files need no conversion; TensorFlow graphs are not read. ${saveAsH5}`,
    fits: (head) => head[0] === 0x08 || head[0] === 0x0a,
  },
];

function foreignError(range: FileRange, bytes: Buffer): ToolkitError {
  const head = Buffer.concat([bytes, Buffer.alloc(8)]);
  const text = bytes.toString('latin1');
  const known = foreigners.find(({ fits }) => fits(head, text));
  const found = known?.is ?? `a file that begins with ${bytes.subarray(0, 8).toString('hex')}`;
  return new ToolkitError(
    'FILE_UNRECOGNISED',
    `Expected an HDF5 file of Keras, but found ${found}`,
    {
      where: { file: range.file },
      hint: known?.hint ?? 'Give the .h5 (HDF5) file that Keras saved.',
    },
  );
}
