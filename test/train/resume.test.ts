import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { readModel } from '../../src/onnx/read.ts';
import { sizeOf } from '../../src/tensor.ts';
import type { TrainEvent } from '../../src/train/events.ts';
import type { TrainOptions } from '../../src/train/options.ts';
import { train } from '../../src/train/train.ts';
import { builtLibrary } from '../built.ts';
import { digitsModel } from './base.ts';
import { writeDigits } from './digits.ts';

let base: string;
let few: Awaited<ReturnType<typeof writeDigits>>;
let expected: ReturnType<typeof weightsOf>;

beforeAll(async () => {
  base = await digitsModel();
  few = await writeDigits([8, 9], 30);
  const options = await planOf();
  await train(options);
  expected = weightsOf(options.output);
}, 120_000);

/** Three stages with all that a resumed run must find again: dropout, slots, schedules, the best weights, changes of pictures. */
async function planOf(): Promise<TrainOptions> {
  const output = join(await mkdtemp(join(tmpdir(), 'graft-resume-')), 'tuned.onnx');
  return {
    base,
    train: few.train,
    valid: few.valid,
    output,
    cache: join(few.root, 'cache'),
    batchSize: 8,
    patience: 5,
    augment: { rotation_range: 10, width_shift_range: 0.1 },
    workers: 0,
    stages: [
      { train: 'head', epochs: 2, lr: 0.01 },
      { train: 'dense', epochs: 3, optimizer: 'adam', lr: 0.001, schedule: 'cosine' },
      { train: 'conv5', epochs: 2, optimizer: 'sgd', lr: 0.01, momentum: 0.9, schedule: 'plateau' },
    ],
    checkpoints: { every: 0.001, keep: 2 },
  };
}

function weightsOf(path: string): ReadonlyMap<string, Uint8Array> {
  const { initializers } = readModel(path);
  return new Map(
    [...initializers].map(([name, tensor]) => [name, tensor.read(0, sizeOf(tensor.shape)).slice()]),
  );
}

describe('a training that was interrupted', () => {
  it('goes on to the same weights, bit for bit, from wherever a signal ended it', async () => {
    const options = await planOf();
    let runs = 0;
    for (; ; runs++) {
      const stopping = new AbortController();
      let epochs = 0;
      const onEvent = ({ kind }: TrainEvent): void => {
        if (kind === 'epoch' && ++epochs === 2) setTimeout(() => stopping.abort(), runs * 7);
      };
      const run = train({ ...options, resume: true, signal: stopping.signal, onEvent });
      const ended = await run.then(
        () => undefined,
        (error: unknown) => error,
      );
      if (ended === undefined) break;
      expect(ended).toMatchObject({ code: 'TRAINING_INTERRUPTED' });
    }
    expect(runs).toBeGreaterThan(1);
    expect(weightsOf(options.output)).toEqual(expected);
    // The saved states are gone once the result is written.
    expect(await readdir(join(options.output, '..'))).toEqual(['tuned.onnx']);
  }, 120_000);

  it('goes on to the same weights after kill -9 at any moment', async () => {
    const options = await planOf();
    // Milliseconds after the first sign of life; the last run may end by itself.
    expect(await isDoneAfterKills(options, [0, 13, 40, 90, 150, 260, 410, undefined])).toBe(true);
    expect(weightsOf(options.output)).toEqual(expected);
  }, 240_000);

  it('does so too when its features are read from disk', async () => {
    const { augment: _, ...held } = await planOf();
    await train(held);
    const { output } = await planOf();
    const streamed = { ...held, output, memory: 1 };
    expect(await isDoneAfterKills(streamed, [0, 60, 200, undefined])).toBe(true);
    expect(weightsOf(output)).toEqual(weightsOf(held.output));
  }, 240_000);

  it('has the same history when it goes on in a later stage', async () => {
    const { augment: _, ...whole } = await planOf();
    const own = { ...whole, history: `${whole.output}.json` };
    await train(own);
    const { output } = await planOf();
    const options = { ...own, output, history: `${output}.json` };
    const stopping = new AbortController();
    const onEvent = (event: TrainEvent): void => {
      if (event.kind === 'epoch' && event.stage === 2) stopping.abort();
    };
    const run = train({ ...options, signal: stopping.signal, onEvent });
    await expect(run).rejects.toMatchObject({ code: 'TRAINING_INTERRUPTED' });
    const { baselines } = await train({ ...options, resume: true });
    expect(baselines?.logistic).toBeGreaterThan(0.5);
    expect(await readFile(options.history, 'utf8')).toBe(await readFile(own.history, 'utf8'));
  }, 60_000);

  it('is not begun anew without being asked to, nor gone on with by another plan', async () => {
    const options = await planOf();
    const stopping = new AbortController();
    const onEvent = ({ kind }: TrainEvent): void => {
      if (kind === 'epoch') stopping.abort();
    };
    const run = train({ ...options, signal: stopping.signal, onEvent });
    await expect(run).rejects.toMatchObject({ code: 'TRAINING_INTERRUPTED' });
    await expect(train(options)).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
    const other = train({ ...options, seed: 1, resume: true });
    await expect(other).rejects.toThrow('The checkpoint is of another training');
    const kept = await readdir(`${options.output}.checkpoints`);
    expect(kept.length).toBeGreaterThan(0);
    await train({ ...options, force: true });
    expect(weightsOf(options.output)).toEqual(expected);
  }, 60_000);
});

/** Starts a training again and again, and kills it so many milliseconds after its first sign of life each time. */
async function isDoneAfterKills(
  options: TrainOptions,
  kills: readonly (number | undefined)[],
): Promise<boolean> {
  const library = pathToFileURL(join(await builtLibrary(), 'index.mjs')).href;
  const script = join(options.output, '..', 'run.mjs');
  const text = JSON.stringify({ ...options, resume: true });
  await writeFile(
    script,
    `import { train } from ${JSON.stringify(library)};\nawait train(${text});\nprocess.stdout.write('done');`,
  );
  let isDone = false;
  for (const after of kills) isDone ||= await runUntil(script, after);
  return isDone;
}

/** Runs a training as a process, and kills it so many milliseconds after its first checkpoint; whether it came to its end. */
function runUntil(script: string, after: number | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let said = '';
    child.stdout.on('data', (data: Buffer) => {
      said += data.toString();
    });
    const folder = join(script, '..', 'tuned.onnx.checkpoints');
    const timer = setInterval(() => {
      if (after === undefined) return;
      if (!existsSync(folder) || readdirSync(folder).length === 0) return;
      clearInterval(timer);
      setTimeout(() => child.kill('SIGKILL'), after);
    }, 5);
    child.on('exit', () => {
      clearInterval(timer);
      resolve(said === 'done');
    });
  });
}
