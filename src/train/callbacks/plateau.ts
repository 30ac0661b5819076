import type { EpochMeasures } from '../epoch.ts';
import type { ScheduleNumbers } from '../schedules.ts';
import { isBetter, type Monitor, measureOf, worst } from './monitor.ts';

/** What a plateau remembers: plain data, part of a checkpoint. */
export interface PlateauState {
  readonly best: number | undefined;
  readonly wait: number;
  readonly cooldown: number;
  /** The rate now over that of the plan. */
  readonly factor: number;
}

export const freshPlateau: PlateauState = { best: undefined, wait: 0, cooldown: 0, factor: 1 };

/** How a plateau is seen. */
interface Plateau {
  readonly monitor: Monitor;
  readonly keras: 1 | 3;
  /** The rate of the plan. */
  readonly rate: number;
  /** `factor`, `patience`, `min_delta`, `cooldown`, `min_lr`. */
  readonly numbers: ScheduleNumbers;
}

/**
 * ReduceLROnPlateau: after an epoch, the state with which the next one is trained.
 *
 * Keras 1 looks before it counts, so it waits one epoch longer. Source: keras 1.2.2 keras/callbacks.py; keras 3
 * keras/src/callbacks/reduce_lr_on_plateau.py.
 */
export function afterPlateau(
  plateau: Plateau,
  before: PlateauState,
  measures: EpochMeasures,
): PlateauState {
  const { monitor, numbers } = plateau;
  const value = measureOf(monitor, measures);
  const isCooling = before.cooldown > 0;
  const cooldown = isCooling ? before.cooldown - 1 : 0;
  const waited = isCooling ? 0 : before.wait;
  const best = before.best ?? worst(monitor);
  if (isBetter(monitor, value, best, numbers['min_delta'] ?? 1e-4)) {
    return { ...before, best: value, wait: 0, cooldown };
  }
  if (cooldown > 0) return { ...before, wait: waited, cooldown };
  return lowered(plateau, { ...before, wait: waited, cooldown });
}

/** The rate after an epoch that bettered nothing: lower, when it was waited for long enough. */
function lowered({ keras, rate, numbers }: Plateau, before: PlateauState): PlateauState {
  const { factor = 0.1, patience = 10, cooldown = 0, min_lr: least = 0 } = numbers;
  const isOver = keras === 1 ? before.wait >= patience : before.wait + 1 >= patience;
  const now = rate * before.factor;
  if (!isOver || now <= least) return { ...before, wait: before.wait + 1 };
  const next = Math.max(now * factor, least) / rate;
  return { ...before, factor: next, wait: keras === 1 ? 1 : 0, cooldown };
}
