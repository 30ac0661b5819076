import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { access, constants, type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, parse } from 'node:path';
import { checkedPath, ToolkitError } from './errors.ts';

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
  await writeOutputs([path], options, async ([file]) => {
    if (file) await write(file);
  });
}

/**
 * As `writeOutput`, for files that are one: the last of them is what makes the others count.
 *
 * It is renamed last, and an older one is removed before the first is renamed: whenever the process is killed, there is
 * no last file beside others that it does not belong to.
 */
export async function writeOutputs(
  paths: readonly string[],
  options: { readonly force?: boolean | undefined },
  write: (files: readonly FileHandle[]) => Promise<void>,
): Promise<void> {
  if (options.force !== true) for (const path of paths) await refuseExisting(path);
  const targets = paths.map((path) => ({ path, temporary: temporaryBeside(path) }));
  const last = targets.at(-1);
  if (!last) return;
  for (const { temporary } of targets) unfinished.add(temporary);
  const stale: string[] = [];
  try {
    await writeTemporary(targets, write);
    if (targets.length > 1) await rm(last.path, { force: true });
    for (const { path, temporary } of targets) {
      await rename(temporary, path);
      stale.push(path);
    }
  } catch (error) {
    stale.push(...targets.map(({ temporary }) => temporary));
    for (const path of stale) await rm(path, { force: true }).catch(() => undefined);
    throw outputFault(error, last.path);
  } finally {
    for (const { temporary } of targets) unfinished.delete(temporary);
  }
}

function temporaryBeside(path: string): string {
  const name = `.${basename(path)}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  return join(dirname(path), name);
}

async function writeTemporary(
  targets: readonly { readonly temporary: string }[],
  write: (files: readonly FileHandle[]) => Promise<void>,
): Promise<void> {
  const files: FileHandle[] = [];
  try {
    for (const { temporary } of targets) files.push(await open(temporary, 'wx'));
    await write(files);
  } finally {
    for (const file of files) await file.close();
  }
}

/** Temporary files of writes that are under way. */
const unfinished = new Set<string>();

/** Removes what writes under way have written so far: for a process that is told to end. Does not wait for anything. */
export function removeUnfinished(): void {
  for (const temporary of unfinished) rmSync(temporary, { force: true });
}

/**
 * To be asked before long work starts: throws OUTPUT_EXISTS when there is something at `path` (unless `force`), and
 * OUTPUT_UNWRITABLE when no file can be made in its folder.
 */
export async function checkTarget(
  path: string,
  { force }: { readonly force?: boolean | undefined },
): Promise<void> {
  checkedPath(path, 'The path of an output');
  if (force !== true) await refuseExisting(path);
  try {
    await access(dirname(path), constants.W_OK | constants.X_OK);
  } catch (error) {
    throw outputFault(error, path);
  }
}

/** The path, or where something is there, the first free one of `name-2.onnx`, `name-3.onnx` and so on. */
export async function freeName(path: string): Promise<string> {
  const { dir, name, ext } = parse(path);
  for (let number = 1; ; number++) {
    const free = number === 1 ? path : join(dir, `${name}-${number}${ext}`);
    if ((await stat(free).catch(() => undefined)) === undefined) return free;
  }
}

/** Throws OUTPUT_EXISTS when there is something at `path`: to be asked before work starts. */
export async function refuseExisting(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return;
  throw new ToolkitError('OUTPUT_EXISTS', 'The output file exists already', {
    where: { file: path },
    hint: 'Choose another name, or pass --force to overwrite it.',
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
  EEXIST: ['There is a file of that name already', 'Write to another place with -o.'],
  ENAMETOOLONG: ['The name is too long', 'Choose a shorter name with -o.'],
  EIO: ['The disk failed to write', 'Check the disk, or write to another one with -o.'],
  EFBIG: ['The file is too large for this file system', 'Write to another disk with -o.'],
};

/**
 * Turns Node's write errors into OUTPUT_UNWRITABLE; anything else is passed on as it is.
 *
 * `hint` is what to do where the path is not that of `-o`.
 */
export function outputFault(error: unknown, path: string, hint?: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const reason = reasons[code];
  if (!reason || error instanceof ToolkitError) return error;
  return new ToolkitError('OUTPUT_UNWRITABLE', `${reason[0]} (${code})`, {
    where: { file: path },
    hint: hint ?? reason[1],
    cause: error,
  });
}
