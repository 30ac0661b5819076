import { resolve } from 'node:path';
import { ToolkitError } from '../errors.ts';
import { readModel, type StoredModel } from '../onnx/read.ts';
import { checkTarget, writeOutput } from '../output.ts';
import type { SkippedFile } from '../runtime/folder.ts';
import { type FeatureCut, popLayer } from './cut.ts';
import {
  extractFeatures,
  type FeatureOptions,
  type FeatureProgress,
  type FeatureSet,
} from './dataset.ts';
import { type EpochRecord, fitHead } from './fit.ts';
import { checkClasses, checkFolders } from './folders.ts';
import { denseHead } from './head.ts';
import type { Optimizer } from './optimizers.ts';
import { historyOf, type Plan, type Report, type Sets } from './report.ts';
import { checkedSettings, type TrainSettings } from './settings.ts';
import { freeHeadName, splice } from './splice.ts';
import type { Samples } from './training.ts';

/** What a fine-tuning is made of. */
export interface TrainOptions
  extends TrainSettings,
    Pick<FeatureOptions, 'provider' | 'threads' | 'preprocess' | 'cache' | 'strict'> {
  /** The ONNX model to start from. */
  readonly base: string;
  /** Folder of the training images, one sub-folder a class. */
  readonly train: string;
  /** Folder of the validation images, with the same classes. */
  readonly valid?: string | undefined;
  /** Where the new model goes. */
  readonly output: string;
  readonly force?: boolean | undefined;
  /** File for the history as JSON; none by default. */
  readonly history?: string | undefined;
  /** Images a run while features are computed. Default 16. */
  readonly featureBatch?: number | undefined;
  /** Value at which the features are taken. Default: what goes into the last dense layer. */
  readonly at?: string | undefined;
  readonly onEvent?: ((event: TrainEvent) => void) | undefined;
}

/** Which folder something is about. */
type Part = 'train' | 'valid';

/** What happens while a model is fine-tuned, in order. */
export type TrainEvent =
  | {
      readonly kind: 'plan';
      readonly cut: FeatureCut;
      readonly classes: readonly string[];
      readonly dropout: number;
      readonly optimizer: Optimizer;
      readonly epochs: number;
      readonly batchSize: number;
      readonly trainImages: number;
      readonly validImages: number;
    }
  | ({ readonly kind: 'features'; readonly part: Part } & FeatureProgress)
  | ({ readonly kind: 'skip'; readonly part: Part } & SkippedFile)
  | ({ readonly kind: 'epoch'; readonly epochs: number } & EpochRecord)
  | { readonly kind: 'done'; readonly output: string; readonly bytes: number };

/** A fine-tuned model. */
export interface TrainResult {
  readonly output: string;
  readonly bytes: number;
  readonly classes: readonly string[];
  readonly history: readonly EpochRecord[];
  readonly skipped: readonly SkippedFile[];
}

/**
 * Fine-tunes a classifier on a folder of images: new last layer, everything before it as it is.
 *
 * The last dense layer is taken off, the features before it are computed once (and kept, see `extractFeatures`), a new
 * head is fitted to them and joined to the base into one ONNX file with the new classes. Nothing is written unless all
 * went well. Throws DATASET_EMPTY, DATASET_CLASSES, TRAINING_DIVERGED, OPTION_INVALID, OUTPUT_EXISTS, and what
 * `popLayer`, `extractFeatures` and `splice` throw.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const settings = checkedSettings(options);
  await checkTargets(options);
  const base = readModel(options.base);
  const cut = popLayer(base, options.at === undefined ? {} : { at: options.at });
  const sets = await featureSets(base, cut, options);
  const { classes } = sets.train;
  const head = denseHead({
    features: cut.width,
    classes: classes.length,
    seed: settings.seed,
    name: freeHeadName(base, cut.at),
    dropout: settings.dropout ?? cut.dropout,
  });
  announce(options, { cut, head, sets, settings });
  const { numbers, history } = await fitHead({
    ...settings,
    head,
    provider: options.provider,
    threads: options.threads,
    train: samplesOf(sets.train),
    valid: sets.valid && samplesOf(sets.valid),
    onEpoch: (record) => options.onEvent?.({ kind: 'epoch', epochs: settings.epochs, ...record }),
  });
  const report = historyOf(base, { cut, head, sets, settings, history });
  const card = { classes: [...classes], history: report, preprocess: sets.train.preprocess };
  const end = { head, numbers, card, force: options.force };
  const { bytes } = await splice(base, cut, end, options.output);
  await writeHistory(options, report);
  options.onEvent?.({ kind: 'done', output: options.output, bytes });
  const skipped = [...sets.train.skipped, ...(sets.valid?.skipped ?? [])];
  return { output: options.output, bytes, classes, history, skipped };
}

/** Before hours of work, not after. */
async function checkTargets({ output, history, force }: TrainOptions): Promise<void> {
  await checkTarget(output, { force });
  if (history === undefined) return;
  await checkTarget(history, { force });
  if (resolve(history) !== resolve(output)) return;
  throw new ToolkitError('OPTION_INVALID', 'The model and its history cannot be the same file', {
    where: { file: history },
    hint: 'Choose another name for the history.',
  });
}

async function featureSets(
  base: StoredModel,
  cut: FeatureCut,
  options: TrainOptions,
): Promise<Sets> {
  await checkFolders(options.train, options.valid);
  const { provider, threads, preprocess, cache, strict, onEvent } = options;
  const extract = (folder: string, part: Part): Promise<FeatureSet> =>
    extractFeatures(base, cut, folder, {
      provider,
      threads,
      preprocess,
      cache,
      strict,
      batch: options.featureBatch,
      onSkip: (skipped) => onEvent?.({ kind: 'skip', part, ...skipped }),
      onProgress: (progress) => onEvent?.({ kind: 'features', part, ...progress }),
    });
  const learnt = await extract(options.train, 'train');
  checkClasses(options.train, learnt);
  const valid = options.valid === undefined ? undefined : await extract(options.valid, 'valid');
  return { train: learnt, valid };
}

/** Features with one-hot targets. */
function samplesOf({ features, labels, classes }: FeatureSet): Samples {
  const targets = new Float32Array(labels.length * classes.length);
  labels.forEach((label, i) => {
    targets[i * classes.length + label] = 1;
  });
  return { count: labels.length, features, targets };
}

function announce({ onEvent }: TrainOptions, { cut, head, sets, settings }: Plan): void {
  const { optimizer, epochs, batchSize } = settings;
  onEvent?.({
    kind: 'plan',
    cut,
    classes: sets.train.classes,
    dropout: head.dropout,
    optimizer,
    epochs,
    batchSize,
    trainImages: sets.train.labels.length,
    validImages: sets.valid?.labels.length ?? 0,
  });
}

async function writeHistory({ history, force }: TrainOptions, report: Report): Promise<void> {
  if (history === undefined) return;
  await writeOutput(history, { force }, async (file) => {
    await file.writeFile(`${JSON.stringify(report, undefined, 2)}\n`);
  });
}
