import { readFileSync } from 'node:fs';
import { link, mkdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { z } from 'zod';
import { ToolkitError } from '../../errors.ts';
import { outputFault } from '../../output.ts';

/** Who trains: `started` tells a process from an earlier one of the same number, where the system says it. */
const owner = z.object({ pid: z.number().int(), host: z.string(), started: z.string() });

type Owner = z.infer<typeof owner>;

/** Folders that trainings of this process hold. */
const held = new Set<string>();

/**
 * Takes a folder of checkpoints for one training: no other may save there until what is returned is called.
 *
 * A lock that a dead process left, or one on another machine, does not count. Throws OUTPUT_EXISTS, OUTPUT_UNWRITABLE.
 */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = resolve(folder, 'lock');
  if (held.has(path)) throw taken(path, process.pid);
  held.add(path);
  try {
    await mkdir(folder, { recursive: true });
    await take(path);
  } catch (error) {
    held.delete(path);
    throw outputFault(error, folder, 'Give another folder with --checkpoints.');
  }
  return async () => {
    held.delete(path);
    await rm(path, { force: true });
    // Only an empty folder goes.
    await rmdir(folder).catch(() => undefined);
  };
}

async function take(path: string): Promise<void> {
  const own: Owner = { pid: process.pid, host: hostname(), started: startOf(process.pid) };
  const text = JSON.stringify(own);
  // Linked, so that there is never a lock without its owner's name.
  const fresh = `${path}.${process.pid}`;
  await writeFile(fresh, text);
  const isFree = await link(fresh, path).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
      // A file system without links.
      return writeFile(path, text, { flag: 'wx' }).then(
        () => true,
        () => false,
      );
    },
  );
  const found = isFree ? undefined : await ownerIn(path);
  if (isFree || (found && isAlive(found))) {
    await rm(fresh, { force: true });
    if (found) throw taken(path, found.pid);
    return;
  }
  // Renamed over, so that there is a lock at any moment; of two who found it dead, the later one has it.
  await rename(fresh, path);
  const now = await ownerIn(path);
  if (now?.pid !== process.pid) throw taken(path, now?.pid ?? 0);
}

async function ownerIn(path: string): Promise<Owner | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  try {
    return owner.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function isAlive({ pid, host, started }: Owner): boolean {
  // One's own trainings are known by `held`: what is left is of an earlier process of the same number.
  if (host !== hostname() || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and is another user's.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  return startOf(pid) === started;
}

/** When a process began, in ticks since the machine did; empty where there is no /proc. */
function startOf(pid: number): string {
  try {
    // The second field is the name of the program, which may hold anything up to the last bracket.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return fields[19] ?? '';
  } catch {
    return '';
  }
}

function taken(path: string, pid: number): ToolkitError {
  return new ToolkitError('OUTPUT_EXISTS', `Another training writes here (process ${pid})`, {
    where: { file: path },
    hint: 'Wait until it is done, or choose another name with -o.',
  });
}
