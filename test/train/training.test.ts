import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { denseHead, type Head } from '../../src/train/head.ts';
import type { LossName } from '../../src/train/losses.ts';
import { makeOptimizer, type OptimizerOptions } from '../../src/train/optimizers.ts';
import { openTraining, type Samples } from '../../src/train/training.ts';
import { expectClose } from '../tolerance.ts';

const numbers = z.array(z.number());
const after = z.object({ kernel: numbers, bias: numbers, losses: numbers });
const kept = z
  .object({
    features: numbers,
    labels: numbers,
    start: z.object({ kernel: numbers, bias: numbers }),
    after: z.object({ sgd: after, momentum: after, adam: after, rmsprop: after }),
  })
  .parse(JSON.parse(readFileSync(new URL('../fixtures/head.json', import.meta.url), 'utf8')));

const count = kept.labels.length;
const features = Float32Array.from(kept.features);
const inOrder = Array.from({ length: count }, (_, i) => i);

function startingAt(head: Head, ...start: readonly (readonly number[])[]): Head {
  const parameters = head.parameters.map((parameter, i) => ({
    ...parameter,
    numbers: Float32Array.from(start[i] ?? []),
  }));
  return { ...head, parameters };
}

const oneHot = Float32Array.from(
  kept.labels.flatMap((label) => [0, 1, 2].map((k) => (k === label ? 1 : 0))),
);

/** 30 epochs of one batch, as the numbers kept were made. */
async function fit(loss: LossName, options: OptimizerOptions) {
  const head = startingAt(
    denseHead({ features: 4, classes: 3 }),
    kept.start.kernel,
    kept.start.bias,
  );
  const targets =
    loss === 'sparse_categorical_crossentropy' ? BigInt64Array.from(kept.labels, BigInt) : oneHot;
  const optimizer = makeOptimizer(options);
  const training = await openTraining({ head, loss, optimizer, batchSize: count });
  try {
    const losses: number[] = [];
    const samples = { count, features, targets };
    for (let epoch = 0; epoch < 30; epoch++) {
      const { learningRate } = optimizer;
      losses.push((await training.epoch(samples, { order: inOrder, learningRate })).loss);
    }
    return { losses, parameters: training.parameters };
  } finally {
    await training.close();
  }
}

const runs = [
  ['sgd', { name: 'sgd', learningRate: 0.5 }],
  ['momentum', { name: 'sgd', learningRate: 0.1, momentum: 0.9 }],
  ['adam', { name: 'adam', learningRate: 0.05 }],
  ['rmsprop', { name: 'rmsprop', learningRate: 0.01 }],
] as const;

const close = { rtol: 0, atol: 1e-4 };

describe('a head on features of a frozen base', () => {
  it.each(runs)('ends where Keras 3 ends, with %s', async (name, options) => {
    const { losses, parameters } = await fit('sparse_categorical_crossentropy', options);
    const expected = kept.after[name];
    expectClose(losses, expected.losses, close);
    expectClose(parameters[0] ?? [], expected.kernel, close);
    expectClose(parameters[1] ?? [], expected.bias, close);
  });

  it('ends there too with one-hot targets, and with the loss as Keras computes it', async () => {
    for (const loss of ['categorical_crossentropy', 'keras_categorical_crossentropy'] as const) {
      const { losses } = await fit(loss, { name: 'adam', learningRate: 0.05 });
      expectClose(losses, kept.after.adam.losses, close);
    }
  });
});

const one = makeOptimizer({ name: 'sgd', learningRate: 1 });
const two: Samples = {
  count: 2,
  features: Float32Array.of(3, 5, 7, 11),
  targets: Float32Array.of(1, 0),
};

/** A head with one output and no bias to speak of: with the squared error everything can be worked out in the head. */
function regression(dropout = 0): Head {
  const dense = denseHead({ features: 2, classes: 1, dropout });
  return startingAt({ ...dense, output: (_, logits) => logits }, [0, 0], [0]);
}

