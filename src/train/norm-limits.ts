import type { Optimizer } from './optimizers.ts';
import type { ParameterSettings } from './update.ts';

/** A parameter's numbers and their gradient. */
interface Limited {
  readonly settings: ParameterSettings;
  readonly numbers: Float32Array;
  readonly gradient: Float32Array;
}

/** Whether each number moves by its own gradient alone, so that a gradient need not be whole at any time. */
export function isPiecewise({ clipnorm, globalClipnorm }: Optimizer): boolean {
  return clipnorm === undefined && globalClipnorm === undefined;
}

/** Adds penalties, and then makes gradients shorter: each by its own norm, or all as one vector. In place where it can. */
export function limitNorms(
  { clipnorm, globalClipnorm }: Optimizer,
  all: readonly Limited[],
): readonly Float32Array[] {
  const gradients = all.map(withPenalties);
  if (globalClipnorm !== undefined) limit(gradients, globalClipnorm);
  if (clipnorm === undefined) return gradients;
  for (const [i, gradient] of gradients.entries()) {
    const { tensors = 1 } = all[i]?.settings ?? {};
    const size = gradient.length / tensors;
    for (let at = 0; at < tensors; at++) {
      limit([gradient.subarray(at * size, (at + 1) * size)], clipnorm);
    }
  }
  return gradients;
}

function withPenalties({ settings, numbers, gradient }: Limited): Float32Array {
  const { l1 = 0, l2 = 0 } = settings;
  if (l1 === 0 && l2 === 0) return gradient;
  return gradient.map((g, i) => {
    const p = numbers[i] ?? 0;
    return g + 2 * l2 * p + l1 * Math.sign(p);
  });
}

function limit(gradients: readonly Float32Array[], most: number): void {
  let squares = 0;
  for (const gradient of gradients) for (const g of gradient) squares += g * g;
  const norm = Math.sqrt(squares);
  if (norm <= most) return;
  for (const gradient of gradients) {
    for (let i = 0; i < gradient.length; i++) gradient[i] = ((gradient[i] ?? 0) * most) / norm;
  }
}
