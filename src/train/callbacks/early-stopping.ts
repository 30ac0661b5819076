import type { EpochMeasures } from '../epoch.ts';
import { isBetter, type Monitor, measureOf } from './monitor.ts';

/** When a stage ends before its last epoch; names and defaults as in Keras, but the best weights always come back. */
export interface EarlyStopping {
  readonly monitor: Monitor;
  /** What does not better the best by more than this is no improvement. */
  readonly minDelta: number;
  readonly patience: number;
  /** Epochs at the beginning that do not count. */
  readonly startFromEpoch: number;
  /** Improvements count only beyond this measure. */
  readonly baseline: number | undefined;
  /** Keras 1 looks before it counts, so for a patience of 1 or more it goes on one epoch longer. */
  readonly keras: 1 | 3;
}

/** How patient it still is: plain data, part of a checkpoint. */
export interface StoppingState {
  readonly best: number | undefined;
  /** Epoch, from 1, of the best measure. */
  readonly bestEpoch: number;
  readonly wait: number;
}

export const freshStopping: StoppingState = { best: undefined, bestEpoch: 0, wait: 0 };

/** What an epoch means for stopping. */
interface Verdict {
  readonly state: StoppingState;
  /** This epoch's weights are the best so far. */
  readonly isBest: boolean;
  readonly isOver: boolean;
}

/** Looks at an epoch, counted from 1. Source: keras 1.2.2 keras/callbacks.py; keras 3 keras/src/callbacks. */
export function lookAt(
  { monitor, minDelta, patience, startFromEpoch, baseline, keras }: EarlyStopping,
  before: StoppingState,
  epoch: number,
  measures: EpochMeasures,
): Verdict {
  if (epoch <= startFromEpoch) return { state: before, isBest: false, isOver: false };
  const value = measureOf(monitor, measures);
  const isBest = before.best === undefined || isBetter(monitor, value, before.best, minDelta);
  const best = isBest ? { best: value, bestEpoch: epoch } : before;
  const counts = baseline === undefined || isBetter(monitor, value, baseline, minDelta);
  if (isBest && counts) return { state: { ...before, ...best, wait: 0 }, isBest, isOver: false };
  const isOver = keras === 1 ? before.wait >= patience : before.wait + 1 >= patience && epoch > 1;
  return {
    state: { ...before, ...best, wait: before.wait + 1 },
    isBest,
    isOver: isOver && !isBest,
  };
}
