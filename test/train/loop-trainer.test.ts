import { expect, it } from 'vitest';
import { denseHead } from '../../src/train/head.ts';
import { openLoopTrainer } from '../../src/train/loop-trainer.ts';
import { makeOptimizer } from '../../src/train/optimizers.ts';
import { RandomState } from '../../src/train/random.ts';
import { memoryRows, type Rows } from '../../src/train/rows.ts';
import { noProgress } from '../../src/train/trainer.ts';

const [count, width, classes] = [53, 5, 3];

/** Odd numbers of rows, features and rows a batch: the mask's pairs fall across rows and batches. */
async function trained(rows: Rows, runBytes: number) {
  const random = new RandomState(7);
  const targets = new Float32Array(count * classes);
  for (let row = 0; row < count; row++) targets[row * classes + random.below(classes)] = 1;
  const plan = {
    head: denseHead({ features: width, classes, seed: 1, dropout: 0.3 }),
    loss: 'categorical_crossentropy',
    optimizer: makeOptimizer({ name: 'adam', learningRate: 0.05 }),
    batchSize: 3,
  } as const;
  const trainer = await openLoopTrainer(plan, { runBytes });
  try {
    const done = [];
    for (const epoch of [1, 2]) {
      const order = new RandomState(epoch).permutation(count);
      const run = { examples: { rows, targets }, order, epoch, seed: epoch, from: noProgress };
      done.push(await trainer.epoch({ ...run, rate: () => 0.05 }));
    }
    return { done, ...trainer.state(), measures: await trainer.evaluate({ rows, targets }) };
  } finally {
    await trainer.close();
  }
}

it('gives the same bits in one run of an epoch as in several', async () => {
  const rows = memoryRows(new RandomState(3).uniform(-1, 1, count * width), width);
  const whole = await trained(rows, 2 ** 20);
  // 2 batches of 3 rows a run: 9 runs, the last of 5 rows.
  const parts = await trained({ ...rows, memory: undefined }, 1);
  expect(whole.iteration).toBe(36);
  expect(parts).toEqual(whole);
});
