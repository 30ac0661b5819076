import { createHash } from 'node:crypto';
import { relative, sep } from 'node:path';
import type { Preprocess } from '../onnx/card.ts';
import type { StoredModel } from '../onnx/read.ts';
import { type BatchOptions, type ImageBatch, imageBatches } from '../runtime/batches.ts';
import {
  type ImageFolder,
  type LabelledFile,
  listImageFolder,
  type SkippedFile,
} from '../runtime/folder.ts';
import { type LoadedModel, type LoadOptions, loadModel } from '../runtime/model.ts';
import { onnxruntimeVersion } from '../runtime/session.ts';
import { defaultCacheFolder, type FeatureStore, openStore } from './cache.ts';
import type { FeatureCut } from './cut.ts';
import { fileDigest, prefixDigest } from './digest.ts';
import { noImages } from './folders.ts';

/** Features and classes of a folder of images, in the order of the files. */
export interface FeatureSet {
  /** Names of the sub-folders, sorted by code point. */
  readonly classes: readonly string[];
  readonly width: number;
  /** [images, width]. */
  readonly features: Float32Array;
  /** Index of the class of each image. */
  readonly labels: Uint32Array;
  /** Path of each image, relative to the folder, with slashes. */
  readonly files: readonly string[];
  readonly skipped: readonly SkippedFile[];
  /** How the images became the model's input. */
  readonly preprocess: Preprocess;
  /** How many rows came from the cache. */
  readonly cached: number;
  /** sha256 over the class and the content of every image: changes when the data does. */
  readonly fingerprint: string;
}

/** Pictures of a folder, or some of them. */
export interface ImageListing extends ImageFolder {
  readonly folder: string;
}

/** How pictures are changed before they go through the model. */
export interface FeatureVariant {
  /** Stands for all that the changes depend on besides the picture. */
  readonly key: string;
  /** The pictures as `imageBatches` gives them, but changed; `digests` are those of their files. */
  readonly batches: (
    files: readonly LabelledFile[],
    digests: readonly (string | undefined)[],
    options: BatchOptions,
  ) => AsyncIterable<ImageBatch>;
}

/** How features are computed. */
export interface FeatureOptions extends Pick<LoadOptions, 'provider' | 'threads' | 'preprocess'> {
  /** Folder of the cache, or false for none. Default: see `defaultCacheFolder`. */
  readonly cache?: string | false | undefined;
  /** Changes of the pictures; none by default. */
  readonly variant?: FeatureVariant | undefined;
  /** Images a run. Default 16. */
  readonly batch?: number | undefined;
  /** An image that cannot be read is an error instead of being passed over. Default false. */
  readonly strict?: boolean | undefined;
  readonly onSkip?: ((skipped: SkippedFile) => void) | undefined;
  readonly onProgress?: ((progress: FeatureProgress) => void) | undefined;
}

/** How far features are. */
export interface FeatureProgress {
  readonly done: number;
  readonly total: number;
  /** How many of those done came from the cache. */
  readonly cached: number;
}

/**
 * The features of every image of a folder of classes: each image goes through the frozen beginning of a model once.
 *
 * Rows are kept on disk under a key of all they depend on: the beginning's nodes and weights, the preprocessing, the
 * provider, and the content of the image. So an interrupted run goes on, a new image costs only itself, and nothing
 * stale is ever read. Images that cannot be read are passed over and named. Memory: the rows, and one batch of images.
 * Throws DATASET_EMPTY, FILE_MISSING, MODEL_CARD_INVALID, when strict IMAGE_UNREADABLE, and what `openSession` throws.
 */
export async function extractFeatures(
  model: StoredModel,
  cut: Pick<FeatureCut, 'at' | 'width'>,
  images: string | ImageListing,
  options: FeatureOptions = {},
): Promise<FeatureSet> {
  const { folder, classes, files, skipped } =
    typeof images === 'string' ? { folder: images, ...(await listImageFolder(images)) } : images;
  for (const skip of skipped) options.onSkip?.(skip);
  if (files.length === 0) throw noImages(folder);
  const work = await openWork(model, cut, options);
  try {
    const digests = await digestsOf(files);
    const wanted = { files, images: digests, width: cut.width };
    const rows = await rowsOf(work, wanted, options);
    const { preprocess } = work.model;
    const listed = { folder, classes, ...wanted };
    return { ...setOf(listed, rows, skipped), preprocess };
  } finally {
    await work.close();
  }
}

/** Goes up when pictures of the same content are decoded or resized to other numbers than before. */
const picturesVersion = 1;

interface Work {
  readonly model: LoadedModel;
  readonly at: string;
  readonly store: FeatureStore | undefined;
  readonly close: () => Promise<void>;
}

async function openWork(
  model: StoredModel,
  { at, width }: Pick<FeatureCut, 'at' | 'width'>,
  options: FeatureOptions,
): Promise<Work> {
  const { provider, threads, preprocess } = options;
  const loaded = await loadModel(model.path, { provider, threads, preprocess, outputs: [at] });
  try {
    const { cache = defaultCacheFolder() } = options;
    const made = [picturesVersion, onnxruntimeVersion, loaded.session.provider];
    const changed = options.variant ? [options.variant.key] : [];
    const key = [prefixDigest(model, at), loaded.preprocess, made, width, ...changed];
    const name = createHash('sha256').update(JSON.stringify(key)).digest('hex');
    const store = cache === false ? undefined : openStore(cache, name, width);
    const close = async (): Promise<void> => {
      await store?.close();
      await loaded.close();
    };
    return { model: loaded, at, store, close };
  } catch (error) {
    await loaded.close();
    throw error;
  }
}

