import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { augmented } from '../../../src/train/augment/augment.ts';
import { augmentSchema } from '../../../src/train/augment/settings.ts';

const cases = z.array(
  z.object({
    keras: z.union([z.literal(1), z.literal(2), z.literal(3)]),
    options: z.record(z.string(), z.unknown()),
    seed: z.number(),
    expected: z.array(z.number()),
  }),
);

function fixture(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../fixtures/${name}`, import.meta.url), 'utf8'));
}

const fixtures = z.object({ picture: z.array(z.number()), cases }).parse(fixture('augment.json'));

const brightness = z
  .object({ pictures: z.array(z.number()), brightness: cases })
  .parse(fixture('standardise.json'));

const pictureOf = (numbers: readonly number[]) => ({
  height: 5,
  width: 6,
  channels: 3,
  data: Float32Array.from(numbers.slice(0, 90)),
});

type Case = z.output<typeof cases>[number];

function expectKeras(picture: ReturnType<typeof pictureOf>, each: Case): void {
  const settings = augmentSchema.parse({ ...each.options, keras: each.keras });
  const { data } = augmented(picture, settings, each.seed);
  const worst = data.reduce(
    (most, value, i) => Math.max(most, Math.abs(value - (each.expected[i] ?? Number.NaN))),
    0,
  );
  // Three decimals in the file.
  expect(worst).toBeLessThan(0.002);
}

describe('augmented', () => {
  it.each(fixtures.cases)('does what Keras $keras does with $options after seed $seed', (each) => {
    expectKeras(pictureOf(fixtures.picture), each);
  });

  it.each(brightness.brightness)(
    'does what Keras $keras does with $options after seed $seed',
    (each) => {
      expectKeras(pictureOf(brightness.pictures), each);
    },
  );

  it('has no brightness in Keras 1, which had none', () => {
    const given = { brightness_range: [0.5, 1.5], keras: 1 };
    expect(augmentSchema.safeParse(given).error?.issues[0]?.message).toContain('Keras 1 has none');
  });
});
