import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openPicturePool } from '../../../src/train/augment/pool.ts';
import { augmentSchema } from '../../../src/train/augment/settings.ts';
import { builtLibrary } from '../../built.ts';
import { writeDigits } from '../digits.ts';

const preprocess = {
  size: [32, 32] as [number, number],
  resize: 'nearest' as const,
  layout: 'nchw' as const,
  color: 'rgb' as const,
  mode: 'tf' as const,
  rescale: 0.5,
  inGraph: '',
};

describe('openPicturePool', () => {
  it('gives the same numbers from workers as in the calling thread', async () => {
    const { train } = await writeDigits([8], 6);
    const file = pathToFileURL(join(await builtLibrary(), 'augment-worker.mjs'));
    const augment = augmentSchema.parse({ rotation_range: 20, channel_shift_range: 10 });
    const plan = { preprocess, augment };
    const pools = [
      openPicturePool(plan, { workers: 0 }),
      openPicturePool(plan, { workers: 2, file }),
    ];
    try {
      const paths = [1, 2, 3].map((i) => join(train, '8', `000${i}.png`));
      const all = await Promise.all(
        pools.map((pool) =>
          Promise.all(
            [...paths, join(train, 'none.png')].map((path, seed) => pool.read(path, seed)),
          ),
        ),
      );
      expect(all[0]).toEqual(all[1]);
      const [first, , , missing] = all[0] ?? [];
      expect(missing).toMatchObject({ reason: 'The picture does not exist' });
      const data = first && 'data' in first ? first.data : new Float32Array(0);
      expect(data.length).toBe(3 * 32 * 32);
      // Black is (0 / 127.5 - 1) / 2 = -0.5, white 0.5.
      expect(Math.min(...data)).toBeGreaterThanOrEqual(-0.5);
      expect(Math.max(...data)).toBeLessThanOrEqual(0.5);
    } finally {
      for (const pool of pools) await pool.close();
    }
  }, 60_000);
});
