import { describe, expect, it } from 'vitest';
import { fitHead } from '../../src/train/fit.ts';
import { denseHead } from '../../src/train/head.ts';
import { makeOptimizer } from '../../src/train/optimizers.ts';

describe('fitHead', () => {
  it('fits class numbers as it fits the targets that they stand for', async () => {
    const labels = [0, 1, 1, 0, 1, 0];
    const features = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i));
    const fits = [
      ['categorical_crossentropy', 2, labels.flatMap((label) => [1 - label, label])],
      ['binary_crossentropy', 1, labels],
      ['sparse_categorical_crossentropy', 2, BigInt64Array.from(labels, BigInt)],
    ] as const;
    for (const [loss, classes, numbers] of fits) {
      const targets = numbers instanceof BigInt64Array ? numbers : Float32Array.from(numbers);
      const plan = {
        head: denseHead({ features: 2, classes, seed: 1 }),
        loss,
        optimizer: makeOptimizer({ name: 'sgd', learningRate: 0.5 }),
        batchSize: 2,
        epochs: 2,
        seed: 3,
        shuffle: true,
      };
      const given = { count: 6, features, targets };
      const asTargets = await fitHead({ ...plan, train: given, valid: given });
      const labelled = { features, labels };
      const asLabels = await fitHead({ ...plan, train: labelled, valid: labelled });
      expect(asLabels.numbers).toEqual(asTargets.numbers);
      expect(asLabels.history.at(-1)?.val_loss).toBe(asTargets.history.at(-1)?.val_loss);
      const wrong = { features, labels: [0, 1, 2, 0, 1, 0] };
      await expect(fitHead({ ...plan, train: wrong })).rejects.toMatchObject({
        code: 'DATASET_CLASSES',
      });
    }
  });
});
