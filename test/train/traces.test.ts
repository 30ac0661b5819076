import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { denseHead, type Head } from '../../src/train/head.ts';
import { makeOptimizer, type OptimizerOptions } from '../../src/train/optimizers.ts';
import { openTraining, type Samples } from '../../src/train/training.ts';
import { readNpy } from '../npy.ts';
import { hasShared, shared } from '../shared.ts';
import { expectClose } from '../tolerance.ts';

const numbers = z.object({ data: z.array(z.number()), shape: z.array(z.number()) });
const setting = z.number().nullish();
const trace = z.object({
  batch_size: z.number(),
  loss: z.literal('categorical_crossentropy'),
  optimizer: z.enum(['SGD', 'RMSprop', 'Adam']),
  optimizer_config: z.object({
    lr: setting,
    learning_rate: setting,
    decay: setting,
    momentum: setting,
    nesterov: z.boolean().optional(),
    rho: setting,
    centered: z.boolean().optional(),
    beta_1: setting,
    beta_2: setting,
    amsgrad: z.boolean().optional(),
    epsilon: setting,
    clipnorm: setting,
    clipvalue: setting,
  }),
  initial_weights: z.array(numbers),
  per_epoch: z.array(
    z.object({ logs: z.record(z.string(), z.number()), weights: z.array(numbers) }),
  ),
});
type Trace = z.infer<typeof trace>;

const names = { SGD: 'sgd', RMSprop: 'rmsprop', Adam: 'adam' } as const;

function optionsOf({ optimizer, optimizer_config: c }: Trace, keras: 1 | 3): OptimizerOptions {
  return {
    name: names[optimizer],
    keras,
    learningRate: c.lr ?? c.learning_rate ?? undefined,
    decay: c.decay ?? undefined,
    momentum: c.momentum ?? undefined,
    nesterov: c.nesterov,
    rho: c.rho ?? undefined,
    centered: c.centered,
    beta1: c.beta_1 ?? undefined,
    beta2: c.beta_2 ?? undefined,
    amsgrad: c.amsgrad,
    epsilon: c.epsilon ?? undefined,
    clipnorm: c.clipnorm ?? undefined,
    clipvalue: c.clipvalue ?? undefined,
  };
}

function samples(folder: string, part: '' | 'val'): Samples {
  const features = readNpy(`${folder}/X${part}.npy`);
  const targets = readNpy(`${folder}/Y${part}.npy`);
  return { count: features.shape[0] ?? 0, features: features.data, targets: targets.data };
}

/** Dense layers with relu between them and softmax at the end, with the trace's first weights. */
function headOf({ initial_weights: weights }: Trace): Head {
  const features = weights[0]?.shape[0] ?? 0;
  const classes = weights.at(-1)?.shape[0] ?? 0;
  return {
    ...denseHead({ features, classes }),
    parameters: weights.map(({ shape, data }, i) => ({
      name: `weight${i}`,
      shape,
      numbers: Float32Array.from(data),
    })),
    logits(graph, x, parameters) {
      const layers = parameters.length / 2;
      return Array.from({ length: layers }, (_, i) => i).reduce((value, i) => {
        const [kernel, bias] = parameters.slice(2 * i, 2 * i + 2);
        if (!kernel || !bias) throw new Error('a layer has a kernel and a bias');
        const y = graph.add('Gemm', [value, kernel, bias], {});
        return i < layers - 1 ? graph.add('Relu', [y]) : y;
      }, x);
    },
  };
}

/** Trains as the trace was made: no shuffling, and the same first weights. */
async function follow(folder: string, keras: 1 | 3): Promise<void> {
  const expected = trace.parse(JSON.parse(readFileSync(`${folder}/trace.json`, 'utf8')));
  const head = headOf(expected);
  const optimizer = makeOptimizer(optionsOf(expected, keras));
  const plan = { head, loss: 'categorical_crossentropy', optimizer } as const;
  const training = await openTraining({ ...plan, batchSize: expected.batch_size });
  const [train, valid] = [samples(folder, ''), samples(folder, 'val')];
  const order = Array.from({ length: train.count }, (_, i) => i);
  try {
    for (const { logs, weights } of expected.per_epoch) {
      const learningRate = optimizer.learningRate;
      const seen = await training.epoch(train, { order, learningRate });
      const after = await training.evaluate(valid);
      expectClose(
        [seen.loss, seen.accuracy, after.loss, after.accuracy],
        ['loss', 'acc', 'val_loss', 'val_acc'].map(
          (name) => logs[name] ?? logs[name.replace('acc', 'accuracy')] ?? Number.NaN,
        ),
        { rtol: 0, atol: 1e-4 },
      );
      weights.forEach(({ data }, i) => {
        expectClose(training.parameters[i] ?? [], data, { rtol: 0, atol: 1e-4 });
      });
    }
  } finally {
    await training.close();
  }
}

const own = fileURLToPath(new URL('../fixtures/train', import.meta.url));

describe('an epoch trains as Keras does', () => {
  it.each(readdirSync(own))('kept trace %s', async (name) => {
    await follow(`${own}/${name}`, name.startsWith('k1') ? 1 : 3);
  });

  const kinds = /^train_(dense|mlp)__(sgd|rmsprop|adam)(_|$)/;
  const folders = (['k1.2.2-theano-th', 'k3-tensorflow'] as const).flatMap((generation) => {
    const folder = shared(`fixtures/${generation}`);
    return existsSync(folder)
      ? readdirSync(folder)
          .filter((name) => kinds.test(name))
          .map((name) => [generation, name] as const)
      : [];
  });

  it.skipIf(!hasShared)('finds the traces of both generations beside the checkout', () => {
    expect(folders.length).toBe(25);
  });

  it.each(folders)('%s %s', async (generation, name) => {
    await follow(shared(`fixtures/${generation}/${name}`), generation.startsWith('k1') ? 1 : 3);
  });
});
