import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ToolkitError } from '../../errors.ts';

/**
 * The private copies that sessions map.
 *
 * A mapped file must stay as it is: one that is overwritten or cut short in place changes the answers, or ends the
 * process. So no model is mapped where its owner may write to it.
 */
export class Copies {
  readonly #folder: string;
  #count = 0;
  readonly #atExit = (): void => this.close();

  /**
   * `parent` is a folder on a disk with room for the models. Default: the system's temporary folder.
   *
   * Throws OUTPUT_UNWRITABLE.
   */
  constructor(parent: string = tmpdir()) {
    this.#folder = ownFolder(parent);
    process.once('exit', this.#atExit);
  }

  /** A new folder for one copy. */
  async make(): Promise<string> {
    this.#count += 1;
    const folder = join(this.#folder, String(this.#count));
    // Whoever tidies up temporary folders may have taken it away.
    await mkdir(folder, { recursive: true });
    return folder;
  }

  /** Removes one copy; sessions that have mapped it go on. */
  remove(folder: string): void {
    rmSync(folder, { recursive: true, force: true });
  }

  /** Removes all of them. */
  close(): void {
    process.off('exit', this.#atExit);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function ownFolder(parent: string): string {
  try {
    removeAbandoned(parent);
    return mkdtempSync(join(parent, `${prefix()}${process.pid}-`));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ToolkitError('OUTPUT_UNWRITABLE', `No copies of models can be made: ${reason}`, {
      where: { file: parent },
      hint: 'Name a folder that is there, writable, with room for the models: --copies FOLDER, or TMPDIR.',
      cause,
    });
  }
}

/** With the machine's name: a container that shares the folder has other processes under the same numbers. */
function prefix(): string {
  return `graft-serve-${hostname().replaceAll(/[^\w.]/g, '_')}-`;
}

/** Servers that were killed could not remove their copies. */
function removeAbandoned(parent: string): void {
  const start = prefix();
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(start)) continue;
    const pid = Number(/^\d+(?=-)/.exec(name.slice(start.length))?.[0]);
    if (pid > 0 && !isAlive(pid)) rmSync(join(parent, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (fault) {
    // Another user's process may not be signalled, but it is there.
    return fault instanceof Error && 'code' in fault && fault.code === 'EPERM';
  }
}
