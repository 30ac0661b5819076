import { createHash } from 'node:crypto';
import { relative, sep } from 'node:path';
import type { Preprocess } from '../onnx/card.ts';
import type { StoredModel } from '../onnx/read.ts';
import { imageBatches } from '../runtime/batches.ts';
import {
  type ImageFolder,
  type LabelledFile,
  listImageFolder,
  type SkippedFile,
} from '../runtime/folder.ts';
import type { FeatureStore, RowPlace } from './cache.ts';
import type { FeatureCut } from './cut.ts';
import { FileDigests } from './digest.ts';
import type { FeatureOptions } from './feature-options.ts';
import { featureRows, openWork, type Work } from './feature-work.ts';
import { noImages } from './folders.ts';
import { stopPoint } from './interruption.ts';

/** Images of which there are features, with their classes, in the order of the files. */
interface ListedFeatures {
  /** Names of the sub-folders, sorted by code point. */
  readonly classes: readonly string[];
  readonly width: number;
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

/** Features and classes of a folder of images, in the order of the files. */
export interface FeatureSet extends ListedFeatures {
  /** [images, width]. */
  readonly features: Float32Array;
}

/** The same where the features stay on disk. */
export interface StoredFeatures extends ListedFeatures {
  /** Where the row of each image lies. */
  readonly places: readonly RowPlace[];
}

/** Pictures of a folder, or some of them. */
export interface ImageListing extends ImageFolder {
  readonly folder: string;
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
  const { rows, ...listed } = await listedRows(model, { cut, keeping: inMemory }, images, options);
  const features = new Float32Array(rows.length * cut.width);
  rows.forEach((row, i) => features.set(row, i * cut.width));
  return { ...listed, features };
}

/**
 * The same, where the rows stay in the cache's files: holds no more than 16 MiB and one batch of images.
 *
 * Throws what `extractFeatures` throws, and OUTPUT_UNWRITABLE.
 */
export async function storeFeatures(
  model: StoredModel,
  cut: Pick<FeatureCut, 'at' | 'width'>,
  images: ImageListing,
  options: FeatureOptions & { readonly cache?: string | undefined },
): Promise<StoredFeatures> {
  const { rows, ...listed } = await listedRows(model, { cut, keeping: onDisk }, images, options);
  return { ...listed, places: rows };
}

/** What is held of the rows: themselves, or where they lie. */
interface Keeping<Row> {
  readonly find: (
    store: FeatureStore | undefined,
    images: ReadonlySet<string>,
  ) => Promise<ReadonlyMap<string, Row>>;
  readonly keep: (
    work: Pick<Work, 'store' | 'unkept'>,
    images: readonly string[],
    rows: readonly Float32Array[],
  ) => Promise<readonly Row[]>;
}

const inMemory: Keeping<Float32Array> = {
  find: async (store, images) => (await store?.read(images)) ?? new Map(),
  async keep({ store, unkept }, images, rows) {
    await store?.append(images, rows).catch(unkept);
    return rows;
  },
};

const onDisk: Keeping<RowPlace> = {
  find: (store, images) => storeOf(store).find(images),
  keep: ({ store }, images, rows) => storeOf(store).append(images, rows),
};

function storeOf(store: FeatureStore | undefined): FeatureStore {
  if (store) return store;
  throw new Error('Bug: features can stay on disk only where a cache is');
}

async function listedRows<Row>(
  model: StoredModel,
  {
    cut,
    keeping,
  }: { readonly cut: Pick<FeatureCut, 'at' | 'width'>; readonly keeping: Keeping<Row> },
  images: string | ImageListing,
  options: FeatureOptions,
): Promise<ListedFeatures & { readonly rows: readonly Row[] }> {
  const { folder, classes, files, skipped } =
    typeof images === 'string' ? { folder: images, ...(await listImageFolder(images)) } : images;
  for (const skip of skipped) options.onSkip?.(skip);
  if (files.length === 0) throw noImages(folder);
  const work = await openWork(model, cut, options);
  try {
    const digests = await digestsOf(files, options.digests ?? new FileDigests());
    const wanted = { files, images: digests, width: cut.width };
    const rows = await rowsOf(work, { wanted, keeping }, options);
    const { preprocess } = work.model;
    const listed = { folder, classes, ...wanted };
    return { ...setOf(listed, rows, skipped), preprocess };
  } finally {
    await work.close();
  }
}

/** Digest of each file's content; `undefined` for one that cannot be read, which the reading of images will report. */
async function digestsOf(
  files: readonly LabelledFile[],
  known: FileDigests,
): Promise<(string | undefined)[]> {
  const digests = Array.from<string | undefined>({ length: files.length });
  const waiting = files.entries();
  const worker = async (): Promise<void> => {
    for (const [i, { path }] of waiting) {
      digests[i] = await known.of(path);
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

interface Rows<Row> {
  /** By path; a file that could not be read has none. */
  readonly byPath: ReadonlyMap<string, Row>;
  readonly cached: number;
  readonly skipped: readonly SkippedFile[];
}

async function rowsOf<Row>(
  work: Work,
  { wanted, keeping }: { readonly wanted: Wanted; readonly keeping: Keeping<Row> },
  options: FeatureOptions,
): Promise<Rows<Row>> {
  const digests = new Map(wanted.files.map(({ path }, i) => [path, wanted.images[i]]));
  const total = wanted.files.length;
  const byPath = await storedRows(work.store, digests, keeping);
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
  const asked = missing.map(({ path }) => digests.get(path));
  const batches = variant ? variant.batches(missing, asked, how) : imageBatches(missing, how);
  await stopPoint(options.signal);
  for await (const images of batches) {
    const rows = await featureRows(work, images, wanted.width);
    const own = images.files.map((path) => digests.get(path) ?? '');
    for (const [i, row] of (await keeping.keep(work, own, rows)).entries()) {
      byPath.set(images.files[i] ?? '', row);
    }
    done = byPath.size + skipped.length;
    options.onProgress?.({ done, total, cached, skipped: skipped.length });
    if (done < total) await stopPoint(options.signal);
  }
  // When the last images cannot be read, no batch comes after them.
  if (done < total) options.onProgress?.({ done: total, total, cached, skipped: skipped.length });
  return { byPath, cached, skipped };
}

/** The rows that are kept already, by path. */
async function storedRows<Row>(
  store: FeatureStore | undefined,
  digests: ReadonlyMap<string, string | undefined>,
  { find }: Keeping<Row>,
): Promise<Map<string, Row>> {
  const rows = new Map<string, Row>();
  const images = new Set([...digests.values()].filter((image) => image !== undefined));
  const known = await find(store, images);
  for (const [path, image] of digests) {
    const row = image === undefined ? undefined : known.get(image);
    if (row !== undefined) rows.set(path, row);
  }
  return rows;
}

interface Listed extends Wanted {
  readonly folder: string;
  readonly classes: readonly string[];
}

function setOf<Row>(
  { folder, classes, files, images, width }: Listed,
  { byPath, cached, skipped }: Rows<Row>,
  passedOver: readonly SkippedFile[],
): Omit<ListedFeatures, 'preprocess'> & { readonly rows: readonly Row[] } {
  const read = files.filter(({ path }) => byPath.has(path));
  if (read.length === 0) throw noImages(folder);
  const content = files.flatMap(({ path, label }, i) =>
    byPath.has(path) ? [`${classes[label]} ${images[i]}`] : [],
  );
  return {
    classes,
    width,
    rows: read.flatMap(({ path }) => {
      const row = byPath.get(path);
      return row === undefined ? [] : [row];
    }),
    labels: Uint32Array.from(read, ({ label }) => label),
    files: read.map(({ path }) => relative(folder, path).replaceAll(sep, '/')),
    skipped: [...passedOver, ...skipped],
    cached,
    fingerprint: createHash('sha256').update(content.toSorted().join('\n')).digest('hex'),
  };
}
