import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { relative } from 'node:path';
import { ToolkitError } from '../../errors.ts';
import { neededFor } from '../../onnx/edit.ts';
import type { StoredModel } from '../../onnx/read.ts';
import type { LabelledFile, SkippedFile } from '../../runtime/folder.ts';
import { readImage } from '../../runtime/image.ts';
import { openPicturePool } from '../augment/pool.ts';
import type { Augmentation } from '../augment/settings.ts';
import {
  extractFeatures,
  type FeatureOptions,
  type FeatureSet,
  type FeatureVariant,
  type ImageListing,
} from '../dataset.ts';
import { checkClasses } from '../folders.ts';
import { streamSeed } from '../random.ts';
import { memoryRows } from '../rows.ts';
import type { SplitListing } from './listing.ts';
import { openLiveRows, unreadable } from './live.ts';
import type { DataSource, ExampleRequest, Prepared, SourceEvents } from './source.ts';

/** How pictures become samples. */
export interface ImageOptions
  extends Pick<
    FeatureOptions,
    'provider' | 'threads' | 'preprocess' | 'cache' | 'strict' | 'batch'
  > {
  readonly augment: Augmentation | undefined;
  /** So many changed passes, and the pictures as they are, are computed once; 0: changed anew in each epoch. */
  readonly augmentPasses: number;
  /** For the changes. */
  readonly seed: number;
  readonly workers?: number | undefined;
  /** Features of more bytes than this are made anew in each epoch instead of being held. */
  readonly memory: number;
  /** Scores of a picture instead of those of its folder: pseudo-labels, soft targets. */
  readonly softTargets?: ((file: string) => readonly number[] | undefined) | undefined;
}

/** Samples from folders of pictures. */
export function imageSource(
  listing: SplitListing,
  options: ImageOptions,
  events: SourceEvents,
): DataSource {
  const { classes } = listing.train;
  const { augment, augmentPasses } = options;
  return {
    classes,
    outputs: classes.length,
    counts: { train: listing.train.files.length, valid: listing.valid?.files.length ?? 0 },
    identity: identityOf(listing),
    caching: !augment
      ? 'computed once and kept on disk'
      : augmentPasses > 0
        ? `computed once, as they are and ${augmentPasses} times changed, and kept on disk`
        : 'computed anew in each epoch, since the pictures change',
    async prepare(request) {
      const images = listing[request.part] ?? listing.train;
      const isLive =
        (request.part === 'train' && augment !== undefined && augmentPasses === 0) ||
        4 * images.files.length * request.cut.width > options.memory;
      return isLive
        ? livePart(request, images, { options, events })
        : heldPart(request, images, { options, events });
    },
  };
}

interface Work {
  readonly options: ImageOptions;
  readonly events: SourceEvents;
}

/** Features in memory; of the training part also those of the changed passes. */
async function heldPart(
  { part, model, cut }: ExampleRequest,
  images: ImageListing,
  { options, events }: Work,
): Promise<Prepared> {
  const { provider, threads, preprocess, cache, strict, batch, augment, augmentPasses } = options;
  const sets: FeatureSet[] = [];
  const passes = part === 'train' && augment ? augmentPasses : 0;
  for (let pass = 0; pass <= passes; pass++) {
    const set = await extractFeatures(model, { at: cut.name, width: cut.width }, images, {
      provider,
      threads,
      preprocess,
      strict,
      batch,
      cache: isWorthKeeping(model, cut.name) ? cache : false,
      variant: augment && pass > 0 ? variantOf(augment, pass, options) : undefined,
      onSkip: (skipped) => pass === 0 && events.onSkip(part, skipped),
      onProgress: (progress) => events.onProgress(part, progress),
    });
    sets.push(set);
  }
  const [first] = sets;
  if (!first) throw new Error('Bug: the pictures were never read');
  if (part === 'train') checkClasses(images.folder, first);
  const width = cut.width;
  const features = sets.length === 1 ? first.features : joined(sets.map((set) => set.features));
  const labels = tiled(first.labels, sets.length);
  const files = sets.flatMap((set) => set.files);
  return {
    examples: {
      rows: memoryRows(features, width),
      targets: targetsFor(files, labels, images, options),
    },
    labels,
    skipped: first.skipped,
    preprocess: first.preprocess,
    fingerprint: first.fingerprint,
    close: () => Promise.resolve(),
  };
}