describe('an epoch', () => {
  it('drops the features that the mask says and grows the others, without touching the measures after', async () => {
    const plan = { loss: 'mean_squared_error', optimizer: one, batchSize: 1 } as const;
    const training = await openTraining({ ...plan, head: regression(0.5) });
    try {
      const mask = Uint8Array.of(1, 0, 0, 0);
      await training.epoch(two, { order: [0, 1], learningRate: 1, mask });
      // Sample 0 as [6, 0]: error -1, so the kernel gains 2·6 and the bias 2. Sample 1 as [0, 0]: error 2, bias -4.
      expect(training.parameters.map((each) => [...each])).toEqual([[12, 0], [-2]]);
      const { loss, output } = await training.evaluate(two);
      expect([...output]).toEqual([34, 82]);
      expect(loss).toBe((33 ** 2 + 82 ** 2) / 2);
    } finally {
      await training.close();
    }
  });

  it('takes rows in the order given, a short last batch as a mean of its own', async () => {
    const plan = { loss: 'mean_squared_error', optimizer: one, batchSize: 2 } as const;
    const training = await openTraining({ ...plan, head: regression() });
    const three = {
      count: 3,
      features: Float32Array.of(9, 9, 1, 0, 0, 1),
      targets: Float32Array.of(0, 1, 1),
    };
    try {
      // Rows 1 and 2 first: both errors -1, kernel +[1, 1], bias +2. Then row 0 alone: output 20, kernel -[360, 360].
      const seen = await training.epoch(three, { order: [1, 2, 0], learningRate: 1 });
      expect(training.parameters.map((each) => [...each])).toEqual([[-359, -359], [-38]]);
      expect(seen.loss).toBe((1 + 1 + 400) / 3);
    } finally {
      await training.close();
    }
  });

  it('keeps the parameters as they were when the loss is no longer a number', async () => {
    const head = startingAt(denseHead({ features: 4, classes: 3 }), kept.start.kernel, [0, 0, 0]);
    const optimizer = makeOptimizer({ name: 'sgd', learningRate: 1e38 });
    const plan = { loss: 'categorical_crossentropy', optimizer, batchSize: 4 } as const;
    const training = await openTraining({ ...plan, head });
    try {
      const samples = { count, features, targets: oneHot };
      const run = training.epoch(samples, { order: inOrder, learningRate: 1e38 });
      await expect(run).rejects.toMatchObject({ code: 'TRAINING_DIVERGED' });
      expect(training.parameters[0]).toEqual(Float32Array.from(kept.start.kernel));
    } finally {
      await training.close();
    }
  });
});

describe('makeOptimizer', () => {
  it("has Keras' defaults by generation", () => {
    expect(makeOptimizer({ name: 'adam' })).toMatchObject({ learningRate: 0.001, keras: 3 });
    expect(makeOptimizer({ name: 'sgd' })).toMatchObject({ learningRate: 0.01, slots: [] });
  });

  it.each([
    [{ name: 'adam', momentum: 0.9 }, 'adam of Keras 3 has no momentum'],
    [{ name: 'rmsprop', nesterov: true }, 'rmsprop of Keras 3 has no nesterov'],
    [{ name: 'rmsprop', keras: 1, momentum: 0.9 }, 'rmsprop of Keras 1 has no momentum'],
    [{ name: 'sgd', momentum: Number.NaN }, '"momentum" should be from 0 to 1, but is NaN'],
  ] as const)('refuses %o, which would be passed over', (options, message) => {
    expect(() => makeOptimizer(options)).toThrow(message);
  });

  it('refuses two kinds of clipping under the rules of Keras 3', () => {
    const options = { name: 'sgd', clipnorm: 1, clipvalue: 0.5 } as const;
    expect(() => makeOptimizer(options)).toThrow('clipnorm 1 and clipvalue 0.5');
    expect(makeOptimizer({ ...options, keras: 1 })).toMatchObject({
      globalClipnorm: 1,
      clipvalue: 0.5,
    });
  });
});
