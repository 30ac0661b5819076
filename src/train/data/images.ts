import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { ToolkitError } from '../../errors.ts';
import { neededFor } from '../../onnx/edit.ts';
import type { StoredModel } from '../../onnx/read.ts';
import type { LabelledFile, SkippedFile } from '../../runtime/folder.ts';
import { readImage } from '../../runtime/image.ts';
import type { Augmentation } from '../augment/settings.ts';
import {
  extractFeatures,
  type FeatureSet,
  type ImageListing,
  type StoredFeatures,
  storeFeatures,
} from '../dataset.ts';
import type { FeatureOptions, FeatureProgress } from '../feature-options.ts';
import { checkClasses } from '../folders.ts';
import { stopPoint } from '../interruption.ts';
import { streamSeed } from '../random.ts';
import { joined, memoryRows, type Rows } from '../rows.ts';
import type { SplitListing } from './listing.ts';
import { openLiveRows } from './live.ts';
import type { DataSource, ExampleRequest, Prepared, SourceEvents } from './source.ts';
import { openStoredRows } from './stored.ts';
import { variantOf } from './variant.ts';

/** How pictures become samples. */
export interface ImageOptions
  extends Pick<
    FeatureOptions,
    'provider' | 'threads' | 'preprocess' | 'cache' | 'strict' | 'batch' | 'digests'
  > {
  readonly augment: Augmentation | undefined;
  /** So many changed passes, and the pictures as they are, are computed once; 0: changed anew in each epoch. */
  readonly augmentPasses: number;
  /** For the changes. */
  readonly seed: number;
  readonly workers?: number | undefined;
  /** Features of more bytes than this are read from the cache, batch by batch, instead of being held. */
  readonly memory: number;
  /** Scores of a picture instead of those of its folder: pseudo-labels, soft targets. */
  readonly softTargets?: ((file: string) => readonly number[] | undefined) | undefined;
  /** Scores of the pictures that are in no folder of a class, by absolute path. */
  readonly softSamples?: ReadonlyMap<string, readonly number[]> | undefined;
}

/** Samples from folders of pictures. */
export function imageSource(
  listing: SplitListing,
  options: ImageOptions,
  events: SourceEvents,
): DataSource {
  const { classes } = listing.train;
  return {
    classes,
    outputs: classes.length,
    counts: { train: listing.train.files.length, valid: listing.valid?.files.length ?? 0 },
    identity: `${identityOf(listing, options.softSamples)} ${changesOf(options)}`,
    holding: (model, cut) => {
      const request = { model, cut, part: 'train', images: listing.train } as const;
      const { kind, words } = holdingOf(request, options);
      return { isInMemory: kind === 'memory', words };
    },
    async prepare(request) {
      const images = listing[request.part] ?? listing.train;
      const { kind } = holdingOf({ ...request, images }, options);
      const work = { options, events };
      return kind === 'anew'
        ? livePart(request, images, work)
        : keptPart(request, images, { ...work, kind });
    },
  };
}

/** What becomes of pictures before they are learned from. */
function changesOf({ augment, augmentPasses, preprocess }: ImageOptions): string {
  return JSON.stringify([augment ?? null, augmentPasses, preprocess ?? null]);
}

interface Held {
  readonly kind: 'memory' | 'disk' | 'anew';
  readonly words: string;
}

/** Features are held in memory, else on disk; pictures that change, or cost nothing to compute, are read anew. */
function holdingOf(
  {
    model,
    cut,
    part,
    images,
  }: Pick<ExampleRequest, 'model' | 'cut' | 'part'> & { readonly images: ImageListing },
  { augment, augmentPasses, memory, cache }: ImageOptions,
): Held {
  const isChanged = part === 'train' && augment !== undefined;
  if (isChanged && augmentPasses === 0) {
    return { kind: 'anew', words: 'computed anew in each epoch, since the pictures change' };
  }
  const isWorth = isWorthKeeping(model, cut.name);
  const [passes, once] = isChanged ? changedPasses(augmentPasses) : [1, 'computed once'];
  if (4 * images.files.length * passes * cut.width <= memory) {
    const isSaved = isWorth && cache !== false;
    return { kind: 'memory', words: isSaved ? `${once} and kept on disk` : once };
  }
  if (cache !== false && (isWorth || isChanged)) {
    return { kind: 'disk', words: `${once} and read from disk, since --memory is less` };
  }
  return { kind: 'anew', words: 'computed anew in each epoch, since --memory is less' };
}

function changedPasses(passes: number): readonly [number, string] {
  return [
    1 + passes,
    `computed once, as they are and ${passes === 1 ? 'once' : `${passes} times`} changed`,
  ];
}

interface Work {
  readonly options: ImageOptions;
  readonly events: SourceEvents;
}

/** Features in memory or on disk; of the training part also those of the changed passes. */
async function keptPart(
  { part, model, cut }: ExampleRequest,
  images: ImageListing,
  { options, events, kind }: Work & { readonly kind: 'memory' | 'disk' },
): Promise<Prepared> {
  const { provider, threads, preprocess, cache, strict, batch, digests } = options;
  const { augment, augmentPasses } = options;
  const sets: (FeatureSet | StoredFeatures)[] = [];
  const passes = part === 'train' && augment ? augmentPasses : 0;
  for (let pass = 0; pass <= passes; pass++) {
    const how = {
      provider,
      threads,
      preprocess,
      strict,
      batch,
      digests,
      signal: events.signal,
      onWarning: events.onWarning,
      variant: augment && pass > 0 ? variantOf(augment, pass, options) : undefined,
      onSkip: (skipped: SkippedFile) => pass === 0 && events.onSkip(part, skipped),
      onProgress: (progress: FeatureProgress) => events.onProgress(part, progress),
    };
    const at = { at: cut.name, width: cut.width };
    const kept = cache === false ? undefined : cache;
    sets.push(
      kind === 'disk'
        ? await storeFeatures(model, at, images, { ...how, cache: kept })
        : await extractFeatures(model, at, images, {
            ...how,
            cache: isWorthKeeping(model, cut.name) ? cache : false,
          }),
    );
  }
  const [first] = sets;
  if (!first) throw new Error('Bug: the pictures were never read');
  if (part === 'train') checkClasses(images.folder, first);
  const labels = tiled(first.labels, sets.length);
  const files = sets.flatMap((set) => set.files);
  const { rows, close } = await rowsOf(sets, cut.width);
  return {
    examples: { rows, targets: targetsFor(files, labels, images, options) },
    labels,
    skipped: first.skipped,
    preprocess: first.preprocess,
    fingerprint: first.fingerprint,
    close,
  };
}

