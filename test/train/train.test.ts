import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readCard } from '../../src/onnx/card.ts';
import { readModel } from '../../src/onnx/read.ts';
import { loadModel } from '../../src/runtime/model.ts';
import { predict } from '../../src/runtime/predict.ts';
import { popLayer } from '../../src/train/cut.ts';
import { extractFeatures } from '../../src/train/dataset.ts';
import type { TrainEvent } from '../../src/train/events.ts';
import { fitHead } from '../../src/train/fit.ts';
import { denseHead } from '../../src/train/head.ts';
import { fitLogistic } from '../../src/train/logistic.ts';
import { makeOptimizer } from '../../src/train/optimizers.ts';
import type { TrainOptions } from '../../src/train/options.ts';
import { train } from '../../src/train/train.ts';
import { openTraining } from '../../src/train/training.ts';
import { npyBytes } from '../numpy-file.ts';
import { digitsModel } from './base.ts';
import { writeDigits } from './digits.ts';

let base: string;
let all: Awaited<ReturnType<typeof writeDigits>>;
let few: Awaited<ReturnType<typeof writeDigits>>;

beforeAll(async () => {
  base = await digitsModel();
  all = await writeDigits([8, 9]);
  few = await writeDigits([8, 9], 40);
}, 120_000);

async function fewOptions(): Promise<TrainOptions> {
  const output = join(await mkdtemp(join(tmpdir(), 'graft-train-')), 'tuned.onnx');
  const { train: folder, valid, root } = few;
  return { base, train: folder, valid, output, cache: join(root, 'cache'), epochs: 3 };
}

