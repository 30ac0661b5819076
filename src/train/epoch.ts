/** What is measured besides the loss: the share of right classes, or the mean absolute error of numbers. */
export type Measure = 'acc' | 'mae';

/** What Keras measures of an epoch, named as in its history: `acc` of classes, `mae` of numbers, never both. */
export interface EpochMeasures {
  readonly loss: number;
  readonly acc?: number;
  readonly mae?: number;
  readonly val_loss?: number;
  readonly val_acc?: number;
  readonly val_mae?: number;
}

/** An epoch of a plan: Keras' measures, and where and how it was. */
export interface StageRecord extends EpochMeasures {
  /** From 1. */
  readonly stage: number;
  /** From 1, in its stage. */
  readonly epoch: number;
  /** Learning rate at the end of the epoch, before the optimizer's own decay. */
  readonly lr: number;
  /** Wrong with full confidence: such samples teach nothing where a loss clips probabilities. */
  readonly saturated?: number;
  readonly seconds: number;
}
