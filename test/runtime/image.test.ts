import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readImage } from '../../src/runtime/image.ts';
import { readNpy } from '../npy.ts';
import { hasShared, shared } from '../shared.ts';
import { expectFault } from './fault.ts';
import { imageFixture, pillowPixels } from './images.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'graft-image-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Largest difference, and the number of values that differ, so that a failure says how wrong it is. */
function difference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs((actual[i] ?? Number.NaN) - (expected[i] ?? Number.NaN)));
  }
  return largest;
}

describe('readImage', () => {
  it.each(pillowPixels.pictures)(
    'reads $file as Pillow does',
    async ({ file, width, height, rgb }) => {
      const pixels = await readImage(imageFixture(file));
      expect([pixels.width, pixels.height, pixels.channels]).toEqual([width, height, 3]);
      expect(difference(pixels.data, Buffer.from(rgb, 'base64'))).toBe(0);
    },
  );

  it('reads bytes as it reads files', async () => {
    const path = imageFixture('rgb.png');
    const fromFile = await readImage(path);
    expect(await readImage(readFileSync(path))).toEqual(fromFile);
  });

  it('turns colour into grey by the luma of ITU-R 601', async () => {
    const [first] = pillowPixels.grey;
    const pixels = await readImage(imageFixture(first.file), { color: 'gray' });
    expect(pixels.channels).toBe(1);
    expect(difference(pixels.data, Buffer.from(first.grey, 'base64'))).toBe(0);
  });

  it('names the file that does not exist', async () => {
    await expectFault(readImage(join(folder, 'none.png')), {
      code: 'FILE_MISSING',
      file: join(folder, 'none.png'),
    });
  });

  it.each([
    ['is empty', Buffer.alloc(0), 'it is empty'],
    ['is text', Buffer.from('not a picture at all, but some text'), 'it is none of PNG, JPEG'],
    ['is a drawing', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), 'it is none of PNG'],
    ['is a JPEG cut short', readFileSync(imageFixture('rgb.jpg')).subarray(0, 900), 'JPEG'],
    ['is a PNG cut short', readFileSync(imageFixture('rgb.png')).subarray(0, 900), 'png'],
    ['is a GIF cut short', readFileSync(imageFixture('animated.gif')).subarray(0, 300), ''],
    ['is a BMP cut short', readFileSync(imageFixture('rgb.bmp')).subarray(0, 300), 'cut short'],
    ['is a BMP header only', readFileSync(imageFixture('rgb.bmp')).subarray(0, 20), 'cut short'],
    ['is a bare JPEG marker', Buffer.from([0xff, 0xd8, 0xff]), ''],
  ])('refuses a file that %s, by name', async (_, bytes, reason) => {
    const path = join(folder, 'broken.jpg');
    await writeFile(path, bytes);
    await expectFault(readImage(path), { code: 'IMAGE_UNREADABLE', file: path, says: reason });
  });

  it('refuses a folder', async () => {
    await expectFault(readImage(folder), { code: 'IMAGE_UNREADABLE' });
  });

  it.each(['rgb.png', 'rgb.bmp', 'rgb.jpg', 'animated.gif'])(
    'refuses %s above the pixel limit before decoding it, and says the limit',
    async (file) => {
      await expectFault(readImage(imageFixture(file), { maxPixels: 100 }), {
        code: 'IMAGE_UNREADABLE',
        says: '100',
      });
    },
  );

  it('refuses a compressed bitmap and says what to do', async () => {
    const bytes = Buffer.from(readFileSync(imageFixture('palette.bmp')));
    bytes.writeUInt32LE(1, 30);
    await expectFault(readImage(bytes), { code: 'IMAGE_UNREADABLE', says: 'save it as PNG' });
  });
});

const manifest = z.object({
  cases: z.array(
    z.object({
      file: z.string(),
      image: z.string(),
      mode: z.string(),
      target_size: z.array(z.number()).nullable(),
    }),
  ),
});
type KerasCase = z.infer<typeof manifest>['cases'][number];

