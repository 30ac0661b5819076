import { copyFile, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCard } from '../../src/onnx/card.ts';
import { readModel } from '../../src/onnx/read.ts';
import { sizeOf } from '../../src/tensor.ts';
import type { TrainEvent } from '../../src/train/events.ts';
import type { TrainOptions } from '../../src/train/options.ts';
import { pseudoLabels, trainWithPseudoLabels } from '../../src/train/pseudo-labels.ts';
import { train } from '../../src/train/train.ts';
import { temporaryFolder } from '../files.ts';
import { digitsModel } from './base.ts';
import { writeDigits } from './digits.ts';

let base: string;
let few: Awaited<ReturnType<typeof writeDigits>>;
/** 32 more pictures without a class, and one each that is for training and for validation. */
let unlabelled: string;

beforeAll(async () => {
  base = await digitsModel();
  few = await writeDigits([8, 9], 40);
  const more = await writeDigits([8, 9], 60);
  unlabelled = join(more.root, 'unlabelled');
  for (const digit of ['8', '9']) {
    await mkdir(unlabelled, { recursive: true });
    const names = (await readdir(join(more.train, digit))).toSorted();
    for (const name of names.slice(32)) {
      await copyFile(join(more.train, digit, name), join(unlabelled, `is-${digit}-${name}`));
    }
  }
  await copyFile(join(few.train, '8', '0001.png'), join(unlabelled, 'known.png'));
  await copyFile(join(few.valid, '9', '0000.png'), join(unlabelled, 'judged.png'));
}, 60_000);

function options(more: Partial<TrainOptions> = {}): TrainOptions {
  const output = join(temporaryFolder(), 'tuned.onnx');
  const { train: folder, valid } = few;
  return { base, train: folder, valid, output, cache: false, batchSize: 16, epochs: 3, ...more };
}

function headKernel(path: string): Uint8Array | undefined {
  const tensor = readModel(path).initializers.get('head/kernel');
  return tensor?.read(0, sizeOf(tensor.shape)).slice();
}

describe('trainWithPseudoLabels', () => {
  it('learns from pictures without a class what the first result says of them', async () => {
    const events: TrainEvent[] = [];
    const own = options({ onEvent: (event) => events.push(event) });
    const result = await trainWithPseudoLabels(own, unlabelled);

    const plans = events.filter(({ kind }) => kind === 'plan');
    expect(plans).toMatchObject([
      { trainSamples: 64, validSamples: 16 },
      { trainSamples: 96, validSamples: 16 },
    ]);
    const skips = events.flatMap((event) => (event.kind === 'skip' ? [event.reason] : []));
    expect(skips.toSorted()).toEqual([
      'it is a picture for validation',
      'it is among the training pictures, with a class',
    ]);
    const told = events.find(({ kind }) => kind === 'pseudoLabels');
    expect(told).toMatchObject({ folder: unlabelled });
    expect(events.filter(({ kind }) => kind === 'done').length).toBe(1);
    expect(result.skipped.length).toBe(2);
    expect(result.baselines?.majority).toBe(0.5);
    const { history } = readCard(readModel(own.output));
    expect(history).toMatchObject({ pseudoLabels: 32, data: { train: { samples: 96 } } });
    expect(await readdir(join(own.output, '..'))).toEqual(['tuned.onnx']);
  }, 60_000);

  it('is the same as scoring by hand between two trainings', async () => {
    const first = options();
    await train(first);
    const names = (await readdir(unlabelled)).filter((name) => name.startsWith('is-')).toSorted();
    const softSamples = await pseudoLabels(
      first.output,
      names.map((name) => join(unlabelled, name)),
    );
    const sums = [...softSamples.values()].map(([a = 0, b = 0]) => a + b);
    for (const sum of sums) expect(sum).toBeCloseTo(1, 5);
    const second = options({ softSamples });
    await train(second);
    const whole = options();
    await trainWithPseudoLabels(whole, unlabelled);
    expect(headKernel(whole.output)).toEqual(headKernel(second.output));
    expect(headKernel(whole.output)).not.toEqual(headKernel(first.output));
  }, 60_000);

  it('goes on in the second training when it was interrupted there', async () => {
    const whole = options();
    await trainWithPseudoLabels(whole, unlabelled);
    const stopping = new AbortController();
    const cut = options({
      signal: stopping.signal,
      onEvent: (event) => event.kind === 'pseudoLabels' && stopping.abort(),
    });
    await expect(trainWithPseudoLabels(cut, unlabelled)).rejects.toMatchObject({
      code: 'TRAINING_INTERRUPTED',
    });
    expect((await stat(`${cut.output}.teacher.onnx`)).isFile()).toBe(true);
    const told: string[] = [];
    const onEvent = ({ kind }: TrainEvent): void => void told.push(kind);
    const other = { ...cut, signal: undefined, onEvent, resume: true, seed: 1 };
    await expect(trainWithPseudoLabels(other, unlabelled)).rejects.toThrow(
      'The first result that is kept is of another training',
    );
    expect(told).toEqual([]);
    const again = { ...cut, signal: undefined, onEvent: undefined, resume: true };
    const { baselines } = await trainWithPseudoLabels(again, unlabelled);
    expect(baselines?.majority).toBe(0.5);
    expect(headKernel(cut.output)).toEqual(headKernel(whole.output));
    expect(await readdir(join(cut.output, '..'))).toEqual(['tuned.onnx']);
  }, 60_000);

  it('refuses arrays, and a folder whose pictures all have a class', async () => {
    const arrays = { ...options(), train: undefined, arrays: { x: 'x.npy', y: 'y.npy' } };
    await expect(trainWithPseudoLabels(arrays, unlabelled)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
    await expect(trainWithPseudoLabels(options(), few.valid)).rejects.toMatchObject({
      code: 'DATASET_EMPTY',
    });
  }, 60_000);
});
