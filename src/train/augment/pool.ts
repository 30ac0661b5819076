import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type PicturePlan, type PictureReader, pictureReader } from './picture.ts';

/** What a worker is asked for. */
export interface PictureTask {
  readonly id: number;
  readonly path: string;
  readonly seed: number;
}

export type PictureAnswer =
  | { readonly id: number; readonly data: Float32Array }
  | { readonly id: number; readonly message: string; readonly isPicturesFault: boolean };

/** A picture that was asked for, or why it cannot be had. */
type PictureOutcome = { readonly data: Float32Array } | { readonly reason: string };

/** Workers that read and change pictures. Whoever opened it closes it. */
export interface PicturePool {
  /** Rejects only for faults that are not the picture's own. */
  readonly read: (path: string, seed: number) => Promise<PictureOutcome>;
  readonly close: () => Promise<void>;
}

/** How many workers there are, and what they run. */
interface PoolOptions {
  /** Default: one less than the cores, from 1 to 4; 0 works in the calling thread. */
  readonly workers?: number | undefined;
  /** The worker's own file. Default: the one beside this code, once it is built. */
  readonly file?: URL | undefined;
}

/**
 * Opens workers that read pictures while a model runs: a run of the model blocks the calling thread, not theirs.
 *
 * The numbers depend on the seeds alone, not on how many workers there are. From the source, where no worker was built,
 * the calling thread does the work.
 */
export function openPicturePool(plan: PicturePlan, options: PoolOptions = {}): PicturePool {
  const file = options.file ?? new URL('./augment-worker.js', import.meta.url);
  const count = options.workers ?? Math.min(4, Math.max(1, availableParallelism() - 1));
  const isBuilt = file.protocol === 'file:' && existsSync(fileURLToPath(file));
  return count > 0 && isBuilt ? workerPool(plan, file, count) : ownThread(pictureReader(plan));
}

function ownThread(read: PictureReader): PicturePool {
  return {
    async read(path, seed) {
      try {
        return { data: await read(path, seed) };
      } catch (fault) {
        return {
          reason: fault instanceof Error ? (fault.message.split('\n')[0] ?? '') : String(fault),
        };
      }
    },
    close: () => Promise.resolve(),
  };
}

interface Waiting {
  readonly resolve: (outcome: PictureOutcome) => void;
  readonly reject: (fault: Error) => void;
}

function workerPool(plan: PicturePlan, file: URL, count: number): PicturePool {
  const waiting = new Map<number, Waiting>();
  const workers = Array.from({ length: count }, () => new Worker(file, { workerData: plan }));
  const fail = (fault: Error): void => {
    for (const { reject } of waiting.values()) reject(fault);
    waiting.clear();
  };
  for (const worker of workers) {
    worker.on('message', (answer: PictureAnswer) => settle(waiting, answer));
    worker.on('error', fail);
  }
  let id = 0;
  return {
    read(path, seed) {
      id += 1;
      const task: PictureTask = { id, path, seed };
      const { promise, resolve, reject } = pending();
      waiting.set(id, { resolve, reject });
      workers[id % count]?.postMessage(task);
      return promise;
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

function pending(): Waiting & { readonly promise: Promise<PictureOutcome> } {
  let [resolve, reject]: [Waiting['resolve'], Waiting['reject']] = [
    () => undefined,
    () => undefined,
  ];
  const promise = new Promise<PictureOutcome>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Batches are asked for ahead: one may fail before anyone waits for it.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}

function settle(waiting: Map<number, Waiting>, answer: PictureAnswer): void {
  const asked = waiting.get(answer.id);
  waiting.delete(answer.id);
  if ('data' in answer) asked?.resolve({ data: answer.data });
  else if (answer.isPicturesFault) asked?.resolve({ reason: answer.message.split('\n')[0] ?? '' });
  else asked?.reject(new Error(answer.message));
}
