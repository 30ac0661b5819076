import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { convert } from '../../src/convert/convert.ts';
import { readModel } from '../../src/onnx/read.ts';
import { sizeOf } from '../../src/tensor.ts';
import type { Batch } from '../../src/train/network-feeds.ts';
import type { NetworkPlan } from '../../src/train/network-plan.ts';
import { type NetworkTraining, openNetworkTraining } from '../../src/train/network-training.ts';
import { makeOptimizer, type OptimizerName, optimizers } from '../../src/train/optimizers.ts';
import { replay } from '../../src/train/replay.ts';
import { temporaryFolder } from '../files.ts';
import { expectClose } from '../tolerance.ts';

const root = fileURLToPath(new URL('../fixtures/train-recurrent', import.meta.url));
const kept = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());

const traceFile = z.object({
  batch_size: z.number(),
  steps: z.number(),
  classes: z.number(),
  optimizer: z.looseObject({
    name: z.string(),
    learning_rate: z.number(),
    momentum: z.number().optional(),
    clipnorm: z.number().nullish(),
  }),
  logs: z.array(z.record(z.string(), z.number())),
  x: z.array(z.number()),
  y: z.array(z.number()),
  valid_x: z.array(z.number()),
  valid_y: z.array(z.number()),
  predicted: z.array(z.number()),
});
type Trace = z.infer<typeof traceFile>;

function optimizerOf({ optimizer }: Trace) {
  const name = optimizer.name.toLowerCase();
  if (!(name in optimizers)) throw new Error(`no optimizer ${name}`);
  return makeOptimizer({
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- just looked up
    name: name as OptimizerName,
    keras: 3,
    learningRate: optimizer.learning_rate,
    momentum: optimizer.momentum || undefined,
    clipnorm: optimizer.clipnorm ?? undefined,
  });
}

/** All weights of the network learn, as they do in Keras. */
function planOf(path: string, trace: Trace): NetworkPlan {
  const { graph, end } = replay(readModel(path));
  graph.output(end);
  const learning = [...graph.initializers].filter(
    ([, { dtype, shape }]) => dtype === 'float32' && shape.length > 1,
  );
  const biases = [...graph.initializers.keys()].filter((name) => name.endsWith('/bias'));
  const names = new Set([...learning.map(([name]) => name), ...biases]);
  return {
    graph,
    parameters: [...names].map((name) => ({ name })),
    loss: 'categorical_crossentropy',
    optimizer: optimizerOf(trace),
    batchSize: trace.batch_size,
  };
}

function samples(trace: Trace, of: 'train' | 'valid'): Batch {
  const [x, y] = of === 'train' ? [trace.x, trace.y] : [trace.valid_x, trace.valid_y];
  const targets = new Float32Array(y.length * trace.classes);
  y.forEach((label, row) => {
    targets[row * trace.classes + label] = 1;
  });
  return { inputs: [Float32Array.from(x)], targets, count: y.length };
}

function part({ inputs, targets, count }: Batch, from: number, to: number): Batch {
  const rows = <T extends Batch['targets']>(all: T): T =>
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a part of an array is of its kind
    all.slice((from * all.length) / count, (to * all.length) / count) as T;
  return { count: to - from, inputs: inputs.map((each) => rows(each)), targets: rows(targets) };
}

async function epoch(training: NetworkTraining, trace: Trace, { optimizer }: NetworkPlan) {
  const train = samples(trace, 'train');
  let loss = 0;
  for (let from = 0; from < train.count; from += trace.batch_size) {
    const batch = part(train, from, Math.min(train.count, from + trace.batch_size));
    const seen = await training.step(batch, { learningRate: optimizer.learningRate });
    loss += seen.loss * batch.count;
  }
  return loss / train.count;
}

/** The weights that the converter makes of the model that Keras trained: ONNX's order of gates, Keras' numbers. */
async function expectWeights(training: NetworkTraining, trained: string): Promise<void> {
  const path = join(temporaryFolder(), 'trained.onnx');
  await convert(trained, { output: path });
  const { initializers } = readModel(path);
  for (const [name, numbers] of training.parameters()) {
    const tensor = initializers.get(name);
    if (!tensor) throw new Error(`Keras' model has no ${name}`);
    const bytes = tensor.read(0, sizeOf(tensor.shape)).slice();
    expectClose(numbers, new Float32Array(bytes.buffer), { rtol: 0, atol: 1e-4 });
  }
}

describe.each(['pieces', 'graph'] as const)('updating in %s, trains as Keras does', (update) => {
  it.each(kept.map(({ name }) => name))('%s', async (name) => {
    const folder = join(root, name);
    const trace = traceFile.parse(JSON.parse(readFileSync(join(folder, 'trace.json'), 'utf8')));
    const base = join(temporaryFolder(), 'base.onnx');
    await convert(join(folder, 'model.keras'), { output: base });
    const plan = planOf(base, trace);
    const training = await openNetworkTraining(plan, { update });
    try {
      for (const logs of trace.logs) {
        const loss = await epoch(training, trace, plan);
        const after = await training.evaluate(samples(trace, 'valid'));
        const found = [loss, after.loss, after.correct / trace.valid_y.length];
        const expected = ['loss', 'val_loss', 'val_acc'].map((key) => logs[key] ?? Number.NaN);
        expectClose(found, expected, { rtol: 0, atol: 1e-4 });
      }
      const { output } = await training.evaluate(samples(trace, 'valid'));
      expectClose(output, trace.predicted, { rtol: 0, atol: 1e-4 });
      await expectWeights(training, join(folder, 'trained.keras'));
    } finally {
      await training.close();
    }
  });
});

it('has kept traces', () => {
  expect(kept.length).toBeGreaterThan(8);
});
