import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { readImage } from '../../src/runtime/image.ts';
import { decodePlainJpeg, resizedPlainJpeg } from '../../src/runtime/jpeg.ts';
import { resize } from '../../src/runtime/resize.ts';
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
async function largeJpeg({
  width = 301,
  height = 203,
  chromaSubsampling = '4:4:4',
} = {}): Promise<Buffer> {
  const data = Buffer.alloc(width * height * 3);
  for (let at = 0; at < data.length; at++) data[at] = (at * 7 + (at >> 8) * 13) & 255;
  const raw = { width, height, channels: 3 } as const;
  return sharp(data, { raw }).blur(2).jpeg({ quality: 90, chromaSubsampling }).toBuffer();
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

describe.skipIf(!hasLibrary)('resizedPlainJpeg (needs the optional packages, on Linux)', () => {
  const many = [301, 302, 303, 319, 320, 5, 6, 17].flatMap((width) =>
    [203, 204, 16, 7, 1].map((height) => ({ width, height })),
  );

  it.each(['4:2:0', '4:4:4'])(
    'gives what sharp and resize give one after the other, at %s',
    async (chromaSubsampling) => {
      for (const { width, height } of many) {
        const jpeg = await largeJpeg({ width, height, chromaSubsampling });
        const data = await sharp(jpeg).raw().toBuffer();
        for (const how of ['nearest', 'bilinear'] as const) {
          for (const size of [
            [1, 1],
            [height, width],
            [9, 13],
          ] as const) {
            const expected = resize({ width, height, channels: 3, data }, size, how).data;
            const found = await resizedPlainJpeg(jpeg, everything, { size, resize: how });
            const about = `${width} × ${height} to ${size.join(' × ')}, ${how}`;
            expect(Buffer.compare(found?.data ?? new Uint8Array(0), expected), about).toBe(0);
          }
        }
      }
    },
  );

  it('keeps pictures that are resized at the same time apart', async () => {
    const sizes = Array.from({ length: 24 }, (_, i) => ({ width: 300 + i * 7, height: 203 }));
    const jpegs = await Promise.all(
      sizes.map(async (size) => largeJpeg({ ...size, chromaSubsampling: '4:2:0' })),
    );
    const to = { size: [10, 10], resize: 'nearest' } as const;
    const one: (Uint8Array | undefined)[] = [];
    for (const jpeg of jpegs) one.push((await resizedPlainJpeg(jpeg, everything, to))?.data);
    const all = await Promise.all(
      jpegs.map(async (jpeg) => (await resizedPlainJpeg(jpeg, everything, to))?.data),
    );
    expect(all).toEqual(one);
  });

  it('leaves a file cut short to sharp', async () => {
    const jpeg = await largeJpeg({ chromaSubsampling: '4:2:0' });
    const cut = jpeg.subarray(0, jpeg.length - 2000);
    const to = { size: [10, 10], resize: 'nearest' } as const;
    expect(await resizedPlainJpeg(cut, everything, to)).toBeUndefined();
  });
});

/** A progressive picture of 64 × 64 with empty scans over its luma behind those that it has. */
async function manyScans(count: number): Promise<Buffer> {
  const create = { width: 64, height: 64, channels: 3, background: '#a0522d' } as const;
  const jpeg = await sharp({ create }).jpeg({ progressive: true }).toBuffer();
  // A table (ITU-T T.81, B.2.4.2) with one code of one bit: the end of a block.
  const table = Buffer.from([
    0xff,
    0xc4,
    0,
    20,
    0x10,
    1,
    ...Array.from({ length: 15 }, () => 0),
    0,
  ]);
  // The coefficients 1 to 63 of component 1, all bits of them; then 64 blocks, a bit each.
  const scan = Buffer.from([0xff, 0xda, 0, 8, 1, 1, 0, 1, 63, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const scans = Array.from({ length: count }, () => scan);
  return Buffer.concat([jpeg.subarray(0, -2), table, ...scans, jpeg.subarray(-2)]);
}

describe.skipIf(!hasLibrary)('a JPEG of many scans (needs the optional packages, on Linux)', () => {
  const to = { size: [4, 4], resize: 'nearest' } as const;

  it('is decoded', async () => {
    const jpeg = await manyScans(400);
    expect(await decodePlainJpeg(jpeg, everything)).toBeDefined();
    expect(await resizedPlainJpeg(jpeg, everything, to)).toBeDefined();
  });

  it('is left to sharp when there are more than 500', async () => {
    const jpeg = await manyScans(600);
    expect(await decodePlainJpeg(jpeg, everything)).toBeUndefined();
    expect(await resizedPlainJpeg(jpeg, everything, to)).toBeUndefined();
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
