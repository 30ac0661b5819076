import { performance } from 'node:perf_hooks';
import { ToolkitError } from '../errors.ts';
import { type ImageBatch, imageBatches } from './batches.ts';
import type { SkippedFile } from './folder.ts';
import { classNames, type LoadedModel } from './model.ts';

/** One class and its score. */
export interface Score {
  readonly index: number;
  /** The class' name, or its index where the model names none. */
  readonly label: string;
  /** Between 0 and 1 where the model ends in a softmax or sigmoid; else the score as the model gives it. */
  readonly probability: number;
}

/** What the model says of one picture: the best classes first. */
export interface Prediction {
  readonly file: string;
  readonly top: readonly Score[];
  /** Whether the scores of all classes are probabilities: each in 0..1, together 1. */
  readonly isDistribution: boolean;
}

/** When one run of the model began and ended, in milliseconds of `performance.now()`. */
interface RunTime {
  readonly start: number;
  readonly end: number;
  /** Images in it. */
  readonly batch: number;
}

/** How pictures are predicted. */
export interface PredictOptions {
  /** Images a run; default 8, or 1 for fewer than 8 files. A model with a fixed batch size has its own. */
  readonly batch?: number | undefined;
  /** Classes a picture. Default 5. */
  readonly top?: number | undefined;
  /** A picture that cannot be read is an error instead of being passed over. Default false. */
  readonly strict?: boolean | undefined;
  readonly maxPixels?: number | undefined;
  /** Told of pictures that are passed over. Without it, a file that is not there is an error. */
  readonly onSkip?: ((skipped: SkippedFile) => void) | undefined;
  /** Called after each run with the number of pictures done, and of all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly onRun?: ((time: RunTime) => void) | undefined;
}

const defaultBatch = 8;

/**
 * Predicts pictures in the order given, decoding the next ones while the model runs.
 *
 * Pictures that cannot be read are passed over and reported to `onSkip`. Throws RUNTIME_FAILED, OPTION_INVALID for what
 * is no path, FILE_MISSING unless there is `onSkip`, and when strict IMAGE_UNREADABLE and FILE_MISSING.
 */
export async function* predict(
  model: LoadedModel,
  paths: string | readonly string[],
  options: PredictOptions = {},
): AsyncGenerator<Prediction> {
  const files = checkedPaths(paths);
  const { preprocess, fixedBatch } = model;
  const batch = fixedBatch ?? options.batch ?? fittingBatch(files);
  let done = 0;
  const { onProgress = () => undefined, top = 5 } = options;
  for await (const images of imageBatches(files, { ...options, preprocess, batch })) {
    const rows = await scoresOf(model, images, options);
    // Those that were passed over lie before the last one of the batch.
    for (const file of images.files) done = files.indexOf(file, done) + 1;
    onProgress(done, files.length);
    for (const [i, file] of images.files.entries()) {
      yield predictionOf(model, { file, scores: rows[i] ?? [], top });
    }
  }
  if (done < files.length) onProgress(files.length, files.length);
}

function fittingBatch(files: readonly string[]): number {
  return files.length < defaultBatch ? 1 : defaultBatch;
}

/** JavaScript may give anything, such as the bytes of a picture. */
function checkedPaths(paths: unknown): readonly string[] {
  if (typeof paths === 'string') return [paths];
  const isList = Array.isArray(paths);
  if (isList && paths.every((path) => typeof path === 'string')) return paths;
  const wrong: unknown = isList ? paths.find((path) => typeof path !== 'string') : paths;
  const kind = ArrayBuffer.isView(wrong) ? 'bytes' : typeof wrong;
  throw new ToolkitError('OPTION_INVALID', `Paths of pictures are needed, but ${kind} were given`, {
    hint: "Give the paths: predict(model, ['cat.jpg']). Bytes of a picture have to lie in a file.",
  });
}

/** One row of scores an image. */
async function scoresOf(
  { session, input, output, fixedBatch }: LoadedModel,
  images: ImageBatch,
  { onRun }: PredictOptions,
): Promise<readonly ArrayLike<number>[]> {
  const count = images.files.length;
  const { data, shape } = fixedBatch === undefined ? images : filledUp(images, fixedBatch);
  const start = performance.now();
  const results = await session.run({ [input.name]: { dtype: 'float32', shape, data } }, [
    output.name,
  ]);
  onRun?.({ start, end: performance.now(), batch: count });
  const scores = Float64Array.from(results[output.name]?.data ?? [], Number);
  const width = scores.length / (shape[0] ?? count);
  return images.files.map((_, i) => scores.subarray(i * width, (i + 1) * width));
}

/** A short batch made as long as the model wants it; the images added are black and their scores are not looked at. */
function filledUp(
  { data, shape, files }: ImageBatch,
  count: number,
): Pick<ImageBatch, 'data' | 'shape'> {
  const filled = new Float32Array((data.length / files.length) * count);
  filled.set(data);
  return { data: filled, shape: shape.with(0, count) };
}

function predictionOf(
  model: LoadedModel,
  {
    file,
    scores,
    top,
  }: { readonly file: string; readonly scores: ArrayLike<number>; readonly top: number },
): Prediction {
  return { file, ...bestScores(scores, classNames(model), top) };
}

/** The best `top` of one picture's scores, best first; equal ones in the order of the classes. */
export function bestScores(
  scores: ArrayLike<number>,
  names: readonly string[] | undefined,
  top: number,
): Pick<Prediction, 'top' | 'isDistribution'> {
  const values = bothSides(Array.from(scores), names);
  const best = values
    .map((probability, index) => ({ index, label: names?.[index] ?? String(index), probability }))
    .toSorted((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, top);
  return { top: best, isDistribution: isDistribution(values) };
}

/** One sigmoid unit for two classes is the probability of the second; that of the first is what is left. */
function bothSides(
  scores: readonly number[],
  names: readonly string[] | undefined,
): readonly number[] {
  const [only = 0] = scores;
  return scores.length === 1 && names?.length === 2 ? [1 - only, only] : scores;
}

function isDistribution(values: readonly number[]): boolean {
  const sum = values.reduce((total, value) => total + value, 0);
  return Math.abs(sum - 1) < 1e-3 && values.every((value) => value >= 0 && value <= 1);
}
