import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/train/network-feeds.ts';
import { type NetworkTraining, openNetworkTraining } from '../../src/train/network-training.ts';
import { optimizers } from '../../src/train/optimizers.ts';
import { hasShared, shared } from '../shared.ts';
import { expectClose } from '../tolerance.ts';
import { readTrace, type Trace } from './trace-network.ts';

type Update = 'pieces' | 'graph';

/**
 * A bias right before a BatchNormalization has no effect, so its gradient is rounding noise, which an optimizer that
 * divides by the gradient's own size turns into steps of nearly the learning rate; the running mean follows the bias.
 * In these traces both are compared to 1e-2 and then taken over from Keras after each epoch; all else agrees.
 */
const adrift = /bn__(rmsprop|adam)$/;

type Weights = Trace['epochs'][number]['weights'];

function takeOver(training: NetworkTraining, trace: Trace, weights: Weights): void {
  const drifting = trace.weights.filter(
    ({ name }, i) => name.endsWith('/mean') || (i === 1 && name.endsWith('/bias')),
  );
  const tensors = new Map(
    drifting.flatMap(({ keras, name, ordered }) => {
      const numbers = weights.find((each) => each.name === keras);
      return numbers ? [[name, ordered(numbers)] as const] : [];
    }),
  );
  expect(tensors.size).toBe(2);
  for (const [name, expected] of tensors) {
    expectClose(training.parameters().get(name) ?? [], expected, { rtol: 0, atol: 1e-2 });
  }
  training.load({ iteration: training.state().iteration, tensors });
}

const exact = { rtol: 0, atol: 1e-4 };

/** Trains as the trace was made, without shuffling, and compares what Keras reported and learnt after each epoch. */
async function follow(folder: string, keras: 1 | 3, update: Update): Promise<void> {
  const trace = readTrace(folder, keras);
  const isAdrift = adrift.test(folder);
  const training = await openNetworkTraining(trace.plan, { update });
  try {
    for (const { logs, weights } of trace.epochs) {
      const seen = await epoch(training, trace);
      if (isAdrift) takeOver(training, trace, weights);
      const after = await training.evaluate(trace.valid);
      expectMeasures(logs, {
        loss: seen.loss / trace.train.count,
        val_loss: after.loss,
        acc: seen.correct / trace.train.count,
        val_acc: after.correct / trace.valid.count,
      });
      expectWeights(training, trace, weights);
    }
  } finally {
    await training.close();
  }
}

function expectMeasures(
  logs: Readonly<Record<string, number>>,
  found: Readonly<Record<string, number>>,
): void {
  for (const [name, value] of Object.entries(found)) {
    const expected = logs[name] ?? logs[name.replace('acc', 'accuracy')];
    if (expected !== undefined) expectClose([value], [expected], exact);
  }
}

function expectWeights(training: NetworkTraining, trace: Trace, weights: Weights): void {
  for (const numbers of weights) {
    const weight = trace.weights.find(({ keras: name }) => name === numbers.name);
    const own = weight && training.parameters().get(weight.name);
    if (own) expectClose(own, weight.ordered(numbers), exact);
  }
}

async function epoch(
  training: NetworkTraining,
  { plan, train }: Trace,
): Promise<{ readonly loss: number; readonly correct: number }> {
  const sums = { loss: 0, correct: 0 };
  for (let from = 0; from < train.count; from += plan.batchSize) {
    const { learningRate } = plan.optimizer;
    const batch = part(train, from, Math.min(train.count, from + plan.batchSize));
    const { loss, correct } = await training.step(batch, { learningRate });
    sums.loss += loss * batch.count;
    sums.correct += correct;
  }
  return sums;
}

function part({ inputs, targets, weights, count }: Batch, from: number, to: number): Batch {
  const width = targets.length / count;
  return {
    count: to - from,
    inputs: inputs.map((rows) =>
      rows.slice((from * rows.length) / count, (to * rows.length) / count),
    ),
    targets: targets.slice(from * width, to * width),
    weights: weights?.slice(from, to),
  };
}

const own = fileURLToPath(new URL('../fixtures/train', import.meta.url));
const kept = readdirSync(own, { withFileTypes: true }).filter((entry) => entry.isDirectory());
const generations = { 'k1.2.2-theano-th': 1, 'k3-tensorflow': 3 } as const;
const folders = Object.entries(generations).flatMap(([generation, keras]) => {
  const folder = shared(`fixtures/${generation}`);
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names
    .filter((name) => name.startsWith('train_'))
    .map((name) => [`${generation} ${name}`, `${folder}/${name}`, keras] as const);
});

it.skipIf(!hasShared)('finds the traces of both generations beside the checkout', () => {
  expect(folders.length).toBe(62);
});

it('has a kept trace for every optimizer of the table', () => {
  const named = kept.map(({ name }) => name.split('__')[1]?.split('_')[0]);
  expect(named).toEqual(expect.arrayContaining(Object.keys(optimizers)));
});

describe.each(['pieces', 'graph'] as const)('updating in %s, trains as Keras does', (update) => {
  it.each(kept.map(({ name }) => name))('kept trace %s', async (name) => {
    await follow(`${own}/${name}`, name.startsWith('k1') ? 1 : 3, update);
  });

  it.each(folders)('%s', async (_, folder, keras) => {
    await follow(folder, keras, update);
  });
});
