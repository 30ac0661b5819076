import { existsSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { TrainEvent } from '../../src/train/events.ts';
import type { TrainOptions } from '../../src/train/options.ts';
import { train } from '../../src/train/train.ts';
import { npyBytes } from '../numpy-file.ts';
import { digitsModel } from './base.ts';
import { writeDigits } from './digits.ts';

let base: string;
let few: Awaited<ReturnType<typeof writeDigits>>;

beforeAll(async () => {
  base = await digitsModel();
  few = await writeDigits([8, 9], 20);
}, 60_000);

async function planOf(): Promise<TrainOptions> {
  const folder = await mkdtemp(join(tmpdir(), 'graft-stop-'));
  return {
    base,
    train: few.train,
    valid: few.valid,
    output: join(folder, 'tuned.onnx'),
    cache: join(folder, 'cache'),
    featureBatch: 4,
    epochs: 1,
  };
}

describe('a training that is told to stop', () => {
  it('does nothing where it was told so before', async () => {
    const events: TrainEvent[] = [];
    const onEvent = (event: TrainEvent): void => void events.push(event);
    const run = train({ ...(await planOf()), signal: AbortSignal.abort(), onEvent });
    await expect(run).rejects.toMatchObject({ code: 'TRAINING_INTERRUPTED' });
    await expect(run).rejects.toThrow('interrupted before it began');
    expect(events).toEqual([]);
  });

  it('ends between two runs of the frozen part, and keeps the rows', async () => {
    const options = await planOf();
    const stopping = new AbortController();
    let done = 0;
    const onEvent = (event: TrainEvent): void => {
      if (event.kind !== 'features') return;
      done = event.done;
      if (done > 0) stopping.abort();
    };
    const run = train({ ...options, signal: stopping.signal, onEvent });
    await expect(run).rejects.toThrow('interrupted while features were computed');
    // One run of four pictures.
    expect(done).toBe(4);
    const cached: number[] = [];
    await train({
      ...options,
      resume: true,
      onEvent: (event) => event.kind === 'features' && cached.push(event.cached),
    });
    expect(cached[0]).toBe(4);
  }, 60_000);

  it('hears of it from the event loop between two steps', async () => {
    const options = { ...(await planOf()), epochs: 1000, batchSize: 4, l2: 0.001 };
    const stopping = new AbortController();
    let steps = 0;
    const onEvent = (event: TrainEvent): void => {
      // What a signal of the system comes by.
      if (event.kind === 'step' && ++steps === 1) setImmediate(() => stopping.abort());
    };
    const run = train({ ...options, signal: stopping.signal, onEvent });
    await expect(run).rejects.toThrow('stage 1, epoch 1 at step');
    expect(steps).toBeLessThan(4);
  }, 60_000);
});

describe('an output that another file came to meanwhile', () => {
  it('stays, and the model gets another name', async () => {
    const options = await planOf();
    const history = options.output.replace('.onnx', '.json');
    const told: TrainEvent[] = [];
    const onEvent = async (event: TrainEvent): Promise<void> => {
      told.push(event);
      if (event.kind === 'epoch') await writeFile(options.output, 'mine');
    };
    const { output } = await train({
      ...options,
      history,
      onEvent: (event) => void onEvent(event),
    });
    expect(output).toBe(options.output.replace('.onnx', '-2.onnx'));
    expect(existsSync(output)).toBe(true);
    expect(told.at(-1)).toMatchObject({ kind: 'done', output, history, taken: options.output });
  }, 60_000);
});

describe('a training on numbers', () => {
  it('measures how far off they are, and has no accuracy', async () => {
    const { output } = await planOf();
    const at = (name: string): string => join(output, '..', name);
    const count = 10;
    const pixels = Float32Array.from({ length: count * 32 * 32 * 3 }, (_, i) => i % 255);
    await writeFile(at('x.npy'), npyBytes('<f4', [count, 32, 32, 3], pixels));
    const y = Float32Array.from({ length: count }, (_, i) => i);
    await writeFile(at('y.npy'), npyBytes('<f4', [count], y));
    const { history, meanBaseline } = await train({
      base,
      arrays: { x: at('x.npy'), y: at('y.npy'), task: 'regression' },
      validationSplit: 0.2,
      output,
      epochs: 1,
      stages: [{ train: 'head', lr: 1e-9 }],
      head: 'dense',
    });
    // The mean of 0 to 7 is 3.5; 8 and 9 are 4.5 and 5.5 off.
    expect(meanBaseline).toBe(5);
    const [epoch] = history;
    expect(Object.keys(epoch ?? {})).not.toContain('acc');
    // Of one output the error's square has the mean of the errors' square below it.
    expect((epoch?.mae ?? 0) ** 2).toBeLessThanOrEqual(epoch?.loss ?? 0);
    expect(epoch?.val_mae).toBeGreaterThan(0);
  }, 60_000);
});
