import { ToolkitError } from '../errors.ts';
import type { SessionOptions } from '../runtime/session.ts';
import { fittedTargets } from './data/targets.ts';
import { dropoutMask, RandomState, streamSeed } from './random.ts';
import { memoryRows } from './rows.ts';
import type { StepPlan } from './step.ts';
import { type HeadTraining, type Measures, openTraining, type Samples } from './training.ts';

/** What Keras prints and keeps of an epoch: names as in its history. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  readonly loss: number;
  readonly acc: number;
  readonly val_loss?: number;
  readonly val_acc?: number;
  readonly seconds: number;
}

/** Features of samples, row by row, and the class of each. */
export interface LabelledFeatures {
  /** [count, D]. */
  readonly features: Float32Array;
  /** Class numbers [count], from 0. */
  readonly labels: ArrayLike<number>;
}

/** How a head is fitted. */
export interface FitOptions extends StepPlan, Pick<SessionOptions, 'provider' | 'threads'> {
  /** Class numbers as `labels`, such as `extractFeatures` gives, are made one-hot where the loss takes scores. */
  readonly train: Samples | LabelledFeatures;
  readonly valid?: Samples | LabelledFeatures | undefined;
  readonly epochs: number;
  /** For the order of the samples and for dropout. */
  readonly seed: number;
  /** Whether each epoch takes the samples in a new order. */
  readonly shuffle: boolean;
  readonly onEpoch?: ((record: EpochRecord) => void) | undefined;
}

/** A fitted head. */
export interface Fit {
  /** In the order of the head's parameters. */
  readonly numbers: readonly Float32Array[];
  readonly history: readonly EpochRecord[];
}

/**
 * Fits a head to samples for some epochs, each of them one run of the runtime.
 *
 * Equal options give equal numbers on one machine. The running measures are taken with dropout, the validating ones
 * without. Throws TRAINING_DIVERGED, and DATASET_CLASSES for a class number that the head has no output for.
 */
export async function fitHead(given: FitOptions): Promise<Fit> {
  const { train, valid } = given;
  const options = {
    ...given,
    train: samplesOf(train, given),
    valid: valid && samplesOf(valid, given),
  };
  const training = await openTraining(options, options);
  try {
    const random = new RandomState(streamSeed(options.seed, 'shuffle'));
    const history: EpochRecord[] = [];
    for (let epoch = 1; epoch <= options.epochs; epoch++) {
      const record = await fitEpoch(training, options, { epoch, random });
      history.push(record);
      options.onEpoch?.(record);
    }
    return { numbers: training.parameters, history };
  } finally {
    await training.close();
  }
}

/** Class numbers in the form that the loss takes; one output for two classes says how much it is the second. */
function samplesOf(given: Samples | LabelledFeatures, { head, loss }: StepPlan): Samples {
  if ('targets' in given) return given;
  const { features, labels } = given;
  const count = labels.length;
  const classes = Math.max(2, head.classes);
  const targets = new Float32Array(count * classes);
  for (let row = 0; row < count; row++) {
    const label = labels[row] ?? 0;
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new ToolkitError(
        'DATASET_CLASSES',
        `Class ${label} of sample ${row} is none of 0 to ${classes - 1}`,
        { hint: `Give the head an output for each class: it has ${head.classes}.` },
      );
    }
    targets[row * classes + label] = 1;
  }
  const examples = { rows: memoryRows(features, head.features), targets };
  const fitting = { loss, outputs: head.classes };
  return { count, features, targets: fittedTargets(examples, Uint32Array.from(labels), fitting) };
}

interface FitPlan extends FitOptions {
  readonly train: Samples;
  readonly valid: Samples | undefined;
}

async function fitEpoch(
  training: HeadTraining,
  options: FitPlan,
  { epoch, random }: { readonly epoch: number; readonly random: RandomState },
): Promise<EpochRecord> {
  const start = performance.now();
  const { train, valid, head, seed } = options;
  const { count } = train;
  const order = options.shuffle
    ? random.permutation(count)
    : Uint32Array.from({ length: count }, (_, i) => i);
  const mask =
    head.dropout > 0
      ? dropoutMask(streamSeed(seed, `dropout ${epoch}`), count * head.features, head.dropout)
      : undefined;
  const { learningRate } = options.optimizer;
  const measures = await training.epoch(train, { order, mask, learningRate });
  const validated = valid && (await training.evaluate(valid));
  return recordOf(epoch, measures, validated, (performance.now() - start) / 1000);
}

function recordOf(
  epoch: number,
  { loss, accuracy }: Measures,
  valid: Measures | undefined,
  seconds: number,
): EpochRecord {
  return {
    epoch,
    loss,
    acc: accuracy,
    ...(valid && { val_loss: valid.loss, val_acc: valid.accuracy }),
    seconds,
  };
}
