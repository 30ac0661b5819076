import { expect } from 'vitest';

/** How far a result may lie from its reference: |a - b| ≤ atol + rtol·|b|. Raising one needs a reason. */
const tolerance = {
  /** float32 through a whole network. */
  float32: { rtol: 1e-4, atol: 1e-5 },
} as const;

/** Fails with the place and size of the largest excess. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { rtol, atol }: { readonly rtol: number; readonly atol: number } = tolerance.float32,
): void {
  expect(actual.length).toBe(expected.length);
  let worst = { excess: 0, at: -1 };
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i] ?? Number.NaN;
    const b = expected[i] ?? Number.NaN;
    // Infinities and NaN are as good as any other number where Keras has them too.
    if (Object.is(a, b)) continue;
    const excess = Math.abs(a - b) - atol - rtol * Math.abs(b);
    if (!(excess <= worst.excess)) worst = { excess, at: i };
  }
  if (worst.at < 0) return;
  throw new Error(
    `Element ${worst.at} is ${actual[worst.at]}, expected ${expected[worst.at]} (rtol ${rtol}, atol ${atol})`,
  );
}
