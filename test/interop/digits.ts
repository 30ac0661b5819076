import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { z } from 'zod';
import { convert } from '../../src/convert/convert.ts';
import { openSession } from '../../src/runtime/session.ts';
import { train } from '../../src/train/train.ts';
import { readNpy } from '../npy.ts';

const checkout = (relative: string): string =>
  fileURLToPath(new URL(`../../${relative}`, import.meta.url));

/** Sixteen pictures [16, 3, 32, 32] of digits, and what the real Keras 1.2.2 on Theano said of them [16, 8]. */
export const digits = {
  weights: checkout('models/digits_vgg.h5'),
  inputPath: checkout('test/fixtures/digits_vgg/input.npy'),
  input: () => readNpy(checkout('test/fixtures/digits_vgg/input.npy')),
  expected: () => readNpy(checkout('test/fixtures/digits_vgg/expected.npy')),
} as const;

/** The small VGG16 of the digits 0 to 7, converted; the path of the ONNX file. */
export async function convertedDigits(folder: string): Promise<string> {
  const output = join(folder, 'digits.onnx');
  await convert(digits.weights, { output });
  return output;
}

/** The same with a new head that tells 8 from 9, trained for some epochs and spliced in. */
export async function retrainedDigits(folder: string): Promise<string> {
  const output = join(folder, 'retrained.onnx');
  const base = await convertedDigits(folder);
  const pictures = join(folder, 'pictures');
  await writePictures(pictures, [8, 9], 40);
  await train({
    base,
    train: pictures,
    output,
    epochs: 3,
    optimizer: { name: 'adam', learningRate: 0.01 },
    cache: join(folder, 'cache'),
  });
  return output;
}

/** The model's first output for the sixteen pictures, in Node; `outputs` cuts it at other values. */
export async function runDigits(
  path: string,
  outputs?: readonly string[],
): Promise<ArrayLike<number>> {
  const session = await openSession({ path }, { outputs });
  try {
    const [input] = session.inputs;
    const [output] = session.outputs;
    if (!input || !output) throw new Error(`${path} has no input or no output`);
    const results = await session.run({ [input.name]: { dtype: 'float32', ...digits.input() } });
    return Float32Array.from(results[output.name]?.data ?? [], Number);
  } finally {
    await session.close();
  }
}

const mnist = dirname(createRequire(import.meta.url).resolve('mnist/package.json'));
const grey = z.object({ data: z.array(z.number()) });

/** As the network was trained: 28×28 padded to 32×32, the grey repeated in R, G and B; one folder a class. */
async function writePictures(
  folder: string,
  classes: readonly number[],
  count: number,
): Promise<void> {
  for (const digit of classes) {
    const text = await readFile(join(mnist, `src/digits/${digit}.json`), 'utf8');
    const { data } = grey.parse(JSON.parse(text));
    const levels = Uint8Array.from(data.slice(0, count * 784), (level) => Math.round(level * 255));
    await mkdir(join(folder, String(digit)), { recursive: true });
    for (let i = 0; i < count; i++) {
      const pixels = levels.subarray(i * 784, (i + 1) * 784);
      await sharp(pixels, { raw: { width: 28, height: 28, channels: 1 } })
        .extend({ top: 2, bottom: 2, left: 2, right: 2, background: '#000' })
        .toColourspace('srgb')
        .png()
        .toFile(join(folder, String(digit), `${i}.png`));
    }
  }
}
