import type { EpochMeasures } from '../epoch.ts';

/** Which measure is looked at. */
export type Monitor = 'loss' | 'acc' | 'val_loss' | 'val_acc';

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

/** The measure of an epoch; where nothing was validated, that of the training samples. */
export function measureOf(monitor: Monitor, measures: EpochMeasures): number {
  const own = measures[monitor];
  if (own !== undefined) return own;
  return monitor.endsWith('acc') ? measures.acc : measures.loss;
}
