import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { fitLogistic } from '../../src/train/logistic.ts';
import { expectClose } from '../tolerance.ts';

const problem = z.object({
  features: z.array(z.array(z.number())),
  labels: z.array(z.number()),
  coefficients: z.array(z.array(z.number())),
  intercepts: z.array(z.number()),
  accuracy: z.number(),
});
const file = new URL('../fixtures/logistic.json', import.meta.url);
const problems = z
  .object({ two: problem, three: problem })
  .parse(JSON.parse(readFileSync(file, 'utf8')));

describe('fitLogistic', () => {
  it.each([
    ['two classes', problems.two, 2],
    ['three classes', problems.three, 3],
  ])(
    "finds scikit-learn's coefficients for %s, with a feature that is constant",
    (_, expected, classes) => {
      const { labels } = expected;
      const features = Float32Array.from(expected.features.flat());
      const rows = { features, labels, width: 4 };
      const model = fitLogistic(rows, { classes });
      const close = { rtol: 1e-5, atol: 1e-5 };
      expectClose(model.coefficients, expected.coefficients.flat(), close);
      expectClose(model.intercepts, expected.intercepts, close);
      expect(model.accuracy(rows)).toBeCloseTo(expected.accuracy, 12);
    },
  );

  it('stays finite where the classes are far apart', () => {
    const rows = {
      features: Float32Array.of(-1e3, -1e3 - 1, 1e3, 1e3 + 1),
      labels: [0, 0, 1, 1],
      width: 1,
    };
    expect(fitLogistic(rows, { classes: 2, c: 1e4 }).accuracy(rows)).toBe(1);
  });
});
