import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { augmented } from '../../../src/train/augment/augment.ts';
import { augmentSchema } from '../../../src/train/augment/settings.ts';

const fixtures = z
  .object({
    picture: z.array(z.number()),
    cases: z.array(
      z.object({
        keras: z.union([z.literal(1), z.literal(2), z.literal(3)]),
        options: z.record(z.string(), z.unknown()),
        seed: z.number(),
        expected: z.array(z.number()),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(new URL('../../fixtures/augment.json', import.meta.url), 'utf8')));

const picture = { height: 5, width: 6, channels: 3, data: Float32Array.from(fixtures.picture) };

describe('augmented', () => {
  it.each(fixtures.cases)('does what Keras $keras does with $options after seed $seed', (each) => {
    const settings = augmentSchema.parse({ ...each.options, keras: each.keras });
    const { data } = augmented(picture, settings, each.seed);
    const worst = data.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - (each.expected[i] ?? Number.NaN))),
      0,
    );
    // Three decimals in the file.
    expect(worst).toBeLessThan(0.002);
  });
});