async function rowsOf(
  sets: readonly (FeatureSet | StoredFeatures)[],
  width: number,
): Promise<Pick<Prepared, 'close'> & { readonly rows: Rows }> {
  const places = sets.flatMap((set) => ('places' in set ? set.places : []));
  if (places.length > 0) return openStoredRows(places, width);
  const parts = sets.flatMap((set) => ('features' in set ? [set.features] : []));
  const [only] = parts;
  const features = only && parts.length === 1 ? only : joined(parts);
  return { rows: memoryRows(features, width), close: () => Promise.resolve() };
}

/** Whether anything is computed before the cut that costs more than reading the picture. */
function isWorthKeeping(model: StoredModel, at: string): boolean {
  const { values } = neededFor(model, [at]);
  return [...values].some((name) => (model.initializers.get(name)?.shape.length ?? 0) > 1);
}

function tiled(labels: Uint32Array, times: number): Uint32Array {
  return Uint32Array.from(
    { length: labels.length * times },
    (_, i) => labels[i % labels.length] ?? 0,
  );
}

/** Pictures that are read in each epoch anew. All are decoded once before: a broken one should not end an epoch. */
async function livePart(
  { part, model, cut, stage }: ExampleRequest,
  images: ImageListing,
  { options, events }: Work,
): Promise<Prepared> {
  const { files, skipped } = await readable(part, images, { options, events });
  const { provider, threads, preprocess, augment, seed, workers } = options;
  const live = await openLiveRows(model, cut, {
    provider,
    threads,
    preprocess,
    files,
    augment: part === 'train' ? augment : undefined,
    seed: streamSeed(seed, `augment ${stage}`),
    workers,
  });
  const labels = Uint32Array.from(files, ({ label }) => label);
  if (part === 'train') checkClasses(images.folder, { classes: images.classes, labels });
  const names = files.map(({ path }) => relative(images.folder, path));
  return {
    examples: { rows: live.rows, targets: targetsFor(names, labels, images, options) },
    labels,
    skipped: [...images.skipped, ...skipped],
    preprocess: live.preprocess,
    fingerprint: identityOf({ train: { ...images, files }, valid: undefined }),
    close: live.close,
  };
}

/** Decodes each picture once. Throws what `readImage` throws for a broken one, when strict. */
async function readable(
  part: ExampleRequest['part'],
  images: ImageListing,
  { options, events }: Work,
): Promise<{ readonly files: readonly LabelledFile[]; readonly skipped: readonly SkippedFile[] }> {
  const skipped: SkippedFile[] = [];
  const files: LabelledFile[] = [];
  const total = images.files.length;
  for (const skip of images.skipped) events.onSkip(part, skip);
  for (const [i, file] of images.files.entries()) {
    await stopPoint(events.signal, 'while pictures were read');
    try {
      await readImage(file.path);
      files.push(file);
    } catch (fault) {
      if (!(fault instanceof ToolkitError) || options.strict === true) throw fault;
      const skip = { path: file.path, reason: fault.message.split('\n')[0] ?? '' };
      skipped.push(skip);
      events.onSkip(part, skip);
    }
    events.onProgress(part, { done: i + 1, total, cached: 0, skipped: skipped.length });
  }
  return { files, skipped };
}

/** One-hot, or what is said of the picture. */
function targetsFor(
  files: readonly string[],
  labels: Uint32Array,
  { classes, folder }: ImageListing,
  { softTargets, softSamples }: ImageOptions,
): Float32Array {
  const width = classes.length;
  const targets = new Float32Array(labels.length * width);
  labels.forEach((label, row) => {
    const file = files[row] ?? '';
    const soft = softSamples?.get(resolve(folder, file)) ?? softTargets?.(file);
    if (soft && soft.length !== width) {
      throw new ToolkitError(
        'DATASET_CLASSES',
        `Soft targets should be ${width} numbers, one a class, but are ${soft.length}`,
        { where: { file: files[row] }, hint: `The classes are ${classes.join(', ')}.` },
      );
    }
    if (soft) targets.set(soft, row * width);
    else targets[row * width + label] = 1;
  });
  return targets;
}

/** Names, sizes and times of the files: what can be known without reading them. */
function identityOf(
  { train, valid }: SplitListing,
  softSamples?: ImageOptions['softSamples'],
): string {
  const hash = createHash('sha256');
  for (const [part, listing] of Object.entries({ train, valid })) {
    for (const { path, label } of listing?.files ?? []) {
      const { size, mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {
        size: 0,
        mtimeMs: 0,
      };
      const name = listing ? relative(listing.folder, path) : path;
      const soft = softSamples?.get(path);
      hash.update(JSON.stringify([part, name, label, size, mtimeMs, ...(soft ? [soft] : [])]));
    }
  }
  return hash.digest('hex');
}
