import { readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
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
  const path = join(folder, 'lock');
  try {
    await mkdir(folder, { recursive: true });
    await take(path);
  } catch (error) {
    throw outputFault(error, folder, 'Give another folder with --checkpoints.');
  }
  held.add(path);
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
  const isFree = await writeFile(path, text, { flag: 'wx' }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
      throw error;
    },
  );
  if (isFree) return;
  const found = await ownerIn(path);
  if (found && isAlive(found, path)) throw taken(path, found.pid);
  // Renamed over, so that there is a lock at any moment.
  const fresh = `${path}.${process.pid}`;
  await writeFile(fresh, text);
  await rename(fresh, path);
}

async function ownerIn(path: string): Promise<Owner | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  try {
    return owner.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function isAlive({ pid, host, started }: Owner, path: string): boolean {
  if (host !== hostname()) return false;
  if (pid === process.pid) return held.has(path);
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
