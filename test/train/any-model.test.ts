import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { convert } from '../../src/convert/convert.ts';
import { readCard } from '../../src/onnx/card.ts';
import { readModel } from '../../src/onnx/read.ts';
import { openSession } from '../../src/runtime/session.ts';
import { sizeOf } from '../../src/tensor.ts';
import { RandomState } from '../../src/train/random.ts';
import { train } from '../../src/train/train.ts';
import { temporaryFolder } from '../files.ts';
import { npyBytes } from '../numpy-file.ts';
import { hasShared, shared } from '../shared.ts';

const count = 240;
const models = 'real/konduitai-dl4j-test-resources/';

/** Samples as NumPy files; the labels are what a function makes of each row. */
async function arraysOf(
  folder: string,
  width: number,
  make: {
    readonly value: (random: RandomState) => number;
    readonly target: (row: Float32Array) => number;
  },
): Promise<{ readonly x: string; readonly y: string; readonly samples: Float32Array }> {
  const random = new RandomState(5);
  const samples = Float32Array.from({ length: count * width }, () => make.value(random));
  const targets = Float32Array.from({ length: count }, (_, row) =>
    make.target(samples.subarray(row * width, (row + 1) * width)),
  );
  const [x, y] = [join(folder, 'x.npy'), join(folder, 'y.npy')];
  await writeFile(x, npyBytes('<f4', [count, width], samples));
  return { x, y, samples: await writeTargets(y, targets).then(() => samples) };
}

async function writeTargets(path: string, targets: Float32Array): Promise<void> {
  const isWhole = targets.every(Number.isInteger);
  const bytes = isWhole
    ? npyBytes('<i4', [count], Int32Array.from(targets))
    : npyBytes('<f4', [count, 1], targets);
  await writeFile(path, bytes);
}

function weight(path: string, name: string): Uint8Array | undefined {
  const tensor = readModel(path).initializers.get(name);
  return tensor?.read(0, sizeOf(tensor.shape)).slice();
}

describe('train on arrays, with the end that the model has', () => {
  it('keeps the names of the classes', async () => {
    const folder = temporaryFolder();
    const [x, y, output] = ['x.npy', 'y.npy', 'tuned.onnx'].map((name) => join(folder, name));
    const few = 16;
    const random = new RandomState(1);
    const pixels = Float32Array.from({ length: few * 32 * 32 * 3 }, () => random.below(256));
    await writeFile(x ?? '', npyBytes('<f4', [few, 32, 32, 3], pixels));
    // Of eight classes only some are among the samples.
    await writeFile(
      y ?? '',
      npyBytes(
        '<i4',
        [few],
        Int32Array.from(pixels.slice(0, few), (v) => v % 3),
      ),
    );
    const base = await named(['nil', 'one', 'two', 'three', 'four', 'five', 'six', 'seven']);
    const { classes } = await train({
      base,
      arrays: { x: x ?? '', y: y ?? '' },
      output: output ?? '',
      head: 'keep',
      stages: [{ train: 'head', epochs: 1 }],
    });
    expect(classes?.slice(0, 3)).toEqual(['nil', 'one', 'two']);
    expect(readCard(readModel(output ?? '')).classes).toEqual(classes);
    expect(classes?.length).toBe(8);
  }, 60_000);
});

/** The small VGG with these names. */
async function named(classes: readonly string[]): Promise<string> {
  const path = join(temporaryFolder(), 'named.onnx');
  const model = fileURLToPath(new URL('../../models/digits_vgg.h5', import.meta.url));
  await convert(model, { output: path, classes });
  return path;
}

const title = hasShared ? '' : ' (skipped: the collection of Keras files is not there)';

describe.skipIf(!hasShared)(`train on arrays${title}`, () => {
  it('fine-tunes a text model: embedding, convolution, new head', async () => {
    const folder = temporaryFolder();
    const base = join(folder, 'text.onnx');
    const output = join(folder, 'tuned.onnx');
    await convert(shared(`${models}embedding_conv1d_flatten_tensorflow_1.h5`), { output: base });
    // Sentences of ten words out of four; the class is whether word 3 comes twice or more.
    const { x, y, samples } = await arraysOf(folder, 10, {
      value: (random) => random.below(4),
      target: (row) => (row.filter((word) => word === 3).length > 2 ? 1 : 0),
    });
    const { history, classes } = await train({
      base,
      arrays: { x, y },
      validationSplit: 0.25,
      output,
      at: 'flatten_1',
      head: 'dense',
      stages: [
        { train: 'head', epochs: 5 },
        { train: 'all', epochs: 60 },
      ],
      optimizer: { name: 'adam', learningRate: 0.01 },
      batchSize: 16,
    });
    expect(classes).toEqual(['0', '1']);
    expect(history.at(-1)?.acc).toBeGreaterThan(0.95);
    expect(history.at(-1)?.val_acc).toBeGreaterThan(0.85);
    const embeddings = readModel(base).nodes.find(({ op }) => op === 'Gather')?.inputs[0] ?? '';
    expect(weight(output, embeddings)).not.toEqual(weight(base, embeddings));
    expect(weight(output, embeddings)?.length).toBe(weight(base, embeddings)?.length);
    expect(await accuracyOf(output, samples)).toBeCloseTo(history.at(-1)?.val_acc ?? 0, 6);
  }, 120_000);

  it('fits a regression', async () => {
    const folder = temporaryFolder();
    const base = join(folder, 'dense.onnx');
    const output = join(folder, 'tuned.onnx');
    await convert(shared(`${models}dense_tensorflow_1.h5`), { output: base });
    const { x, y } = await arraysOf(folder, 4, {
      value: (random) => random.double() - 0.5,
      target: ([a = 0, b = 0, c = 0, d = 0]) => 2 * a - b + 0.5 * c * d + 0.25,
    });
    const { history, classes } = await train({
      base,
      arrays: { x, y, task: 'regression' },
      validationSplit: 0.25,
      output,
      at: 'dense_1',
      head: 'dense 16 tanh, dense 1',
      stages: [{ train: 'all', epochs: 60, schedule: 'cosine' }],
      optimizer: { name: 'adam', learningRate: 0.02 },
      batchSize: 16,
    });
    expect(classes).toBeUndefined();
    expect(history.at(-1)?.val_loss).toBeLessThan(0.01);
    expect(history[0]?.val_loss).toBeGreaterThan(0.05);
  }, 60_000);
});

/** Share of the last quarter, the rows that Keras' validation_split takes, that the file gets right. */
async function accuracyOf(path: string, samples: Float32Array): Promise<number> {
  const session = await openSession(readModel(path));
  try {
    const width = samples.length / count;
    const rows = samples.slice((count * 3 * width) / 4);
    const input = session.inputs[0];
    const output = session.outputs[0]?.name ?? '';
    const words = Int32Array.from(rows);
    const feed = { dtype: 'int32', shape: [count / 4, width], data: words } as const;
    const scores = (await session.run({ [input?.name ?? '']: feed }))[output]?.data;
    let right = 0;
    for (let row = 0; row < count / 4; row++) {
      const own = words.subarray(row * width, (row + 1) * width);
      const label = own.filter((word) => word === 3).length > 2;
      right += Number(Number(scores?.[row * 2 + 1]) > Number(scores?.[row * 2]) === label);
    }
    return right / (count / 4);
  } finally {
    await session.close();
  }
}
