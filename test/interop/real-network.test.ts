import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convert } from '../../src/convert/convert.ts';
import { loadModel } from '../../src/runtime/model.ts';
import { predict } from '../../src/runtime/predict.ts';
import { verify } from '../../src/verify/verify.ts';
import { temporaryFolder } from '../files.ts';
import { readNpy } from '../npy.ts';
import { hasShared, shared } from '../shared.ts';

const network = shared('real/stm32ai-modelzoo-fork/mobilenet_v1_0.25_224');
const photos = shared('real/images/imagenet_check');

interface Photo {
  readonly file: string;
  readonly top5: readonly (readonly [
    index: number,
    id: string,
    name: string,
    probability: number,
  ])[];
}

describe.skipIf(!hasShared)('MobileNet with ImageNet’s weights (skipped without ../shared)', () => {
  it('says of photos what Keras says of them', async () => {
    const folder = temporaryFolder();
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the script that made the probabilities writes this
    const known = JSON.parse(readFileSync(join(photos, 'expected_top5.json'), 'utf8')) as {
      photos: readonly Photo[];
    };
    const expected = readNpy(join(photos, 'expected_probs.npy'));
    const { output } = await convert(`${network}.h5`, {
      output: join(folder, 'mobilenet.onnx'),
      preprocess: 'tf',
    });
    const model = await loadModel(output);
    try {
      const files = known.photos.map(({ file }) => join(photos, file));
      let row = 0;
      for await (const { top } of predict(model, files, { top: 1000 })) {
        const probabilities = new Float32Array(1000);
        for (const { index, probability } of top) probabilities[index] = probability;
        const theirs = expected.data.subarray(row * 1000, (row + 1) * 1000);
        const furthest = probabilities.reduce(
          (most, p, i) => Math.max(most, Math.abs(p - (theirs[i] ?? 0))),
          0,
        );
        expect(furthest).toBeLessThan(1e-4);
        expect(top.slice(0, 5).map(({ index }) => index)).toEqual(
          known.photos[row]?.top5.map(([index]) => index),
        );
        row += 1;
      }
      expect(row).toBe(4);
    } finally {
      await model.close();
    }
  });

  it('agrees with Keras on the numbers that were put into it', async () => {
    const { output } = await convert(`${network}.h5`, {
      output: join(temporaryFolder(), 'mobilenet.onnx'),
    });
    const found = await verify(output, [`${network}.input.npy`, `${network}.expected.npy`]);
    expect(found.isEqual).toBe(true);
  });
});
