import { expect, it } from 'vitest';
import { meanBaseline } from '../../src/train/mean-baseline.ts';

it('is how far the mean of the training samples is off, output by output', () => {
  // Means 2 and 20; off by 1 and 5, by 3 and 0.
  const train = Float32Array.of(1, 10, 3, 30);
  expect(meanBaseline(train, Float32Array.of(3, 15, 5, 20), 2)).toBe((1 + 5 + 3 + 0) / 4);
});
