import { type FileHandle, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { ToolkitError } from '../errors.ts';

/** What is remembered of an unfinished download, so that it can go on: which version of the file it was. */
export interface Origin {
  readonly address: string;
  readonly etag?: string | undefined;
  readonly lastModified?: string | undefined;
  readonly total?: number | undefined;
}

const originSchema = z.object({
  address: z.string(),
  etag: z.string().optional(),
  lastModified: z.string().optional(),
  total: z.number().optional(),
});

/** How much of a file is there already, and what must hold for it to be continued. */
export interface ResumePoint {
  readonly bytes: number;
  /** For If-Range: a strong ETag, or else a date. */
  readonly validator: string;
  readonly total: number | undefined;
}

/** Where the download at `part` can go on with this address, if it can. */
export async function resumePoint(part: string, address: string): Promise<ResumePoint | undefined> {
  const origin = await readOrigin(part);
  if (origin?.address !== address) return undefined;
  // RFC 9110, 13.1.5: a weak ETag must not be used in If-Range
  const strong = origin.etag?.startsWith('W/') === false ? origin.etag : undefined;
  const validator = strong ?? origin.lastModified;
  const bytes = await partialBytes(part);
  return validator && bytes > 0 ? { bytes, validator, total: origin.total } : undefined;
}

/** Bytes of an unfinished download. */
export async function partialBytes(part: string): Promise<number> {
  return (await stat(part).catch(() => undefined))?.size ?? 0;
}

async function readOrigin(part: string): Promise<Origin | undefined> {
  const text = await readFile(originPath(part), 'utf8').catch(() => '');
  try {
    return originSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Forgets where a download came from, so that the next attempt starts over. */
export async function forgetOrigin(part: string): Promise<void> {
  await rm(originPath(part), { force: true });
}

/** Removes an unfinished download. */
export async function discard(part: string): Promise<void> {
  await rm(part, { force: true });
  await forgetOrigin(part);
}

/** Starts a download over: nothing of an earlier one is left in `file`, and `origin` is remembered. */
export async function startOver(part: string, file: FileHandle, origin: Origin): Promise<void> {
  await forgetOrigin(part);
  if ((await file.stat()).size > 0) await file.truncate(0);
  await writeFile(originPath(part), JSON.stringify(origin));
}

function originPath(part: string): string {
  return `${part}.json`;
}

/**
 * Keeps two processes from writing to the same unfinished download.
 *
 * A lock whose process is gone is taken over. Returns what releases it. Throws DOWNLOAD_FAILED.
 */
export async function lock(part: string): Promise<() => Promise<void>> {
  const path = `${part}.lock`;
  const taken = await tryLock(path);
  if (!taken) {
    const owner = Number(await readFile(path, 'utf8').catch(() => ''));
    if (isRunning(owner)) throw busy(path, owner);
    await rm(path, { force: true });
    if (!(await tryLock(path))) throw busy(path, owner);
  }
  return () => rm(path, { force: true });
}

async function tryLock(path: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(String(process.pid));
    await file.close();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

function isRunning(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function busy(path: string, owner: number): ToolkitError {
  return new ToolkitError('DOWNLOAD_FAILED', `Process ${owner} is downloading the same file`, {
    where: { file: path },
    hint: 'Wait until it has finished. If there is no such process, remove the file named here.',
  });
}
