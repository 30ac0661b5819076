import type { Targets } from '../rows.ts';

/** Keras clips probabilities at this distance from 0 and 1: beyond, its crossentropy has no gradient. */
const epsilon = 1e-7;

/**
 * Rows that are wrong with full confidence: the probability of a class that is not the target is 1 to within 1e-7.
 *
 * Outputs of a single number are not looked at.
 */
export function saturatedIn(output: Float32Array, targets: Targets, count: number): number {
  const width = output.length / count;
  if (width < 2) return 0;
  let saturated = 0;
  for (let row = 0; row < count; row++) {
    const top = largest(output, row * width, width);
    const target =
      targets instanceof BigInt64Array
        ? Number(targets[row])
        : largest(targets, row * width, width);
    const isSure = (output[row * width + top] ?? 0) >= 1 - epsilon;
    if (top !== target && isSure) saturated += 1;
  }
  return saturated;
}

function largest(numbers: Float32Array, from: number, width: number): number {
  let best = 0;
  for (let i = 1; i < width; i++) {
    if ((numbers[from + i] ?? 0) > (numbers[from + best] ?? 0)) best = i;
  }
  return best;
}
