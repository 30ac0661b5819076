import { describe, expect, it } from 'vitest';
import { baselinesOf, nearestAccuracy } from '../../src/train/baselines.ts';
import { memoryRows } from '../../src/train/rows.ts';

const rows = (features: readonly number[], labels: readonly number[]) => ({
  rows: memoryRows(Float32Array.from(features), 2),
  labels,
});

describe('baselinesOf', () => {
  const train = rows([1, 0, 2, 0.2, 3, 0.1, 0, 1, 0.1, 5], [0, 0, 0, 1, 1]);
  const valid = rows([9, 1, 1, 9, 1, 8], [0, 1, 1]);

  it('measures the commonest class, the nearest rows and a regression', async () => {
    expect(await baselinesOf(train, valid, { classes: 2 })).toEqual({
      majority: 1 / 3,
      neighbours: 1,
      logistic: 1,
    });
  });

  it('goes by the direction of rows, not by their length', async () => {
    // By distance [9, 9.1] would be nearest to [8, 8], by cosine to [1, 1.01].
    const known = rows([1, 1.01, 9, 4, 4, 9], [1, 0, 0]);
    expect(await nearestAccuracy(known, rows([8, 8], [1]), 1)).toBe(1);
  });
});
