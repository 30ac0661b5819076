import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readModel } from '../../../src/onnx/read.ts';
import { sizeOf } from '../../../src/tensor.ts';
import { openStore, type RowPlace } from '../../../src/train/cache.ts';
import { openStoredRows } from '../../../src/train/data/stored.ts';
import type { TrainEvent } from '../../../src/train/events.ts';
import type { TrainOptions } from '../../../src/train/options.ts';
import { dropoutMask, dropoutMasks } from '../../../src/train/random.ts';
import { train } from '../../../src/train/train.ts';
import { temporaryFolder } from '../../files.ts';
import { digitsModel } from '../base.ts';
import { writeDigits } from '../digits.ts';

async function placesOf(rows: readonly Float32Array[]): Promise<readonly RowPlace[]> {
  const store = openStore(temporaryFolder(), 'key', rows[0]?.length ?? 0);
  try {
    const half = rows.length / 2;
    const names = rows.map((row) => row.join(' '));
    const first = await store.append(names.slice(0, half), rows.slice(0, half));
    return [...first, ...(await store.append(names.slice(half), rows.slice(half)))];
  } finally {
    await store.close();
  }
}

describe('openStoredRows', () => {
  const rows = Array.from({ length: 10 }, (_, i) => Float32Array.of(i, i + 0.5, -i));

  it('gives rows in any order, in batches, from the batch that is wanted', async () => {
    const stored = await openStoredRows(await placesOf(rows), 3);
    const order = Uint32Array.of(7, 0, 9, 3, 3);
    const batches: number[][] = [];
    try {
      for await (const batch of stored.rows.batches({ order, batchSize: 2, epoch: 1, from: 1 })) {
        batches.push([...batch]);
      }
    } finally {
      await stored.close();
    }
    expect(batches).toEqual([
      [9, 9.5, -9, 3, 3.5, -3],
      [3, 3.5, -3],
    ]);
  });

  it('says which file was cut short', async () => {
    const places = await placesOf(rows);
    const file = places[0]?.file ?? '';
    await truncate(file, 9 * 12 + 4);
    const stored = await openStoredRows(places, 3);
    const order = Uint32Array.of(9);
    const read = async () => {
      for await (const batch of stored.rows.batches({ order, batchSize: 1, epoch: 1 })) {
        expect(batch).toBeUndefined();
      }
    };
    try {
      await expect(read()).rejects.toMatchObject({ code: 'FILE_TRUNCATED', where: { file } });
    } finally {
      await stored.close();
    }
  });
});

describe('dropoutMasks', () => {
  it('gives the whole mask part by part', () => {
    const next = dropoutMasks(5, 0.3);
    expect([...next(6), ...next(4), ...next(3)]).toEqual([...dropoutMask(5, 13, 0.3)]);
  });
});

describe('train with less memory than features', () => {
  let base: string;
  let few: Awaited<ReturnType<typeof writeDigits>>;

  beforeAll(async () => {
    base = await digitsModel();
    few = await writeDigits([8, 9], 40);
  }, 60_000);

  /** All weights and all measures. */
  async function outcome(more: Partial<TrainOptions>) {
    const output = join(temporaryFolder(), 'tuned.onnx');
    const words: string[] = [];
    const onEvent = (event: TrainEvent): void => {
      if (event.kind === 'plan') words.push(...event.stages.map(({ holding }) => holding.words));
    };
    const cache = temporaryFolder();
    const { train: folder, valid } = few;
    const options = { base, train: folder, valid, output, cache, batchSize: 7, onEvent, ...more };
    const { history, baselines } = await train(options);
    const weights = [...readModel(output).initializers].map(([name, tensor]) => {
      const bytes = tensor.read(0, sizeOf(tensor.shape));
      return [name, Buffer.from(bytes).toString('hex')] as const;
    });
    const records = history.map((record) => ({ ...record, seconds: 0 }));
    return { weights, words, history: records, baselines };
  }

  it.each<[string, Partial<TrainOptions>]>([
    ['a head with dropout', { stages: [{ train: 'head', epochs: 3 }], dropout: 0.25 }],
    [
      'stages whose frozen part learned before',
      { stages: ['conv5', 'dense'].map((what) => ({ train: what, epochs: 1 })) },
    ],
    [
      'changed passes',
      {
        stages: [{ train: 'head', epochs: 2 }],
        augment: { rotation_range: 10 },
        augmentPasses: 2,
        workers: 0,
      },
    ],
  ])(
    'gives the same bits as in memory: %s',
    async (_, options) => {
      const held = await outcome(options);
      const streamed = await outcome({ ...options, memory: 1 });
      expect(held.words[0]).not.toContain('read from disk');
      expect(streamed.words[0]).toContain('read from disk, since --memory is less');
      expect(streamed.history).toEqual(held.history);
      expect(streamed.baselines).toEqual(held.baselines);
      expect(held.baselines === undefined).toBe(options.stages?.[0]?.train === 'conv5');
      expect(streamed.weights).toEqual(held.weights);
    },
    120_000,
  );
});
