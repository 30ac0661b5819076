import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePng, readImage } from '../../src/runtime/image.ts';
import type { Pixels } from '../../src/runtime/pixels.ts';
import { contactSheet, writeContactSheet } from '../../src/show/sheet.ts';

let folder = '';
let red = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'graft-sheet-'));
  red = join(folder, 'red.png');
  const data = Uint8Array.from({ length: 40 * 20 * 3 }, (_, i) => (i % 3 === 0 ? 200 : 0));
  await writeFile(red, await encodePng({ width: 40, height: 20, channels: 3, data }));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

type Color = readonly [red: number, green: number, blue: number];

function colorAt({ data, width }: Pixels, x: number, y: number): Color {
  const at = (y * width + x) * 3;
  return [data[at] ?? 0, data[at + 1] ?? 0, data[at + 2] ?? 0];
}

/** Pixels below the first picture that are darker than paper. */
function ink(sheet: Pixels, cell: number): number {
  let count = 0;
  for (let y = 16 + cell; y < 16 + cell + 26; y++) {
    for (let x = 0; x < sheet.width; x++) count += colorAt(sheet, x, y)[0] < 128 ? 1 : 0;
  }
  return count;
}

describe('contactSheet', () => {
  it('puts pictures into a grid about square, on white', async () => {
    const items = Array.from({ length: 5 }, () => ({ file: red, title: '' }));
    const sheet = await readImage(await contactSheet(items, { cell: 40 }));
    // Three columns, two rows; 16 pixels between, 26 for a title.
    expect([sheet.width, sheet.height]).toEqual([16 + 3 * 56, 16 + 2 * 82]);
    expect(colorAt(sheet, 0, 0)).toEqual([255, 255, 255]);
    expect(colorAt(sheet, 16 + 56 + 20, 16 + 82 + 20)).toEqual([200, 0, 0]);
    expect(colorAt(sheet, 16 + 2 * 56 + 20, 16 + 82 + 20)).toEqual([255, 255, 255]);
  });

  it('keeps proportions, in the middle of the field', async () => {
    const sheet = await readImage(await contactSheet([{ file: red, title: '' }], { cell: 40 }));
    expect(colorAt(sheet, 17, 16 + 11)).toEqual([200, 0, 0]);
    expect(colorAt(sheet, 17, 16 + 9)).toEqual([255, 255, 255]);
    expect(colorAt(sheet, 17, 16 + 31)).toEqual([255, 255, 255]);
  });

  it('writes a title under the picture, without fonts', async () => {
    const without = await readImage(await contactSheet([{ file: red, title: '' }]));
    const titled = await readImage(await contactSheet([{ file: red, title: 'Käfer 93.92%' }]));
    expect(ink(without, 160)).toBe(0);
    expect(ink(titled, 160)).toBeGreaterThan(100);
  });

  it('cuts a title that is wider than its picture', async () => {
    const long = await contactSheet([{ file: red, title: 'German shepherd '.repeat(40) }]);
    const sheet = await readImage(long);
    for (let y = 16 + 160; y < sheet.height; y++) {
      expect(colorAt(sheet, 12, y)).toEqual([255, 255, 255]);
      expect(colorAt(sheet, sheet.width - 12, y)).toEqual([255, 255, 255]);
    }
    expect(ink(sheet, 160)).toBeGreaterThan(100);
  });

  it('takes any title as text, not as markup', async () => {
    const title = '<b>&"猫\u0000\n</svg>';
    await expect(contactSheet([{ file: red, title }])).resolves.toBeInstanceOf(Uint8Array);
  });

  it('leaves a crossed field for a picture that cannot be read', async () => {
    const items = [{ file: join(folder, 'none.png'), title: 'gone' }];
    const sheet = await readImage(await contactSheet(items, { cell: 40 }));
    expect(colorAt(sheet, 20, 16 + 30)).toEqual([238, 238, 238]);
  });

  it('names a picture that cannot be read', async () => {
    const path = join(folder, 'none.png');
    const skipped: string[] = [];
    const items = [
      { file: red, title: 'here' },
      { file: path, title: 'gone' },
    ];
    await contactSheet(items, { cell: 40, onSkip: (skip) => skipped.push(skip.path) });
    expect(skipped).toEqual([path]);
  });

  it('refuses a sheet that is too large to draw', async () => {
    const items = Array.from({ length: 9 }, () => ({ file: red, title: 'one' }));
    await expect(contactSheet(items, { cell: 5000 })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
  });

  it('refuses an empty sheet', async () => {
    await expect(contactSheet([])).rejects.toMatchObject({ code: 'DATASET_EMPTY' });
  });
});

describe('writeContactSheet', () => {
  it('keeps a file that is there, unless forced', async () => {
    const path = join(folder, 'sheet.png');
    await writeContactSheet(path, [{ file: red, title: 'one' }]);
    const again = writeContactSheet(path, [{ file: red, title: 'two' }]);
    await expect(again).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
    await writeContactSheet(path, [{ file: red, title: 'two' }], { force: true });
    expect((await readImage(path)).width).toBe(16 + 160 + 16);
  });
});
