import { realpathSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ToolkitError } from '../errors.ts';
import { byteLengthOf, type DType } from '../tensor.ts';
import { FileRanges } from './wire.ts';

/** What a weight is, without its numbers. */
export interface TensorHead {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** Where a weight is described, for errors. */
export interface TensorPlace {
  readonly file: string;
  readonly path: string;
}

/** Where the bytes of a weight lie. */
export interface Range {
  readonly file: string;
  readonly offset: number;
  /** Of the file when the model was read. */
  readonly stamp: string;
  readonly isExternal?: boolean;
}

/**
 * Where the external data of a weight lie: in a file of the model's folder, links resolved, that is long enough.
 *
 * Throws ONNX_INVALID, FILE_MISSING, FILE_TRUNCATED. Source: onnx.proto, `external_data`.
 */
export function externalRange(
  model: string,
  entries: ReadonlyMap<string, string>,
  { head, where }: { readonly head: TensorHead; readonly where: TensorPlace },
): Range {
  const expected = byteLengthOf(head);
  const offset = wholeNumber(entries, 'offset', { byDefault: 0, where });
  const length = wholeNumber(entries, 'length', { byDefault: expected, where });
  if (length !== expected) {
    throw invalid(
      `A weight of ${head.dtype} [${head.shape.join(', ')}] takes ${expected} bytes, but its external data have ${length}`,
      where,
    );
  }
  const location = entries.get('location') ?? '';
  const file = fileAt(model, location, where);
  const { size, stamp } = sizeOf(file);
  if (offset + length > size) {
    throw new ToolkitError(
      'FILE_TRUNCATED',
      `External data should go on to byte ${offset + length} of "${location}", but it ends at byte ${size}`,
      { where, hint: 'Copy the data file again, whole, beside the model.' },
    );
  }
  return { file, offset, stamp, isExternal: true };
}

function wholeNumber(
  entries: ReadonlyMap<string, string>,
  key: string,
  { byDefault, where }: { readonly byDefault: number; readonly where: TensorPlace },
): number {
  const text = entries.get(key);
  if (text === undefined) return byDefault;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw invalid(`External data have "${key}" ${text}, but it must be a whole number`, where);
}

function fileAt(model: string, location: string, where: TensorPlace): string {
  const folder = dirname(model);
  const target = join(folder, location);
  if (location === '' || isOutside(folder, target)) throw outside(location, where);
  let file: string;
  try {
    file = realpathSync(target);
  } catch (cause) {
    throw new ToolkitError('FILE_MISSING', `Its weights lie in "${location}", which is not there`, {
      where,
      hint: 'Put the data file beside the model, under the name it had.',
      cause,
    });
  }
  if (isOutside(folder, file)) throw outside(location, where);
  return file;
}

function isOutside(folder: string, target: string): boolean {
  const way = relative(folder, target);
  return way === '' || way.split(/[\\/]/)[0] === '..';
}

function sizeOf(path: string): { readonly size: number; readonly stamp: string } {
  const file = new FileRanges(path);
  try {
    return { size: file.size, stamp: file.stamp };
  } finally {
    file.close();
  }
}

function outside(location: string, where: TensorPlace): ToolkitError {
  return new ToolkitError(
    'ONNX_INVALID',
    `External data "${location}" lie outside the model's folder`,
    { where, hint: 'Put the data file beside the model; a link must not lead out of its folder.' },
  );
}

function invalid(what: string, where: TensorPlace): ToolkitError {
  return new ToolkitError('ONNX_INVALID', what, {
    where,
    hint: 'The file is damaged: export or convert it again.',
  });
}
