import { parentPort, workerData } from 'node:worker_threads';
import { ToolkitError } from '../../errors.ts';
import type { PicturePlan } from './picture.ts';
import { pictureReader } from './picture.ts';
import type { PictureAnswer, PictureTask } from './pool.ts';

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the pool that starts this worker gives it a plan
const read = pictureReader(workerData as PicturePlan);

parentPort?.on('message', (task: PictureTask) => {
  void send(task);
});

async function send(task: PictureTask): Promise<void> {
  const result = await answer(task);
  const buffer = 'data' in result ? result.data.buffer : undefined;
  parentPort?.postMessage(result, buffer instanceof ArrayBuffer ? [buffer] : []);
}

async function answer({ id, path, seed }: PictureTask): Promise<PictureAnswer> {
  try {
    return { id, data: await read(path, seed) };
  } catch (fault) {
    const message = fault instanceof Error ? fault.message : String(fault);
    return { id, message, isPicturesFault: fault instanceof ToolkitError };
  }
}