/** Of pictures at full size, as real Keras read them. */
function kerasCases(generation: string): readonly KerasCase[] {
  if (!hasShared) return [];
  const path = shared(`fixtures/${generation}/preprocess/manifest.json`);
  const { cases: found } = manifest.parse(JSON.parse(readFileSync(path, 'utf8')));
  return found.filter(({ file, mode, target_size: size }) => {
    return (
      size === null &&
      mode === 'rgb' &&
      existsSync(shared(`fixtures/${generation}/preprocess/${file}`))
    );
  });
}

const cases: readonly (readonly [string, string])[] = [
  ['b07-exif-orientation/exif_6.jpg', 'expected_6.npy'],
  ['b07-exif-orientation/exif_3.jpg', 'expected_3.npy'],
  ['b07-exif-orientation/exif_6.png', 'expected_exif_6_png.npy'],
  ['b07-exif-orientation/exif_6.webp', 'expected_exif_6_webp.npy'],
  ...['float.tif', 'gray16.png', 'gray16.tif', 'gray8.png', 'one_bit.png', 'rgb16.png'].map(
    (file) => [`b08-sixteen-bit/${file}`, `expected_${file.replaceAll('.', '_')}_rgb.npy`] as const,
  ),
  ...[
    'cmyk.tif',
    'cmyk_adobe.jpg',
    'cmyk_no_adobe.jpg',
    'rgb420.jpg',
    'rgb444_progressive.jpg',
  ].map((file) => [`b10-cmyk-jpeg/${file}`, `expected_${file.replaceAll('.', '_')}.npy`] as const),
  ...[
    'alpha.webp',
    'animated.gif',
    'animated.png',
    'animated.webp',
    'image.bmp',
    'image.tif',
    'lossless.webp',
    'lossy.webp',
    'palette.gif',
    'transparent.gif',
  ].map((file) => [`b11-gif-webp/${file}`, `expected_${file.replaceAll('.', '_')}.npy`] as const),
];

describe.skipIf(!hasShared)('readImage, against real Keras (skipped without ../shared)', () => {
  it.each(cases)('reads %s to the very bytes of load_img', async (file, expected) => {
    const { data } = await readImage(shared(`cases/${file}`));
    const folderOf = file.slice(0, file.indexOf('/'));
    expect(difference(data, readNpy(shared(`cases/${folderOf}/${expected}`)).data)).toBe(0);
  });

  it.each(kerasCases('k3-tensorflow'))(
    'reads $image as Keras 3 on Pillow 13',
    async ({ image, file }) => {
      const { data } = await readImage(shared(`fixtures/images/${image}`));
      const expected = readNpy(shared(`fixtures/k3-tensorflow/preprocess/${file}`));
      expect(difference(data, expected.data)).toBe(0);
    },
  );

  // Pillow 6 bundles IJG libjpeg 9, whose chroma upsampling differs: up to 36 levels with subsampled chroma, 6 without.
  it.each(kerasCases('k1.2.2-theano-th'))(
    'reads $image as Keras 1 on Pillow 6',
    async ({ image, file }) => {
      const pixels = await readImage(shared(`fixtures/images/${image}`));
      const expected = readNpy(shared(`fixtures/k1.2.2-theano-th/preprocess/${file}`));
      const isPlanar = expected.shape[0] === 3;
      const plane = pixels.width * pixels.height;
      const found = isPlanar
        ? Float32Array.from(
            pixels.data,
            (_, i) => pixels.data[(i % plane) * 3 + Math.floor(i / plane)] ?? 0,
          )
        : pixels.data;
      const isJpeg = image.endsWith('.jpg') && !image.startsWith('cmyk');
      expect(difference(found, expected.data)).toBeLessThanOrEqual(isJpeg ? 36 : 0);
    },
  );
});
