import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { convert } from '../../src/convert/convert.ts';
import { openSession } from '../../src/runtime/session.ts';
import { temporaryFolder } from '../files.ts';
import { expectClose } from '../tolerance.ts';
import { encodeNpy } from './npy.ts';
import { pythonMissing, runPython, scriptPath } from './python.ts';

const makeVgg16 = fileURLToPath(new URL('../../bench/make_vgg16.py', import.meta.url));
const missing =
  process.env['GRAFT_FULL'] === '1'
    ? pythonMissing(['numpy', 'h5py'])
    : ' (skipped: a minute and 1.1 GB of disk; set GRAFT_FULL=1)';

/** Pixels [2, 3, 224, 224] of 0 to 255 that look like nothing: a fixed linear congruential sequence. */
function pixels(): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const shape = [2, 3, 224, 224];
  let state = 2024;
  const next = (): number => {
    // Numerical Recipes' constants
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  };
  return { shape, data: Float32Array.from({ length: 2 * 3 * 224 * 224 }, next) };
}

const rows = z.array(z.array(z.number()));

describe.skipIf(missing)(`VGG16 in its full size${missing}`, { timeout: 600_000 }, () => {
  it('has 138,357,544 parameters and says what plain NumPy says of the .h5', async () => {
    const folder = temporaryFolder();
    const weights = join(folder, 'vgg16.h5');
    const images = join(folder, 'pixels.npy');
    const input = pixels();
    writeFileSync(images, encodeNpy(input));
    await runPython(makeVgg16, { args: [weights] });
    const printed = await runPython(scriptPath('vgg16_numpy.py'), { args: [weights, images] });
    const expected = rows.parse(JSON.parse(printed));

    const report = await convert(weights);
    expect(report.parameters).toBe(138_357_544);
    expect(report.recipe).toBe('fastai-vgg16');
    expect(report.kernels).toBe('theano');
    rmSync(weights);

    const session = await openSession({ path: report.output });
    try {
      const name = session.inputs[0]?.name ?? '';
      const [output] = Object.values(await session.run({ [name]: { dtype: 'float32', ...input } }));
      expect(output?.shape).toEqual([2, 1000]);
      // As random as the weights are, the two pictures must not be all the same to the network.
      expect(expected[0]).not.toEqual(expected[1]);
      expectClose(Float32Array.from(output?.data ?? [], Number), expected.flat());
    } finally {
      await session.close();
    }
  });
});