/** Digest of each file's content; `undefined` for one that cannot be read, which the reading of images will report. */
async function digestsOf(files: readonly LabelledFile[]): Promise<(string | undefined)[]> {
  const digests = Array.from<string | undefined>({ length: files.length });
  const waiting = files.entries();
  const worker = async (): Promise<void> => {
    for (const [i, { path }] of waiting) {
      digests[i] = await fileDigest(path).catch(() => undefined);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return digests;
}

interface Wanted {
  readonly files: readonly LabelledFile[];
  readonly images: readonly (string | undefined)[];
  readonly width: number;
}

interface Rows {
  /** By path; a file that could not be read has none. */
  readonly byPath: ReadonlyMap<string, Float32Array>;
  readonly cached: number;
  readonly skipped: readonly SkippedFile[];
}

async function rowsOf(work: Work, wanted: Wanted, options: FeatureOptions): Promise<Rows> {
  const digests = new Map(wanted.files.map(({ path }, i) => [path, wanted.images[i]]));
  const total = wanted.files.length;
  const byPath = await storedRows(work.store, digests);
  const cached = byPath.size;
  let done = cached;
  options.onProgress?.({ done, total, cached });
  const missing = wanted.files.filter(({ path }) => !byPath.has(path));
  const skipped: SkippedFile[] = [];
  const onSkip = (skip: SkippedFile): void => {
    skipped.push(skip);
    options.onSkip?.(skip);
  };
  const { preprocess, fixedBatch } = work.model;
  const { strict, variant } = options;
  const how = { preprocess, batch: fixedBatch ?? options.batch ?? 16, strict, onSkip };
  const own = missing.map(({ path }) => digests.get(path));
  const batches = variant ? variant.batches(missing, own, how) : imageBatches(missing, how);
  for await (const images of batches) {
    const rows = await featureRows(work, images, wanted.width);
    images.files.forEach((path, i) => byPath.set(path, rows[i] ?? new Float32Array(0)));
    await work.store?.append(
      images.files.map((path) => digests.get(path) ?? ''),
      rows,
    );
    done = byPath.size + skipped.length;
    options.onProgress?.({ done, total, cached });
  }
  // When the last images cannot be read, no batch comes after them.
  if (done < total) options.onProgress?.({ done: total, total, cached });
  return { byPath, cached, skipped };
}

/** The rows that are kept already, by path. */
async function storedRows(
  store: FeatureStore | undefined,
  digests: ReadonlyMap<string, string | undefined>,
): Promise<Map<string, Float32Array>> {
  const rows = new Map<string, Float32Array>();
  const images = new Set([...digests.values()].filter((image) => image !== undefined));
  const known = await store?.read(images);
  for (const [path, image] of digests) {
    const row = image === undefined ? undefined : known?.get(image);
    if (row) rows.set(path, row);
  }
  return rows;
}

async function featureRows(
  { model, at }: Work,
  {
    data,
    shape,
    files,
  }: { data: Float32Array; shape: readonly number[]; files: readonly string[] },
  width: number,
): Promise<readonly Float32Array[]> {
  const count = model.fixedBatch ?? files.length;
  const elements = data.length / files.length;
  const filled = count === files.length ? data : new Float32Array(count * elements);
  if (filled !== data) filled.set(data);
  const feed = { dtype: 'float32', shape: shape.with(0, count), data: filled } as const;
  const results = await model.session.run({ [model.input.name]: feed }, [at]);
  const features = results[at]?.data;
  if (!(features instanceof Float32Array) || features.length !== count * width) {
    throw new Error(`Bug: "${at}" should be float32 of ${width} numbers an image`);
  }
  return files.map((_, i) => features.slice(i * width, (i + 1) * width));
}

interface Listed extends Wanted {
  readonly folder: string;
  readonly classes: readonly string[];
}

function setOf(
  { folder, classes, files, images, width }: Listed,
  { byPath, cached, skipped }: Rows,
  passedOver: readonly SkippedFile[],
): Omit<FeatureSet, 'preprocess'> {
  const read = files.filter(({ path }) => byPath.has(path));
  if (read.length === 0) throw noImages(folder);
  const features = new Float32Array(read.length * width);
  read.forEach(({ path }, i) => features.set(byPath.get(path) ?? [], i * width));
  const content = files.flatMap(({ path, label }, i) =>
    byPath.has(path) ? [`${classes[label]} ${images[i]}`] : [],
  );
  return {
    classes,
    width,
    features,
    labels: Uint32Array.from(read, ({ label }) => label),
    files: read.map(({ path }) => relative(folder, path).replaceAll(sep, '/')),
    skipped: [...passedOver, ...skipped],
    cached,
    fingerprint: createHash('sha256').update(content.toSorted().join('\n')).digest('hex'),
  };
}
