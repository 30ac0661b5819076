import { z } from 'zod';
import type { Preprocess } from '../onnx/card.ts';
import type { LabelledFile } from '../runtime/folder.ts';
import { openPicturePool } from './augment/pool.ts';
import { stopPoint } from './interruption.ts';

/** How pictures are brought to mean 0 and deviation 1, under the names of Keras' ImageDataGenerator. */
export const standardiseSchema = z.strictObject({
  /** From each picture its own mean is subtracted. */
  samplewise_center: z.boolean().default(false),
  /** And it is divided by its own deviation. */
  samplewise_std_normalization: z.boolean().default(false),
  /** From each channel the mean of that channel in all training pictures is subtracted. */
  featurewise_center: z.boolean().default(false),
  /** And it is divided by the deviation. */
  featurewise_std_normalization: z.boolean().default(false),
});

type Standardisation = z.output<typeof standardiseSchema>;
export type StandardiseOptions = z.input<typeof standardiseSchema>;

/** Pictures that are read at once. */
const atOnce = 32;

/** How pictures are read. */
interface Reading {
  readonly preprocess: Preprocess;
  readonly workers?: number | undefined;
  /** Looked at between pictures. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * What the new model's card says of it: the numbers of the training pictures, as they are before any change.
 *
 * Dividing by a deviation means subtracting the mean too, as in Keras. Pictures that cannot be read do not count.
 * Source: keras src/legacy/preprocessing/image.py, ImageDataGenerator.fit.
 */
export async function fittedTo(
  files: readonly LabelledFile[],
  wanted: Standardisation,
  reading: Reading,
): Promise<NonNullable<Preprocess['standardise']>> {
  const isScaled = wanted.samplewise_std_normalization;
  const samplewise = {
    ...((wanted.samplewise_center || isScaled) && { samplewise_center: true }),
    ...(isScaled && { samplewise_std_normalization: true }),
  };
  const isDivided = wanted.featurewise_std_normalization;
  if (!wanted.featurewise_center && !isDivided) return samplewise;
  const sums = await channelSums(files, reading);
  const { mean, std } = sums.result();
  return { ...samplewise, mean, ...(isDivided && { std }) };
}

async function channelSums(
  files: readonly LabelledFile[],
  { preprocess, workers, signal }: Reading,
): Promise<ChannelSums> {
  const { standardise: _, ...plain } = preprocess;
  const pool = openPicturePool({ preprocess: plain, augment: undefined }, { workers });
  const sums = new ChannelSums(preprocess);
  try {
    for (let at = 0; at < files.length; at += atOnce) {
      await stopPoint(signal, 'while pictures were read');
      const some = files.slice(at, at + atOnce).map(({ path }) => pool.read(path, 0));
      const read = (await Promise.all(some)).flatMap((each) => ('data' in each ? [each.data] : []));
      for (const picture of read) sums.add(picture);
    }
  } finally {
    await pool.close();
  }
  return sums;
}

/** Sums of the numbers of each channel, and of their squares. */
class ChannelSums {
  readonly #plane: number;
  readonly #isPlanar: boolean;
  readonly #sums: { value: number; square: number; count: number }[];

  constructor({ size, layout, color }: Preprocess) {
    this.#plane = size[0] * size[1];
    this.#isPlanar = layout === 'nchw';
    const channels = color === 'gray' ? 1 : 3;
    this.#sums = Array.from({ length: channels }, () => ({ value: 0, square: 0, count: 0 }));
  }

  add(picture: Float32Array): void {
    picture.forEach((value, i) => {
      const channel = this.#isPlanar ? Math.floor(i / this.#plane) : i % this.#sums.length;
      const sum = this.#sums[channel];
      if (!sum) return;
      sum.value += value;
      sum.square += value * value;
      sum.count += 1;
    });
  }

  result(): { readonly mean: number[]; readonly std: number[] } {
    const mean = this.#sums.map(({ value, count }) => value / Math.max(1, count));
    const std = this.#sums.map(({ square, count }, i) =>
      Math.sqrt(Math.max(0, square / Math.max(1, count) - (mean[i] ?? 0) ** 2)),
    );
    return { mean, std };
  }
}
