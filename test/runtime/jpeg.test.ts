import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { readImage } from '../../src/runtime/image.ts';
import { decodePlainJpeg } from '../../src/runtime/jpeg.ts';
import { expectFault } from './fault.ts';
import { imageFixture, pillowPixels } from './images.ts';

const isInstalled = ['koffi', '@julusian/jpeg-turbo/package.json'].every((name) => {
  try {
    return createRequire(import.meta.url).resolve(name) !== '';
  } catch {
    return false;
  }
});
const hasLibrary =
  isInstalled && process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
const everything = Number.MAX_SAFE_INTEGER;

const bytesOf = (file: string): Buffer => readFileSync(imageFixture(file));

/** A JPEG that is too large to be decoded at once: every pixel its own, so that a wrong row or column shows. */
async function largeJpeg(): Promise<Buffer> {
  const [width, height] = [301, 203];
  const data = Buffer.alloc(width * height * 3);
  for (let at = 0; at < data.length; at++) data[at] = (at * 7 + (at >> 8) * 13) & 255;
  const raw = { width, height, channels: 3 } as const;
  return sharp(data, { raw }).blur(2).jpeg({ quality: 90, chromaSubsampling: '4:4:4' }).toBuffer();
}

describe.skipIf(!hasLibrary)('decodePlainJpeg (needs the optional packages, on Linux)', () => {
  it.each(['rgb.jpg', 'subsampled.jpg', 'grey.jpg', 'turned.jpg'])(
    'gives the values of Pillow for %s',
    async (file) => {
      const expected = pillowPixels.pictures.find((picture) => picture.file === file);
      const pixels = await decodePlainJpeg(bytesOf(file), everything);
      expect(pixels).toMatchObject({ width: expected?.width, height: expected?.height });
      expect(Buffer.from(pixels?.data ?? []).toString('base64')).toBe(expected?.rgb);
    },
  );

  it('gives the values of sharp for a picture that is decoded in a thread', async () => {
    const jpeg = await largeJpeg();
    const pixels = await decodePlainJpeg(jpeg, everything);
    const expected = await sharp(jpeg).raw().toBuffer();
    expect(Buffer.compare(pixels?.data ?? new Uint8Array(0), expected)).toBe(0);
  });

  it('leaves CMYK to sharp', async () => {
    expect(await decodePlainJpeg(bytesOf('cmyk.jpg'), everything)).toBeUndefined();
  });

  it('decodes nothing with more pixels than the limit', async () => {
    expect(await decodePlainJpeg(bytesOf('rgb.jpg'), 30 * 44 - 1)).toBeUndefined();
    expect(await decodePlainJpeg(bytesOf('rgb.jpg'), 30 * 44)).toBeDefined();
  });

  it.each([0, 3, 200, 900])('leaves a file cut short to sharp: %i bytes', async (length) => {
    expect(await decodePlainJpeg(bytesOf('rgb.jpg').subarray(0, length), everything)).toBe(
      undefined,
    );
  });

  it('decodes many at a time', async () => {
    const jpeg = await largeJpeg();
    const all = await Promise.all(
      Array.from({ length: 40 }, async () => decodePlainJpeg(jpeg, everything)),
    );
    const first = all[0]?.data ?? new Uint8Array(0);
    expect(first).toHaveLength(301 * 203 * 3);
    expect(all.every((pixels) => pixels && Buffer.compare(pixels.data, first) === 0)).toBe(true);
  });
});

describe('readImage of JPEGs', () => {
  it('refuses a large file cut short as it refuses a small one', async () => {
    const jpeg = await largeJpeg();
    const cut = jpeg.subarray(0, jpeg.length - 2000);
    await expectFault(readImage(cut), { code: 'IMAGE_UNREADABLE' });
  });

  it('never crashes on bytes that were changed', async () => {
    const jpeg = await largeJpeg();
    for (let at = 2; at < jpeg.length; at += 97) {
      const broken = Buffer.from(jpeg);
      broken[at] = 255 - (broken[at] ?? 0);
      const outcome = await readImage(broken, { maxPixels: 1_000_000 }).then(
        ({ width, height, data }) => data.length === width * height * 3,
        (fault: unknown) => fault instanceof Error && 'code' in fault,
      );
      expect(outcome).toBe(true);
    }
  });
});
