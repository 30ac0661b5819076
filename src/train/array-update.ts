import type { Optimizer } from './optimizers.ts';
import { type ParameterSettings, rateAt } from './update.ts';

/** A parameter with its gradient, which is overwritten, and what the optimizer keeps of it; all of one length. */
export interface MovingArrays {
  readonly settings: ParameterSettings;
  readonly parameter: Float32Array;
  readonly gradient: Float32Array;
  readonly slots: readonly Float32Array[];
}

/** Which step it is, and its rate before decay. */
export interface UpdateTime {
  readonly learningRate: number;
  /** Steps done before. */
  readonly iteration: number;
}

/**
 * One update of all parameters in place, as `applyOptimizer` appends it to a graph.
 *
 * One pass over each parameter, in float64, rounded where it is stored: on a CPU a large matrix is moved several times
 * faster than by a node for each operation.
 */
export function updateArrays(
  optimizer: Optimizer,
  moving: readonly MovingArrays[],
  time: UpdateTime,
): void {
  for (const each of moving) addPenalties(each);
  if (optimizer.globalClipnorm !== undefined) limit(moving, optimizer.globalClipnorm);
  for (const { settings, ...arrays } of moving) {
    if (optimizer.clipnorm !== undefined) limit([arrays], optimizer.clipnorm);
    if (optimizer.clipvalue !== undefined) clip(arrays.gradient, optimizer.clipvalue);
    const rate = rateAt(optimizer, time.learningRate, time.iteration) * (settings.rate ?? 1);
    const shrink = settings.decay === false ? 1 : 1 - rate * optimizer.weightDecay;
    optimizer.apply({ ...arrays, rate, shrink, count: time.iteration + 1 });
  }
}

/** Whether each number of a parameter moves by its own gradient alone, so that it can be updated piece by piece. */
export function isPiecewise({ clipnorm, globalClipnorm, slots }: Optimizer): boolean {
  const hasOneNumber = slots.some(({ start }) => start === 1);
  return clipnorm === undefined && globalClipnorm === undefined && !hasOneNumber;
}

function addPenalties({ settings, parameter, gradient }: MovingArrays): void {
  const { l1 = 0, l2 = 0 } = settings;
  if (l1 === 0 && l2 === 0) return;
  for (let i = 0; i < gradient.length; i++) {
    const p = parameter[i] ?? 0;
    gradient[i] = (gradient[i] ?? 0) + 2 * l2 * p + l1 * Math.sign(p);
  }
}

/** Scales gradients down to a norm, all of them taken as one vector. */
function limit(moving: readonly Pick<MovingArrays, 'gradient'>[], most: number): void {
  let squares = 0;
  for (const { gradient } of moving) for (const g of gradient) squares += g * g;
  const norm = Math.sqrt(squares);
  if (norm <= most) return;
  for (const { gradient } of moving) {
    for (let i = 0; i < gradient.length; i++) gradient[i] = ((gradient[i] ?? 0) * most) / norm;
  }
}

function clip(gradient: Float32Array, most: number): void {
  for (let i = 0; i < gradient.length; i++) {
    gradient[i] = Math.max(-most, Math.min(most, gradient[i] ?? 0));
  }
}