/** Whether anything is computed before the cut that costs more than reading the picture. */
function isWorthKeeping(model: StoredModel, at: string): boolean {
  const { values } = neededFor(model, [at]);
  return [...values].some((name) => (model.initializers.get(name)?.shape.length ?? 0) > 1);
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function tiled(labels: Uint32Array, times: number): Uint32Array {
  return Uint32Array.from(
    { length: labels.length * times },
    (_, i) => labels[i % labels.length] ?? 0,
  );
}

/** A changed pass: each picture's change follows from seed, pass and content. */
function variantOf(
  augment: Augmentation,
  pass: number,
  { seed, workers }: ImageOptions,
): FeatureVariant {
  return {
    key: JSON.stringify([augment, seed, pass]),
    async *batches(files, digests, { preprocess, batch = 8, strict, onSkip }) {
      const pool = openPicturePool({ preprocess, augment }, { workers });
      const read = async (file: LabelledFile, i: number) => {
        const digest = Number.parseInt((digests[i] ?? '0').slice(0, 8), 16);
        const own = streamSeed(streamSeed(seed, `augment ${pass}`), `augment ${digest}`);
        return { file, outcome: await pool.read(file.path, own) };
      };
      try {
        for (let at = 0; at < files.length; at += batch) {
          const part = files.slice(at, at + batch);
          const done = await Promise.all(part.map((file, i) => read(file, at + i)));
          const good = done.flatMap(({ file, outcome }) => {
            if ('data' in outcome) return [{ file, data: outcome.data }];
            if (strict === true) throw unreadable(file.path, outcome.reason);
            onSkip?.({ path: file.path, reason: outcome.reason });
            return [];
          });
          if (good.length === 0) continue;
          const { size, layout } = preprocess;
          const data = joined(good.map((each) => each.data));
          const channels = data.length / good.length / (size[0] * size[1]);
          const shape =
            layout === 'nchw' ? [good.length, channels, ...size] : [good.length, ...size, channels];
          yield { data, shape, files: good.map(({ file }) => file.path) };
        }
      } finally {
        await pool.close();
      }
    },
  };
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
  for (const [i, file] of images.files.entries()) {
    try {
      await readImage(file.path);
      files.push(file);
    } catch (fault) {
      if (!(fault instanceof ToolkitError) || options.strict === true) throw fault;
      const skip = { path: file.path, reason: fault.message.split('\n')[0] ?? '' };
      skipped.push(skip);
      events.onSkip(part, skip);
    }
    events.onProgress(part, { done: i + 1, total, cached: 0 });
  }
  return { files, skipped };
}

/** One-hot, or what is said of the picture. */
function targetsFor(
  files: readonly string[],
  labels: Uint32Array,
  { classes }: ImageListing,
  { softTargets }: ImageOptions,
): Float32Array {
  const width = classes.length;
  const targets = new Float32Array(labels.length * width);
  labels.forEach((label, row) => {
    const soft = softTargets?.(files[row] ?? '');
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
function identityOf({ train, valid }: SplitListing): string {
  const hash = createHash('sha256');
  for (const [part, listing] of Object.entries({ train, valid })) {
    for (const { path, label } of listing?.files ?? []) {
      const { size, mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {
        size: 0,
        mtimeMs: 0,
      };
      const name = listing ? relative(listing.folder, path) : path;
      hash.update(JSON.stringify([part, name, label, size, mtimeMs]));
    }
  }
  return hash.digest('hex');
}
