import { ToolkitError } from '../errors.ts';
import type { FileRange } from '../files/file-range.ts';

/** KERAS_FILE_UNSAFE for what would lead out of the file: to be thrown by the caller. */
export function unsafe(file: string, path: string, what: string): ToolkitError {
  return new ToolkitError('KERAS_FILE_UNSAFE', `Expected numbers in this file, but found ${what}`, {
    where: { file, path },
    hint: 'Keras never writes these. If you trust the file, copy its contents into a plain file with h5py.',
  });
}

/** Deflate packs at most about 1,030 to 1: what claims more was made to exhaust memory. */
const largestExpansion = 1100;

/** Refuses a dataset that claims more than the file can hold, before memory is asked for. Throws KERAS_FILE_UNSAFE. */
export function checkSize(
  range: FileRange,
  path: string,
  { bytes, isChunked }: { readonly bytes: number; readonly isChunked: boolean },
): void {
  const limit = range.length * (isChunked ? largestExpansion : 1);
  if (bytes <= limit) return;
  throw new ToolkitError(
    'KERAS_FILE_UNSAFE',
    `A weight claims ${bytes} bytes, but the whole file has ${range.length}`,
    { where: { file: range.file, path }, hint: 'The file is damaged or hostile: fetch it again.' },
  );
}
