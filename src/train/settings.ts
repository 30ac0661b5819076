import { ToolkitError } from '../errors.ts';
import type { EarlyStopping } from './callbacks/early-stopping.ts';
import type { Monitor } from './callbacks/monitor.ts';
import { type LossName, losses } from './losses.ts';
import { makeOptimizer, type Optimizer, type OptimizerOptions } from './optimizers.ts';
import { type StageOptions, type StageText, stageSchema } from './plan/stage.ts';
import { checked } from './plan/text.ts';
import type { Schedule } from './schedules.ts';

/** What of a training can be chosen. What a stage does not say itself is as said here. */
export interface TrainSettings {
  /** Default 10. */
  readonly epochs?: number | undefined;
  /** Samples a step. Default 64. */
  readonly batchSize?: number | undefined;
  /** Default: Adam with a rate of 0.001 by the rules of Keras 3. */
  readonly optimizer?: OptimizerOptions | undefined;
  /** Default: what goes with the end of the model, from its logits where there are such. */
  readonly loss?: LossName | undefined;
  /** For the first weights, the order, dropout and changes of pictures. Default 0. */
  readonly seed?: number | undefined;
  /** Whether each epoch takes the samples in a new order. Default true. */
  readonly shuffle?: boolean | undefined;
  /** Share that every Dropout drops while training. Default: its own, and before a new head that before the old one. */
  readonly dropout?: number | undefined;
  /** What is trained, one after the other. Default: the head. */
  readonly stages?: readonly StageOptions[] | undefined;
  /** The measure by which epochs are compared. Default `val_loss`. */
  readonly monitor?: Monitor | undefined;
  /** Epochs without improvement after which a stage ends, with its best weights. Default: all epochs are trained. */
  readonly patience?: number | undefined;
  /** What is no more than this is no improvement. Default 0. */
  readonly minDelta?: number | undefined;
  /** L2 penalty of kernels: l2 · Σ w² is added to the loss. Default 0. */
  readonly l2?: number | undefined;
  /** Share of the target that is spread over all classes. Default 0. */
  readonly labelSmoothing?: number | undefined;
  /** What the samples of a class count, by its name, or so that all classes count the same. Default: all 1. */
  readonly classWeights?: 'balanced' | Readonly<Record<string, number>> | undefined;
  /** Whether normalisations that learn go by the batch and move their statistics. Default `frozen`, but for a new head. */
  readonly batchNorm?: 'frozen' | 'train' | undefined;
}

/** A stage with all its numbers. */
export interface StageSettings {
  /** Which layers learn. */
  readonly train: string;
  readonly epochs: number;
  readonly batchSize: number;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  readonly factors: Readonly<Record<string, number>>;
  readonly stopping: EarlyStopping | undefined;
  /** Share that every Dropout drops in this stage, if it is another. */
  readonly dropout: number | undefined;
}

/** The choices with their defaults. */
export interface Settings {
  readonly loss: LossName | undefined;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly dropout: number | undefined;
  readonly monitor: Monitor;
  readonly l2: number;
  readonly labelSmoothing: number;
  readonly classWeights: TrainSettings['classWeights'];
  readonly batchNorm: 'frozen' | 'train';
  readonly stages: readonly StageSettings[];
}

/** Fills in the defaults. Throws OPTION_INVALID. */
export function checkedSettings(options: TrainSettings): Settings {
  checkNumbers(options);
  const { loss, stages = [{ train: 'head' }], l2 = 0, labelSmoothing = 0 } = options;
  if (loss !== undefined && !Object.hasOwn(losses, loss)) {
    throw invalid('loss', loss, `one of ${Object.keys(losses).join(', ')}`);
  }
  if (stages.length === 0) throw invalid('stages', 0, 'at least one');
  return {
    loss,
    seed: options.seed ?? 0,
    shuffle: options.shuffle ?? true,
    dropout: options.dropout,
    monitor: options.monitor ?? 'val_loss',
    l2,
    labelSmoothing,
    classWeights: options.classWeights,
    batchNorm: options.batchNorm ?? 'frozen',
    stages: stages.map((stage) =>
      stageSettings(checked(stageSchema, stage, `Stage "${stage.train}"`), options),
    ),
  };
}

function checkNumbers({
  epochs = 10,
  batchSize = 64,
  seed = 0,
  patience = 0,
  dropout = 0,
  labelSmoothing = 0,
  l2 = 0,
}: TrainSettings): void {
  checkWhole('epochs', epochs, 1);
  checkWhole('batchSize', batchSize, 1);
  checkWhole('seed', seed, 0);
  checkWhole('patience', patience, 0);
  checkShare('dropout', dropout);
  checkShare('labelSmoothing', labelSmoothing);
  if (!(l2 >= 0 && Number.isFinite(l2))) throw invalid('l2', l2, 'a number of at least 0');
}

function stageSettings(stage: StageText, options: TrainSettings): StageSettings {
  const optimizer = stageOptimizer(stage, options.optimizer);
  checkOptimizer(optimizer);
  const patience = stage.patience ?? options.patience;
  return {
    train: stage.train,
    epochs: stage.epochs ?? options.epochs ?? 10,
    batchSize: stage.batch ?? options.batchSize ?? 64,
    optimizer,
    schedule: stage.schedule ?? { name: 'constant', numbers: {} },
    factors: stage.factors ?? {},
    dropout: stage.dropout,
    stopping:
      patience === undefined
        ? undefined
        : {
            monitor: options.monitor ?? 'val_loss',
            minDelta: options.minDelta ?? 0,
            patience,
            startFromEpoch: 0,
            baseline: undefined,
            keras: optimizer.keras,
          },
  };
}

/** The stage's own settings over those for all; another optimizer takes over only what every optimizer has. */
function stageOptimizer(stage: StageText, shared: OptimizerOptions = { name: 'adam' }): Optimizer {
  const { name, keras, learningRate, decay, clipnorm, globalClipnorm, clipvalue } = shared;
  const isSame = stage.optimizer === undefined || stage.optimizer === name;
  const before = isSame
    ? shared
    : { keras, learningRate, decay, clipnorm, globalClipnorm, clipvalue };
  const own = Object.entries({
    learningRate: stage.lr,
    momentum: stage.momentum,
    nesterov: stage.nesterov,
    rho: stage.rho,
    beta1: stage.beta1,
    beta2: stage.beta2,
    epsilon: stage.epsilon,
    decay: stage.decay,
    weightDecay: stage.weight_decay,
    clipnorm: stage.clipnorm,
    clipvalue: stage.clipvalue,
  }).filter(([, value]) => value !== undefined);
  return makeOptimizer({ ...before, name: stage.optimizer ?? name, ...Object.fromEntries(own) });
}

function checkOptimizer({ learningRate }: Optimizer): void {
  if (learningRate > 0 && Number.isFinite(learningRate)) return;
  throw invalid('learningRate', learningRate, 'a number above 0');
}

function checkShare(name: string, value: number): void {
  if (value >= 0 && value < 1) return;
  throw invalid(name, value, 'a number from 0 to less than 1');
}

function checkWhole(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw invalid(name, value, `a whole number of at least ${least}`);
  }
}

function invalid(name: string, found: number | string, expected: string): ToolkitError {
  return new ToolkitError('OPTION_INVALID', `"${name}" should be ${expected}, but is ${found}`, {
    hint: 'Correct it, or leave it out for the default.',
  });
}
