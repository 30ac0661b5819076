import type { Preprocess } from '../onnx/card.ts';
import type { AugmentationOptions } from './augment/settings.ts';
import type { TrainEvent } from './events.ts';
import type { FeatureOptions } from './feature-options.ts';
import type { TrainSettings } from './settings.ts';
import type { StandardiseOptions } from './standardisation.ts';

/** NumPy files instead of folders of pictures. */
export interface ArrayOptions {
  /** Samples [n, ...] in the form that the model takes. */
  readonly x: string;
  /** Class numbers [n], scores [n, K], or with the task `regression` the numbers to be predicted. */
  readonly y: string;
  readonly validX?: string | undefined;
  readonly validY?: string | undefined;
  /** Default `classes`. */
  readonly task?: 'classes' | 'regression' | undefined;
}

/** Where a training is saved while it runs. */
export interface CheckpointOptions {
  /** Default: a folder beside the output, which is removed when all is done. */
  readonly folder?: string | undefined;
  /** Seconds between two saves; 0 saves after each epoch. Default 30. */
  readonly every?: number | undefined;
  /** How many are kept besides the one of the best epoch. Default 1. */
  readonly keep?: number | undefined;
}

/** What a fine-tuning is made of. */
export interface TrainOptions
  extends TrainSettings,
    Pick<FeatureOptions, 'provider' | 'threads' | 'cache' | 'strict'> {
  /** The ONNX model to start from. */
  readonly base: string;
  /** Folder of the training images, one sub-folder a class. */
  readonly train?: string | undefined;
  /** Folder of the validation images, with the same classes. */
  readonly valid?: string | undefined;
  /** NumPy files, instead of folders. */
  readonly arrays?: ArrayOptions | undefined;
  /** Share of the training samples that is for validation, where none are given: as Keras splits them. */
  readonly validationSplit?: number | undefined;
  /** Where the new model goes. */
  readonly output: string;
  readonly force?: boolean | undefined;
  /** File for the history: `.json` with plan and data, or line by line as `.csv` or `.jsonl`; none by default. */
  readonly history?: string | undefined;
  /** Images a run while features are computed. Default 16. */
  readonly featureBatch?: number | undefined;
  /** Value at which the new head begins. Default: what goes into the last dense layer, or the last map of features. */
  readonly at?: string | undefined;
  /** The new end, such as `flatten, dense 256 relu, dropout 0.5, dense`, or `keep`. Default: one dense layer. */
  readonly head?: string | undefined;
  /** Overrules parts of the card; `rescale` among them. */
  readonly preprocess?: Partial<Preprocess> | undefined;
  /** Brings pictures to mean 0 and deviation 1, those to predict too: the new model says so. */
  readonly standardise?: StandardiseOptions | undefined;
  /** Random changes of the training pictures. */
  readonly augment?: AugmentationOptions | undefined;
  /** So many changed passes are computed once and kept. Default 0: pictures change in each epoch. */
  readonly augmentPasses?: number | undefined;
  /** Threads that read pictures. Default: one less than the cores, from 1 to 4. */
  readonly workers?: number | undefined;
  /** Features of more bytes than this are read from the cache's files, batch by batch. Default 4 GiB. */
  readonly memory?: number | undefined;
  /** Scores of a picture, by its path in the folder, instead of its folder's class: pseudo-labels, soft targets. */
  readonly softTargets?: ((file: string) => readonly number[] | undefined) | undefined;
  /** More training pictures, from anywhere, with scores by path: such as `pseudoLabels` gives. Never for validation. */
  readonly softSamples?: ReadonlyMap<string, readonly number[]> | undefined;
  /** Whether simple models are measured on the same features, where there are validation samples. Default true. */
  readonly baselines?: boolean | undefined;
  /** Default: saved every 30 seconds. */
  readonly checkpoints?: CheckpointOptions | false | undefined;
  /** Goes on from the newest checkpoint, if there is one. */
  readonly resume?: boolean | undefined;
  /** Ends the training at the next step, with all of it saved. */
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: TrainEvent) => void) | undefined;
}
