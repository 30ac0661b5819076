import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCard } from '../../src/onnx/card.ts';
import { readModel } from '../../src/onnx/read.ts';
import { loadModel } from '../../src/runtime/model.ts';
import { predict } from '../../src/runtime/predict.ts';
import { sizeOf } from '../../src/tensor.ts';
import type { TrainEvent } from '../../src/train/events.ts';
import type { TrainOptions } from '../../src/train/options.ts';
import { findRate } from '../../src/train/rate-finder.ts';
import { train } from '../../src/train/train.ts';
import { temporaryFolder } from '../files.ts';
import { digitsModel } from './base.ts';
import { writeDigits } from './digits.ts';

let base: string;
let few: Awaited<ReturnType<typeof writeDigits>>;

beforeAll(async () => {
  base = await digitsModel();
  few = await writeDigits([8, 9], 40);
}, 60_000);

function options(more: Partial<TrainOptions>): TrainOptions {
  const output = join(temporaryFolder(), 'tuned.onnx');
  return { base, train: few.train, valid: few.valid, output, cache: false, batchSize: 16, ...more };
}

/** Names of the weights of the base that are other numbers in the output, without kernel or bias. */
function changedLayers(output: string): readonly string[] {
  const [before, after] = [readModel(base), readModel(output)];
  const names = [...before.initializers].flatMap(([name, tensor]) => {
    const own = after.initializers.get(name);
    const size = sizeOf(tensor.shape);
    if (!own || Buffer.compare(own.read(0, size), tensor.read(0, size)) === 0) return [];
    return [name.split('/')[0] ?? ''];
  });
  return [...new Set(names)].toSorted();
}

