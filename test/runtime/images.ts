import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const folder = new URL('../fixtures/images/', import.meta.url);

/** Absolute path of a picture made by test/fixtures/images/make_images.py. */
export function imageFixture(file: string): string {
  return fileURLToPath(new URL(file, folder));
}

const pillow = z.object({
  pictures: z.array(
    z.object({ file: z.string(), width: z.number(), height: z.number(), rgb: z.base64() }),
  ),
  grey: z.tuple([z.object({ file: z.string(), grey: z.base64() })]),
  resized: z.array(
    z.object({
      file: z.string(),
      interpolation: z.enum(['nearest', 'bilinear', 'bicubic']),
      /** Height and width. */
      size: z.tuple([z.number(), z.number()]),
      rgb: z.base64(),
    }),
  ),
  /** Source columns that NEAREST shows when a picture of `from` columns becomes `to` wide. */
  nearest: z.array(z.object({ from: z.number(), to: z.number(), columns: z.array(z.number()) })),
});

/** What Pillow says of these pictures; bytes in base64. */
export const pillowPixels = pillow.parse(
  JSON.parse(readFileSync(new URL('pillow.json', folder), 'utf8')),
);
