import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Preprocess } from '../../src/onnx/card.ts';
import { readCard } from '../../src/onnx/card.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodePng } from '../../src/runtime/image.ts';
import { loadModel } from '../../src/runtime/model.ts';
import { predict } from '../../src/runtime/predict.ts';
import { fittedTo, standardiseSchema } from '../../src/train/standardisation.ts';
import { train } from '../../src/train/train.ts';
import { temporaryFolder } from '../files.ts';
import { expectClose } from '../tolerance.ts';
import { digitsModel } from './base.ts';
import { writeDigits } from './digits.ts';

const { pictures, standardised } = z
  .object({
    pictures: z.array(z.number()),
    standardised: z.array(
      z.object({
        options: z.record(z.string(), z.unknown()),
        mean: z.array(z.number()).nullable(),
        std: z.array(z.number()).nullable(),
      }),
    ),
  })
  .parse(
    JSON.parse(readFileSync(new URL('../fixtures/standardise.json', import.meta.url), 'utf8')),
  );

async function files(): Promise<{ path: string; label: number }[]> {
  const folder = join(temporaryFolder(), 'all');
  mkdirSync(folder);
  return Promise.all(
    [0, 1, 2, 3].map(async (i) => {
      const data = Uint8Array.from(pictures.slice(90 * i, 90 * (i + 1)));
      const path = join(folder, `${i}.png`);
      writeFileSync(path, await encodePng({ width: 6, height: 5, channels: 3, data }));
      return { path, label: 0 };
    }),
  );
}

describe('fittedTo', () => {
  it.each(standardised.filter(({ mean }) => mean))(
    'finds what Keras’ fit finds: $options',
    async ({ options, mean, std }) => {
      const { rescale, ...wanted } = options;
      const preprocess: Preprocess = {
        size: [5, 6],
        resize: 'nearest',
        layout: 'nhwc',
        color: 'rgb',
        mode: 'none',
        ...(typeof rescale === 'number' && { rescale }),
        inGraph: '',
      };
      const how = { preprocess, workers: 0 };
      const found = await fittedTo(await files(), standardiseSchema.parse(wanted), how);
      expectClose(found.mean ?? [], mean ?? []);
      expectClose(found.std ?? [], std ?? []);
    },
  );
});

describe('train with standardised pictures', () => {
  it('writes a model that standardises what it predicts', async () => {
    const base = await digitsModel();
    const few = await writeDigits([8, 9], 30);
    const output = join(temporaryFolder(), 'tuned.onnx');
    const { history } = await train({
      base,
      train: few.train,
      valid: few.valid,
      output,
      cache: false,
      standardise: { featurewise_std_normalization: true, samplewise_center: true },
      epochs: 4,
    });
    const { preprocess } = readCard(readModel(output));
    expect(preprocess?.standardise).toMatchObject({ samplewise_center: true });
    expect(preprocess?.standardise?.std?.length).toBe(3);
    const loaded = await loadModel(output);
    try {
      const losses: number[] = [];
      for (const digit of ['8', '9']) {
        const names = [0, 5, 10, 15, 20, 25].map((i) => `${String(i).padStart(4, '0')}.png`);
        const paths = names.map((name) => join(few.valid, digit, name));
        for await (const { top } of predict(loaded, paths, { top: 2 })) {
          const own = top.find(({ label }) => label === digit);
          losses.push(-Math.log(own?.probability ?? Number.NaN));
        }
      }
      const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
      // With the pictures as they are the loss is another.
      expect(mean).toBeCloseTo(history.at(-1)?.val_loss ?? Number.NaN, 4);
    } finally {
      await loaded.close();
    }
  }, 60_000);
});