describe('train in stages', () => {
  it('changes the layers of the plan and no others', async () => {
    const dense = options({ stages: [{ train: 'dense', epochs: 1 }] });
    await train(dense);
    expect(changedLayers(dense.output)).toEqual(['dense_1', 'dense_2']);
    const one = options({ stages: [{ train: '28+head', epochs: 1 }] });
    await train(one);
    expect(changedLayers(one.output)).toEqual(['convolution2d_12']);
  }, 60_000);

  it('writes a file that says of pictures what was measured of it', async () => {
    const all = options({
      stages: [
        { train: 'head', epochs: 2, lr: 0.01 },
        { train: 'conv5', epochs: 2 },
        // The frozen part of this one has learned in the stage before.
        { train: 'dense', epochs: 2 },
      ],
      head: 'dense 16 relu, batchnorm, dropout 0.2, dense',
      history: join(temporaryFolder(), 'history.csv'),
    });
    const { history } = await train(all);
    expect(history.map(({ stage, epoch }) => `${stage} ${epoch}`)).toEqual([
      '1 1',
      '1 2',
      '2 1',
      '2 2',
      '3 1',
      '3 2',
    ]);
    const model = await loadModel(all.output);
    let [right, count] = [0, 0];
    try {
      const files = (await import('../../src/runtime/folder.ts')).listImageFolder(few.valid);
      const labels = new Map((await files).files.map(({ path, label }) => [path, label]));
      for await (const { file, top } of predict(model, [...labels.keys()], { top: 1 })) {
        right += Number(top[0]?.index === labels.get(file));
        count += 1;
      }
    } finally {
      await model.close();
    }
    expect(right / count).toBeCloseTo(history.at(-1)?.val_acc ?? 0, 6);
    const lines = (await readFile(all.history ?? '', 'utf8')).trim().split('\n');
    expect(lines[0]).toBe('stage,epoch,loss,acc,val_loss,val_acc,lr,seconds');
    expect(lines.length).toBe(7);
    expect(
      readCard(readModel(all.output))
        .layers?.slice(-4)
        .map((layer) => layer.class),
    ).toEqual(['Dense', 'BatchNormalization', 'Dropout', 'Dense']);
  }, 60_000);

  it('keeps the model’s own end when asked to, and goes on where a model stopped', async () => {
    const first = options({ stages: [{ train: 'head', epochs: 2 }] });
    await train(first);
    const second = {
      ...options({ head: 'keep', stages: [{ train: 'dense', epochs: 1 }] }),
      base: first.output,
    };
    const { history } = await train(second);
    expect(readModel(second.output).nodes.length).toBe(readModel(first.output).nodes.length);
    expect(readCard(readModel(second.output)).classes).toEqual(['8', '9']);
    expect(history.length).toBe(1);
    const third = train(options({ head: 'keep' }));
    await expect(third).rejects.toMatchObject({ code: 'DATASET_CLASSES' });
  }, 60_000);

  it('ends a stage that does not improve, with its best weights', async () => {
    const events: TrainEvent[] = [];
    const stopped = options({
      stages: [{ train: 'dense', epochs: 40, optimizer: 'sgd', lr: 0.1, momentum: 0.9 }],
      patience: 2,
      onEvent: (event) => events.push(event),
    });
    const { history } = await train(stopped);
    expect(history.length).toBeLessThan(40);
    expect(events).toContainEqual({ kind: 'ended', stage: 1, why: 'stopped' });
  }, 60_000);

  it('keeps the last good weights when a stage diverges', async () => {
    const events: TrainEvent[] = [];
    const diverging = options({
      stages: [
        { train: 'head', epochs: 2, lr: 0.01 },
        {
          train: 'dense',
          epochs: 9,
          optimizer: 'sgd',
          lr: 1e-3,
          schedule: 'step(every=1,factor=1e18)',
        },
        { train: 'all', epochs: 1 },
      ],
      onEvent: (event) => events.push(event),
    });
    const { history } = await train(diverging);
    expect(events).toContainEqual({ kind: 'ended', stage: 2, why: 'diverged' });
    expect(history.every(({ loss }) => Number.isFinite(loss))).toBe(true);
    const kernel = readModel(diverging.output).initializers.get('dense_1/kernel');
    const bytes = kernel?.read(0, sizeOf(kernel.shape)).slice();
    expect(new Float32Array(bytes?.buffer ?? new ArrayBuffer(0)).every(Number.isFinite)).toBe(true);
  }, 60_000);

  it.each(['head', 'dense'])(
    'ends where the loss runs away, though it is a number: %s',
    async (what) => {
      const diverging = options({ stages: [{ train: what, epochs: 2, lr: 1e30 }] });
      await expect(train(diverging)).rejects.toMatchObject({ code: 'TRAINING_DIVERGED' });
      await expect(readFile(diverging.output)).rejects.toMatchObject({ code: 'ENOENT' });
    },
    60_000,
  );

  it('learns from soft targets, with weights by class and changed pictures', async () => {
    const asked: string[] = [];
    const soft = options({
      stages: [{ train: 'head', epochs: 2 }],
      classWeights: { 8: 2 },
      augment: { rotation_range: 10 },
      augmentPasses: 2,
      workers: 0,
      softTargets: (file) => {
        asked.push(file);
        return file.startsWith('8') ? [0.9, 0.1] : undefined;
      },
    });
    const { history } = await train(soft);
    // The pictures as they are and twice changed: 64 and 128 rows; 16 for validation.
    expect(asked.length).toBe(3 * 64 + 16);
    expect(history[0]?.loss).toBeGreaterThan(0);
    const wrong = train({ ...soft, output: `${soft.output}2`, softTargets: () => [1] });
    await expect(wrong).rejects.toThrow('one a class, but are 1');
  }, 60_000);
});

describe('findRate', () => {
  it('grows the rate until the loss runs away, and writes nothing', async () => {
    const { points, steepest, minimum } = await findRate(options({ stages: [{ train: 'head' }] }));
    expect(points[0]?.rate).toBe(1e-7);
    expect(points.length).toBeGreaterThan(30);
    expect(steepest).toBeGreaterThan(points[0]?.rate ?? 0);
    expect(minimum).toBeLessThan(10);
  }, 60_000);
});
