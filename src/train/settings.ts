import { ToolkitError } from '../errors.ts';
import type { LossName } from './losses.ts';
import { makeOptimizer, type Optimizer, type OptimizerOptions } from './optimizers.ts';

/** The losses that go with a softmax over one-hot classes. */
export const headLosses = [
  'categorical_crossentropy',
  'keras_categorical_crossentropy',
  'mean_squared_error',
] as const satisfies readonly LossName[];

type HeadLoss = (typeof headLosses)[number];

/** What of a training can be chosen. */
export interface TrainSettings {
  /** Default 10. */
  readonly epochs?: number | undefined;
  /** Samples a step. Default 64. */
  readonly batchSize?: number | undefined;
  /** Default: Adam with a rate of 0.001 by the rules of Keras 3. */
  readonly optimizer?: OptimizerOptions | undefined;
  /** Default: categorical crossentropy of the logits. Targets are one-hot. */
  readonly loss?: HeadLoss | undefined;
  /** For the first weights, the order and dropout. Default 0. */
  readonly seed?: number | undefined;
  /** Whether each epoch takes the samples in a new order. Default true. */
  readonly shuffle?: boolean | undefined;
  /** Share of the features dropped while training. Default: that of the Dropout before the layer taken off. */
  readonly dropout?: number | undefined;
}

/** The choices with their defaults. */
export interface Settings {
  readonly epochs: number;
  readonly batchSize: number;
  readonly optimizer: Optimizer;
  readonly loss: LossName;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly dropout: number | undefined;
}

/** Fills in the defaults. Throws OPTION_INVALID. */
export function checkedSettings(options: TrainSettings): Settings {
  const { epochs = 10, batchSize = 64, seed = 0, dropout } = options;
  checkWhole('epochs', epochs, 1);
  checkWhole('batchSize', batchSize, 1);
  checkWhole('seed', seed, 0);
  if (dropout !== undefined && !(dropout >= 0 && dropout < 1)) {
    throw invalid('dropout', dropout, 'a number from 0 to less than 1');
  }
  const optimizer = makeOptimizer(options.optimizer ?? { name: 'adam' });
  checkOptimizer(optimizer);
  const { loss = 'categorical_crossentropy', shuffle = true } = options;
  if (!headLosses.includes(loss)) throw invalid('loss', loss, `one of ${headLosses.join(', ')}`);
  return { epochs, batchSize, seed, dropout, optimizer, loss, shuffle };
}

function checkOptimizer({ learningRate }: Optimizer): void {
  if (learningRate > 0 && Number.isFinite(learningRate)) return;
  throw invalid('learningRate', learningRate, 'a number above 0');
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
