import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ToolkitError } from './errors.ts';

/**
 * Writes a file so that it is there whole or not at all: into a temporary name beside it, then renamed.
 *
 * `write` gets the open temporary file. Whatever it throws, nothing stays behind. An existing file is kept unless
 * `force`. Throws OUTPUT_EXISTS, OUTPUT_UNWRITABLE (also for a full disk).
 */
export async function writeOutput(
  path: string,
  options: { readonly force?: boolean | undefined },
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  if (options.force !== true) await refuseExisting(path);
  const temporary = join(
    dirname(path),
    `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`,
  );
  try {
    const file = await open(temporary, 'wx');
    try {
      await write(file);
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw outputFault(error, path);
  }
}

/** Throws OUTPUT_EXISTS when there is something at `path`: to be asked before long work starts. */
export async function refuseExisting(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return;
  throw new ToolkitError('OUTPUT_EXISTS', 'The output file exists already', {
    where: { file: path },
    hint: 'Choose another name with -o, or pass --force to overwrite it.',
  });
}

const reasons: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ENOSPC: ['The disk is full', 'Free some space, or write to another disk with -o.'],
  EDQUOT: ['The disk quota is used up', 'Free some space, or write to another disk with -o.'],
  EACCES: ['No permission to write here', 'Write to a folder of your own with -o.'],
  EPERM: ['No permission to write here', 'Write to a folder of your own with -o.'],
  EROFS: ['The file system is read-only', 'Write to another place with -o.'],
  ENOENT: ['The folder does not exist', 'Create it first, or write to another place with -o.'],
  ENOTDIR: ['A part of the path is a file, not a folder', 'Write to another place with -o.'],
  EISDIR: ['This is a folder, not a file', 'Give the name of a file with -o.'],
  EFBIG: ['The file is too large for this file system', 'Write to another disk with -o.'],
};

/** Turns Node's write errors into OUTPUT_UNWRITABLE; anything else is passed on as it is. */
export function outputFault(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason = reasons[code];
  if (!reason || error instanceof ToolkitError) return error;
  return new ToolkitError('OUTPUT_UNWRITABLE', `${reason[0]} (${code})`, {
    where: { file: path },
    hint: reason[1],
    cause: error,
  });
}
