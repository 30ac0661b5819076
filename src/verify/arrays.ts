import { closeSync } from 'node:fs';
import { ToolkitError } from '../errors.ts';
import { openArchive } from '../files/archive.ts';
import { type FileRange, openRange, readBytes } from '../files/file-range.ts';
import { isNpy, openNpy, type StoredArray } from './npy.ts';

/** An array of a reference, and what it is called there. */
export interface NamedArray extends StoredArray {
  /** Of a member of an .npz, or as given with NAME=FILE; `undefined` for a .npy alone. */
  readonly name: string | undefined;
  readonly file: string;
}

/** Arrays out of files, open until `close`. */
export interface OpenArrays {
  readonly arrays: readonly NamedArray[];
  close(): void;
}

/**
 * Opens .npy and .npz files, recognised by content; "NAME=FILE" gives the array of a .npy a name.
 *
 * Only headers are read. Throws FILE_*, REFERENCE_INVALID, KERAS_FILE_UNSAFE for an archive that is a bomb.
 */
export async function openArrays(files: readonly string[]): Promise<OpenArrays> {
  const ranges: FileRange[] = [];
  const close = (): void => {
    for (const { fd } of ranges.splice(0)) closeSync(fd);
  };
  try {
    const arrays: NamedArray[] = [];
    for (const text of files) arrays.push(...(await arraysOf(text, ranges)));
    return { arrays, close };
  } catch (error) {
    close();
    throw error;
  }
}

async function arraysOf(text: string, ranges: FileRange[]): Promise<NamedArray[]> {
  const [, name, file = text] = /^([^=/\\]+)=(.+)$/.exec(text) ?? [];
  const range = openRange(file);
  ranges.push(range);
  const start = readBytes(range, 0, 6);
  if (isNpy(start)) return [arrayOf(range, { name, path: undefined })];
  if (start.toString('latin1', 0, 2) === 'PK' && name === undefined) return members(file, ranges);
  throw new ToolkitError('REFERENCE_INVALID', 'This is no array of NumPy (.npy or .npz)', {
    where: { file },
    hint: 'Save the arrays with numpy.save, or several with numpy.savez; only a .npy takes a NAME=.',
  });
}

async function members(file: string, ranges: FileRange[]): Promise<NamedArray[]> {
  // The archive closes the range that it was given.
  const archive = await openArchive(openRange(file));
  try {
    const arrays: NamedArray[] = [];
    for (const path of archive.names) {
      const range = await archive.member(path);
      if (!range) continue;
      ranges.push(range);
      arrays.push(arrayOf(range, { name: path.replace(/\.npy$/, ''), path }));
    }
    return arrays;
  } finally {
    archive.close();
  }
}

function arrayOf(
  range: FileRange,
  { name, path }: { readonly name: string | undefined; readonly path: string | undefined },
): NamedArray {
  const { file, length } = range;
  const read = (position: number, count: number): Uint8Array => readBytes(range, position, count);
  return { ...openNpy({ file, path, length, read }), name, file };
}
