import { describe, expect, it } from 'vitest';
import type { InferTensor } from '../../src/serve/request/infer.ts';
import { temporaryFolder } from '../files.ts';
import { addition, at } from './models.ts';
import { bundledWorker, startServer } from './server.ts';

const workers = bundledWorker();
/** Numbers of a row of 1 MiB. */
const width = 256 * 1024;

/** Sends requests of so many rows in one turn of the event loop; gives the rows and requests of each run. */
async function runsOf(rows: readonly number[], options: object = {}): Promise<unknown> {
  const folder = temporaryFolder();
  await addition(at(folder, 'wide'), 1, width);
  const runs: [number, number][] = [];
  const { context } = await startServer({
    models: [folder],
    workers,
    observers: [{ onBatch: (run) => void runs.push([run.rows, run.requests]) }],
    ...options,
  });
  const tensor = (count: number): InferTensor => ({
    name: 'x',
    datatype: 'FP32',
    shape: [count, width],
    data: new Uint8Array(count * width * 4),
  });
  const all = rows.map(async (count) =>
    context.infer({ model: 'wide', inputs: [tensor(count)], door: 'http' }),
  );
  await Promise.all(all);
  return runs;
}

describe('requests for rows that are large', { timeout: 60_000 }, () => {
  it('share a run up to 4 MiB of inputs', async () => {
    expect(await runsOf(Array.from({ length: 9 }, () => 1))).toEqual([
      [4, 4],
      [4, 4],
      [1, 1],
    ]);
  });

  it('run by themselves beyond that, whole up to what a run takes', async () => {
    expect(await runsOf([6, 1, 9], { maxBatchSize: 8 })).toEqual([
      [6, 1],
      [1, 1],
      [8, 1],
      [1, 1],
    ]);
  });
});