describe('train', () => {
  it('comes as near as 0.015 to a logistic regression on the same features', async () => {
    const model = readModel(base);
    const cut = popLayer(model);
    const [learn, check] = [
      await extractFeatures(model, cut, all.train, { cache: false }),
      await extractFeatures(model, cut, all.valid, { cache: false }),
    ];
    const reference = fitLogistic(learn, { classes: 2 }).accuracy(check);
    // scikit-learn 1.9.1 has 0.9247 on these features: StandardScaler, LogisticRegression(C=1).
    expect(reference).toBeCloseTo(0.9247, 2);
    const accuracies: number[] = [];
    for (const seed of [0, 1, 2]) {
      const { history } = await fitHead({
        head: denseHead({ features: cut.width, classes: 2, seed }),
        loss: 'categorical_crossentropy',
        optimizer: makeOptimizer({ name: 'adam', learningRate: 0.01 }),
        batchSize: 64,
        epochs: 200,
        seed,
        shuffle: true,
        train: learn,
        valid: check,
      });
      accuracies.push(history.at(-1)?.val_acc ?? 0);
    }
    const mean = accuracies.reduce((sum, accuracy) => sum + accuracy, 0) / 3;
    expect(Math.abs(mean - reference)).toBeLessThan(0.015);
  }, 120_000);

  it('writes a whole model that says of images what the head says of their features', async () => {
    const options = await fewOptions();
    await train(options);
    const stored = readModel(options.output);
    const cut = popLayer(stored);
    const set = await extractFeatures(stored, cut, few.valid, { cache: false });
    const head = denseHead({ features: cut.width, classes: 2 });
    const weights = readCard(stored).layers?.at(-1)?.parameters ?? [];
    const parameters = head.parameters.map((parameter, i) => {
      const tensor = stored.initializers.get(weights[i]?.name ?? '');
      const bytes = tensor?.read(0, parameter.numbers.length).slice() ?? new Uint8Array(0);
      return { ...parameter, numbers: new Float32Array(bytes.buffer) };
    });
    const training = await openTraining({
      head: { ...head, parameters },
      loss: 'categorical_crossentropy',
      optimizer: makeOptimizer({ name: 'adam' }),
      batchSize: 64,
    });
    const model = await loadModel(options.output);
    try {
      const count = set.labels.length;
      const rows = { count, features: set.features, targets: new Float32Array(count * 2) };
      const { output } = await training.evaluate(rows);
      const files = set.files.map((file) => join(few.valid, file));
      let i = 0;
      for await (const { top } of predict(model, files)) {
        for (const { index, probability, label } of top) {
          expect(Math.abs(probability - (output[i * 2 + index] ?? 0))).toBeLessThan(1e-5);
          expect(label).toBe(['8', '9'][index]);
        }
        i += 1;
      }
      expect(i).toBe(count);
    } finally {
      await training.close();
      await model.close();
    }
  }, 60_000);

  it('carries the base over and says how the model came about', async () => {
    const options = await fewOptions();
    const history = `${options.output}.history.json`;
    const result = await train({ ...options, history });
    const [old, stored] = [readModel(base), readModel(options.output)];
    const [before, card] = [readCard(old), readCard(stored)];
    expect(card).toMatchObject({ classes: ['8', '9'], source: before.source });
    expect(card.preprocess).toEqual(before.preprocess);
    expect(card.layers?.map(({ name }) => name)).toEqual([
      ...(before.layers ?? []).slice(0, -2).map(({ name }) => name),
      'head_dropout',
      'head',
    ]);
    expect(card.layers?.at(-1)).toMatchObject({ output: stored.outputs[0]?.name });
    for (const [name, tensor] of old.initializers) {
      if (name.startsWith('dense_3/')) continue;
      const size = tensor.shape.reduce((product, dim) => product * dim, 1);
      expect(stored.initializers.get(name)?.read(0, size)).toEqual(tensor.read(0, size));
    }
    expect(card.history).toMatchObject({
      plan: {
        seed: 0,
        dropout: 0.5,
        features: 'dense_2',
        stages: [
          {
            train: 'head',
            epochs: 3,
            batchSize: 64,
            layers: ['head'],
            parameters: 130,
            cut: 'dense_2',
            optimizer: { name: 'adam', keras: 3, learningRate: 0.001 },
          },
        ],
      },
      base: 'digits.onnx',
      data: { train: { images: { 8: 32, 9: 32 } }, valid: { images: { 8: 8, 9: 8 } } },
      epochs: result.history.map(({ seconds: _seconds, ...measures }) => measures),
    });
    expect(JSON.parse(await readFile(history, 'utf8'))).toEqual(card.history);
  });

  it('does not name classes where the new end predicts numbers', async () => {
    const first = await fewOptions();
    await train(first);
    expect(readCard(readModel(first.output)).classes).toEqual(['8', '9']);
    const folder = join(first.output, '..');
    const [x, y, output] = ['x.npy', 'y.npy', 'numbers.onnx'].map((name) => join(folder, name));
    const shape = readModel(base).inputs[0]?.shape.slice(1).map(Number) ?? [];
    const size = shape.reduce((product, dim) => product * dim, 1);
    const pixels = Float32Array.from({ length: 8 * size }, (_, i) => (i * 7) % 256);
    await writeFile(x ?? '', npyBytes('<f4', [8, ...shape], pixels));
    await writeFile(
      y ?? '',
      npyBytes(
        '<f4',
        [8, 1],
        Float32Array.from({ length: 8 }, (_, i) => i),
      ),
    );
    const result = await train({
      base: first.output,
      arrays: { x: x ?? '', y: y ?? '', task: 'regression' },
      output: output ?? '',
      epochs: 1,
      optimizer: { name: 'sgd', learningRate: 1e-9 },
    });
    expect(result.classes).toBeUndefined();
    const card = readCard(readModel(result.output));
    expect(card.classes).toBeUndefined();
    // What pixels must become is as true as before, and so is where the model came from.
    const before = readCard(readModel(base));
    expect(card).toMatchObject({ preprocess: before.preprocess, source: before.source });
  }, 60_000);

  it('gives the same file, to the byte, for the same options', async () => {
    const [one, other] = [await fewOptions(), await fewOptions()];
    await train(one);
    await train(other);
    const [first, second] = [await readFile(one.output), await readFile(other.output)];
    expect(first.equals(second)).toBe(true);
  });

  it('gives the same weights for the same seed, and goes on from its own result', async () => {
    const [first, second] = [await fewOptions(), await fewOptions()];
    await train(first);
    await train(second);
    const [a, b] = [readModel(first.output), readModel(second.output)];
    const kernel = (model: typeof a) => model.initializers.get('head/kernel')?.read(0, 128);
    expect(kernel(a)?.length).toBe(512);
    expect(kernel(a)).toEqual(kernel(b));
    const third = { ...(await fewOptions()), base: first.output, seed: 1 };
    await train(third);
    const c = readModel(third.output);
    expect(kernel(c)).not.toEqual(kernel(a));
    expect(c.nodes.length).toBe(a.nodes.length);
    expect(readCard(c).history).toMatchObject({ plan: { dropout: 0.5 }, before: { plan: {} } });
  });

  it('tells what it does, in order', async () => {
    const events: TrainEvent[] = [];
    await train({ ...(await fewOptions()), onEvent: (event) => events.push(event) });
    const kinds = events.map((event) =>
      event.kind === 'features' ? `features ${event.part}` : event.kind,
    );
    expect(kinds.filter((kind, i) => kind !== kinds[i - 1])).toEqual([
      'plan',
      'stage',
      'features train',
      'features valid',
      ...Array.from({ length: 3 }, () => ['step', 'epoch']).flat(),
      'baselines',
      'done',
    ]);
    expect(events.find(({ kind }) => kind === 'plan')).toMatchObject({
      classes: ['8', '9'],
      trainSamples: 64,
      validSamples: 16,
      removed: ['dropout_2', 'dense_3'],
    });
  });

  it('writes nothing when training diverges', async () => {
    const options = await fewOptions();
    const run = train({ ...options, optimizer: { name: 'sgd', learningRate: 1e38 } });
    await expect(run).rejects.toMatchObject({ code: 'TRAINING_DIVERGED' });
    expect(() => readModel(options.output)).toThrow('does not exist');
  });

  it('refuses to overwrite before any work', async () => {
    const events: TrainEvent[] = [];
    const options = { ...(await fewOptions()), onEvent: (event: TrainEvent) => events.push(event) };
    await train(options);
    events.length = 0;
    await expect(train(options)).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
    expect(events).toEqual([]);
    await train({ ...options, force: true });
  });

  it('refuses an output that cannot be written, before any work', async () => {
    const options = await fewOptions();
    const events: TrainEvent[] = [];
    const onEvent = (event: TrainEvent) => events.push(event);
    const gone = join(options.output, 'gone.onnx');
    for (const targets of [{ output: gone }, { history: gone }, { output: gone, force: true }]) {
      await expect(train({ ...options, ...targets, onEvent })).rejects.toMatchObject({
        code: 'OUTPUT_UNWRITABLE',
        where: { file: gone },
      });
    }
    await expect(train({ ...options, history: options.output, onEvent })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
    expect(events).toEqual([]);
  });

  it('refuses a class of which no image can be read', async () => {
    const { train: folder, valid } = await writeDigits([8, 9], 6);
    for (const name of await readdir(join(folder, '9'))) {
      await writeFile(join(folder, '9', name), 'not a picture');
    }
    const run = train({ ...(await fewOptions()), train: folder, valid });
    await expect(run).rejects.toMatchObject({ code: 'DATASET_CLASSES', where: { file: folder } });
    await expect(run).rejects.toThrow('there are none of "9"');
  });

  it('refuses a validation folder without images, before any work', async () => {
    const { train: folder, valid } = await writeDigits([8, 9], 6);
    for (const name of ['8', '9']) {
      await rm(join(valid, name), { recursive: true });
      await mkdir(join(valid, name));
    }
    const events: TrainEvent[] = [];
    const options = { ...(await fewOptions()), train: folder, valid };
    const run = train({ ...options, onEvent: (event) => events.push(event) });
    await expect(run).rejects.toMatchObject({ code: 'DATASET_EMPTY', where: { file: valid } });
    expect(events).toEqual([]);
  });

  it('names the classes in which the folders differ', async () => {
    const { root, train: folder, valid } = await writeDigits([7, 8, 9], 6);
    await rename(join(valid, '9'), join(valid, 'nine'));
    const options = { ...(await fewOptions()), train: folder, valid, cache: join(root, 'cache') };
    const run = train(options);
    await expect(run).rejects.toMatchObject({ code: 'DATASET_CLASSES' });
    await expect(run).rejects.toThrow(
      '"9" is only in the training folder, and "nine" is only in the validation folder',
    );
    await mkdir(join(folder, 'ten'));
    await expect(train(options)).rejects.toThrow('there are none of "ten"');
  });

  it.each([
    [{ epochs: 0 }, '"epochs" should be a whole number of at least 1, but is 0'],
    [{ batchSize: 1.5 }, '"batchSize" should be a whole number of at least 1, but is 1.5'],
    [{ dropout: 1 }, '"dropout" should be a number from 0 to less than 1, but is 1'],
    [
      { optimizer: { name: 'adam', learningRate: -1 } },
      '"learningRate" should be a number above 0, but is -1',
    ],
  ] as const)('refuses %o', async (wrong, message) => {
    await expect(train({ ...(await fewOptions()), ...wrong })).rejects.toThrow(message);
  });
});
