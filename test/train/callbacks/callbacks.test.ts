import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { freshStopping, lookAt } from '../../../src/train/callbacks/early-stopping.ts';
import { afterPlateau, freshPlateau } from '../../../src/train/callbacks/plateau.ts';
import { saturatedIn } from '../../../src/train/callbacks/saturation.ts';

const shared = {
  keras: z.union([z.literal(1), z.literal(3)]),
  monitor: z.enum(['val_loss', 'val_acc']),
  patience: z.number(),
  values: z.array(z.number()),
};
const fixtures = z
  .array(
    z.discriminatedUnion('kind', [
      z.object({
        kind: z.literal('stopping'),
        ...shared,
        delta: z.number(),
        stopped: z.number().nullable(),
        restored: z.number().nullable(),
      }),
      z.object({
        kind: z.literal('plateau'),
        ...shared,
        cooldown: z.number(),
        rates: z.array(z.number()),
      }),
    ]),
  )
  .parse(
    JSON.parse(readFileSync(new URL('../../fixtures/callbacks.json', import.meta.url), 'utf8')),
  );
const stopping = fixtures.filter((each) => each.kind === 'stopping');
const plateaus = fixtures.filter((each) => each.kind === 'plateau');

describe('lookAt', () => {
  it('stops where Keras stops, and knows its best epoch', () => {
    expect(stopping.length).toBeGreaterThan(100);
    for (const { keras, monitor, patience, delta, values, stopped, restored } of stopping) {
      const settings = {
        monitor,
        patience,
        minDelta: delta,
        keras,
        startFromEpoch: 0,
        baseline: undefined,
      };
      let state = freshStopping;
      let over: number | null = null;
      for (const [i, value] of values.entries()) {
        const verdict = lookAt(settings, state, i + 1, { loss: 0, acc: 0, [monitor]: value });
        state = verdict.state;
        if (!verdict.isOver) continue;
        over = i + 1;
        break;
      }
      expect({ keras, monitor, patience, delta, values, over }).toMatchObject({ over: stopped });
      // Keras 1 knows no best weights.
      if (keras === 3) expect(state.bestEpoch).toBe(restored);
    }
  });
});

describe('afterPlateau', () => {
  it('lowers the rate where Keras lowers it', () => {
    expect(plateaus.length).toBeGreaterThan(100);
    for (const { keras, monitor, patience, cooldown, values, rates } of plateaus) {
      const numbers = { factor: 0.5, patience, cooldown, min_lr: 0.01, min_delta: 1e-4 };
      let state = freshPlateau;
      const found = values.map((value) => {
        const measures = { loss: 0, acc: 0, [monitor]: value };
        state = afterPlateau({ monitor, keras, rate: 0.1, numbers }, state, measures);
        return Number((0.1 * state.factor).toFixed(6));
      });
      expect({ keras, monitor, patience, cooldown, values, found }).toMatchObject({ found: rates });
    }
  });
});

describe('saturatedIn', () => {
  it('counts what is wrong with full confidence', () => {
    const output = Float32Array.of(1, 0, 1, 0, 0.9, 0.1, 0, 1);
    const oneHot = Float32Array.of(0, 1, 1, 0, 0, 1, 1, 0);
    expect(saturatedIn(output, oneHot, 4)).toBe(2);
    expect(saturatedIn(output, BigInt64Array.of(1n, 0n, 1n, 0n), 4)).toBe(2);
    expect(saturatedIn(Float32Array.of(1, 0), Float32Array.of(0, 1), 2)).toBe(0);
  });
});
