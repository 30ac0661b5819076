import type { EpochMeasures } from '../epoch.ts';

/** Which measure is looked at. */
export type Monitor = 'loss' | 'acc' | 'mae' | 'val_loss' | 'val_acc' | 'val_mae';

/** Keras' mode `auto`: an accuracy should grow, a loss should shrink. */
export function isBetter(
  monitor: Monitor,
  value: number,
  reference: number,
  delta: number,
): boolean {
  return monitor.endsWith('acc') ? value - delta > reference : value + delta < reference;
}

/** A measure that any real one betters. */
export function worst(monitor: Monitor): number {
  return monitor.endsWith('acc') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

const ofTraining = {
  loss: 'loss',
  acc: 'acc',
  mae: 'mae',
  val_loss: 'loss',
  val_acc: 'acc',
  val_mae: 'mae',
} as const satisfies Readonly<Record<Monitor, Monitor>>;

/** The measure of an epoch; where nothing was validated, that of the training samples. */
export function measureOf(monitor: Monitor, measures: EpochMeasures): number {
  return measures[monitor] ?? measures[ofTraining[monitor]] ?? measures.loss;
}
