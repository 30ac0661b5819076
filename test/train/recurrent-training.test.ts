import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { convert } from '../../src/convert/convert.ts';
import { readModel } from '../../src/onnx/read.ts';
import { openSession, type Tensor } from '../../src/runtime/session.ts';
import { openNetworkTraining } from '../../src/train/network-training.ts';
import { makeOptimizer, type OptimizerName } from '../../src/train/optimizers.ts';
import { replay } from '../../src/train/replay.ts';
import { train } from '../../src/train/train.ts';
import { temporaryFolder } from '../files.ts';
import { npyBytes } from '../numpy-file.ts';
import { expectClose } from '../tolerance.ts';

const traceFile = z.object({
  steps: z.number(),
  batch_size: z.number(),
  x: z.array(z.number()),
  y: z.array(z.number()),
  valid_x: z.array(z.number()),
  valid_y: z.array(z.number()),
  predicted: z.array(z.number()),
  logs: z.array(z.record(z.string(), z.number())),
});

/** A trace's model as a file, and its samples as NumPy files. */
async function filesOf(name: string) {
  const root = fileURLToPath(new URL(`../fixtures/train-recurrent/${name}/`, import.meta.url));
  const trace = traceFile.parse(JSON.parse(readFileSync(join(root, 'trace.json'), 'utf8')));
  const folder = temporaryFolder();
  const base = join(folder, 'base.onnx');
  await convert(join(root, 'model.keras'), { output: base });
  const path = (part: string): string => join(folder, `${part}.npy`);
  const rows = async (part: string, numbers: readonly number[], count: number): Promise<void> => {
    const width = numbers.length / count / trace.steps;
    const shape = width === 1 ? [count, trace.steps] : [count, trace.steps, width];
    await writeFile(path(part), npyBytes('<f4', shape, Float32Array.from(numbers)));
  };
  await rows('x', trace.x, trace.y.length);
  await rows('valid_x', trace.valid_x, trace.valid_y.length);
  await writeFile(path('y'), npyBytes('<i4', [trace.y.length], Int32Array.from(trace.y)));
  const held = npyBytes('<i4', [trace.valid_y.length], Int32Array.from(trace.valid_y));
  await writeFile(path('valid_y'), held);
  const arrays = { x: path('x'), y: path('y'), validX: path('valid_x'), validY: path('valid_y') };
  return { trace, base, arrays, output: join(folder, 'tuned.onnx') };
}

type Files = Awaited<ReturnType<typeof filesOf>>;

async function predictions(path: string, { trace }: Files): Promise<Float32Array> {
  const session = await openSession(readModel(path));
  try {
    const [input] = session.inputs;
    const [count, width] = [trace.valid_y.length, trace.valid_x.length / trace.valid_y.length];
    const inner = width / trace.steps;
    const shape = inner === 1 ? [count, trace.steps] : [count, trace.steps, inner];
    const feed: Tensor =
      inner === 1
        ? { dtype: 'int32', shape, data: Int32Array.from(trace.valid_x) }
        : { dtype: 'float32', shape, data: Float32Array.from(trace.valid_x) };
    const [output] = Object.values(await session.run({ [input?.name ?? '']: feed }));
    return Float32Array.from(output?.data ?? [], Number);
  } finally {
    await session.close();
  }
}

describe('train on a recurrent network', () => {
  it.each([
    ['lstm__sgd', 'sgd', 0.3, 0.9],
    ['lstm_plain__sgd', 'sgd', 0.3, undefined],
    ['gru_before__adam', 'adam', 0.02, undefined],
    ['bidirectional_lstm__adam', 'adam', 0.02, undefined],
  ] as const)(
    'writes a model that predicts what the one that Keras trained does: %s',
    async (...[name, optimizer, learningRate, momentum]) => {
      const files = await filesOf(name);
      const { history } = await train({
        base: files.base,
        arrays: files.arrays,
        output: files.output,
        head: 'keep',
        stages: [{ train: 'all', epochs: files.trace.logs.length }],
        optimizer: settingsOf(optimizer, learningRate, momentum),
        batchSize: files.trace.batch_size,
        shuffle: false,
        checkpoints: false,
      });
      const losses = history.map(({ val_loss: loss = Number.NaN }) => loss);
      const expected = files.trace.logs.map((logs) => logs['val_loss'] ?? Number.NaN);
      expectClose(losses, expected, { rtol: 0, atol: 1e-4 });
      const found = await predictions(files.output, files);
      expectClose(found, files.trace.predicted, { rtol: 0, atol: 1e-4 });
    },
  );

  it('drops numbers of sequences, whose steps lie before the batch', async () => {
    const { base, trace } = await filesOf('lstm__adam');
    const model = readModel(base);
    const { graph, end } = replay(model);
    graph.output(end);
    const inner = model.nodes.find(({ op }) => op === 'LSTM')?.outputs[0] ?? '';
    const plan = {
      graph,
      parameters: [{ name: 'dense_1/kernel' }].filter(({ name }) => graph.initializers.has(name)),
      dropout: [{ at: inner, rate: 0.5 }],
      loss: 'categorical_crossentropy' as const,
      optimizer: makeOptimizer({ name: 'sgd', learningRate: 0 }),
      batchSize: 5,
    };
    const training = await openNetworkTraining(plan);
    try {
      const inputs = [Float32Array.from(trace.x.slice(0, 5 * trace.steps))];
      const targets = Float32Array.from({ length: 15 }, (_, i) => +(i % 3 === 0));
      const step = async (seed: number): Promise<number> =>
        (await training.step({ inputs, targets, count: 5 }, { learningRate: 0, seed })).loss;
      const [first, second, again] = [await step(1), await step(2), await step(1)];
      expect(second).not.toBe(first);
      expect(again).toBe(first);
    } finally {
      await training.close();
    }
  });
});

function settingsOf(name: OptimizerName, learningRate: number, momentum: number | undefined) {
  return { name, learningRate, keras: 3 as const, ...(momentum !== undefined && { momentum }) };
}
