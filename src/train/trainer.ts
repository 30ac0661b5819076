import type { Rows, Targets } from './rows.ts';

/** Rows and what they are to be. */
export interface Examples {
  readonly rows: Rows;
  readonly targets: Targets;
  /** One a row: by class, or by sample. */
  readonly weights?: Float32Array | undefined;
}

/** All that moves while training: parameters by their names, and what the optimizer keeps of each. */
export interface TrainerState {
  readonly iteration: number;
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

/** Sums over the batches of an epoch so far. */
export interface Progress {
  /** Batches done. */
  readonly step: number;
  readonly samples: number;
  /** Loss of each batch times its size, summed. */
  readonly loss: number;
  /** Rows that are right; where numbers are predicted, how far off each row is on average, summed. */
  readonly correct: number;
  /** Predictions that are wrong with full confidence. */
  readonly saturated: number;
}

export const noProgress: Progress = { step: 0, samples: 0, loss: 0, correct: 0, saturated: 0 };

/** One epoch: its order, its rates, and where it begins. */
interface EpochRun {
  readonly examples: Examples;
  readonly order: Uint32Array;
  /** From 1. */
  readonly epoch: number;
  /** Seed of what is drawn in this epoch. */
  readonly seed: number;
  /** Learning rate of the step of that number in this epoch. */
  readonly rate: (step: number) => number;
  readonly from: Progress;
  /** After each step; what it throws ends the epoch, with all steps so far done. */
  readonly onStep?: ((progress: Progress) => Promise<void> | void) | undefined;
}

/** Measures of rows that are not trained on. */
export interface Evaluation {
  readonly loss: number;
  /** Share of right rows; where numbers are predicted, the mean absolute error. */
  readonly acc: number;
  /** [count, K]: what the model puts out. */
  readonly output: Float32Array;
}

/** Something that learns, step by step. Whoever opens it closes it. */
export interface Trainer {
  /** Throws TRAINING_DIVERGED. */
  readonly epoch: (run: EpochRun) => Promise<Progress>;
  readonly evaluate: (examples: Examples) => Promise<Evaluation>;
  /** What can be written to a file now: copies. */
  readonly state: () => TrainerState;
  /** Goes back to a state, bit for bit. */
  readonly load: (state: TrainerState) => void;
  /** The numbers now, by initializer: copies. */
  readonly parameters: () => ReadonlyMap<string, Float32Array>;
  readonly close: () => Promise<void>;
}
