import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readImage } from '../../src/runtime/image.ts';
import { type Interpolation, resize } from '../../src/runtime/resize.ts';
import { readNpy } from '../npy.ts';
import { hasShared, shared } from '../shared.ts';
import { imageFixture, pillowPixels } from './images.ts';

const interpolations: readonly Interpolation[] = ['nearest', 'bilinear', 'bicubic'];

describe('resize', () => {
  it.each(pillowPixels.resized)(
    'gives the bytes of Pillow for $interpolation to $size',
    async ({ file, size, interpolation, rgb }) => {
      const pixels = await readImage(imageFixture(file));
      const { width, height, data } = resize(pixels, size, interpolation);
      expect([height, width]).toEqual(size);
      expect(Buffer.from(data).equals(Buffer.from(rgb, 'base64'))).toBe(true);
    },
  );

  it.each(pillowPixels.nearest)(
    'nearest shows the columns that Pillow shows for $from to $to',
    ({ from, to, columns }) => {
      const data = Uint8Array.from({ length: from * 3 }, (_, i) => {
        const column = Math.floor(i / 3);
        return [column >> 8, column & 255, 0][i % 3] ?? 0;
      });
      const result = resize({ width: from, height: 1, channels: 3, data }, [1, to], 'nearest').data;
      const shown = Array.from({ length: to }, (_, i) => {
        return (result[i * 3] ?? 0) * 256 + (result[i * 3 + 1] ?? 0);
      });
      expect(shown).toEqual(columns);
    },
  );

  it.each(interpolations)('%s keeps a picture that has the size already', (interpolation) => {
    const pixels = { width: 2, height: 1, channels: 1, data: Uint8Array.of(7, 9) } as const;
    expect(resize(pixels, [1, 2], interpolation)).toBe(pixels);
  });

  it.each(interpolations)('%s leaves one colour as it is', (interpolation) => {
    const data = new Uint8Array(5 * 7).fill(201);
    const result = resize({ width: 7, height: 5, channels: 1, data }, [11, 3], interpolation);
    expect([...new Set(result.data)]).toEqual([201]);
  });
});

const resizeCase = z.object({
  variants: z.array(
    z.object({ out: z.string(), shape: z.tuple([z.number(), z.number(), z.number()]) }),
  ),
});
type ResizeCase = z.infer<typeof resizeCase>;

const folder = 'cases/b05-load-img-resize';
const known = /^expected_(nearest|bilinear|bicubic)_/;

function variants(): ResizeCase['variants'] {
  if (!hasShared) return [];
  const text = readFileSync(shared(`${folder}/case.json`), 'utf8');
  const read = resizeCase.parse(JSON.parse(text));
  return read.variants.filter(({ out }) => known.test(out));
}

describe.skipIf(!hasShared)('resize, against real Keras (skipped without ../shared)', () => {
  it.each(variants())('gives $out of load_img(target_size)', async ({ out, shape }) => {
    const name = known.exec(out)?.[1];
    const interpolation = interpolations.find((candidate) => candidate === name) ?? 'nearest';
    const pixels = await readImage(shared(`${folder}/input.png`));
    const { data } = resize(pixels, [shape[0], shape[1]], interpolation);
    expect(Float32Array.from(data)).toEqual(readNpy(shared(`${folder}/${out}`)).data);
  });
});
