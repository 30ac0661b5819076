import type { BatchOptions, ImageBatch } from '../runtime/batches.ts';
import type { LabelledFile, SkippedFile } from '../runtime/folder.ts';
import type { LoadOptions } from '../runtime/model.ts';
import type { FileDigests } from './digest.ts';

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
  /** What is known of files already. */
  readonly digests?: FileDigests | undefined;
  /** Looked at before each run; rows that are kept stay. */
  readonly signal?: AbortSignal | undefined;
  /** Told when rows cannot be kept in the user's own cache, and the work goes on without it. */
  readonly onWarning?: ((text: string) => void) | undefined;
  readonly onSkip?: ((skipped: SkippedFile) => void) | undefined;
  readonly onProgress?: ((progress: FeatureProgress) => void) | undefined;
}

/** How far features are. */
export interface FeatureProgress {
  readonly done: number;
  readonly total: number;
  /** How many of those done came from the cache. */
  readonly cached: number;
  /** How many of those done could not be read. */
  readonly skipped?: number | undefined;
}
