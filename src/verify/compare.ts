import type { Tensor } from '../runtime/session.ts';

/** How far a number may lie from its reference: |actual - expected| <= atol + rtol * |expected|. */
export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

/** What float32 through a whole network gives on another machine. */
export const defaultTolerance: Tolerance = { atol: 1e-5, rtol: 1e-4 };

/** How an array differs from its reference. */
export interface Difference {
  readonly isEqual: boolean;
  readonly shape: readonly number[];
  readonly expectedShape: readonly number[];
  /** Largest |actual - expected|; `undefined` when shapes differ. */
  readonly maxAbsolute: number | undefined;
  /** Largest |actual - expected| / |expected|, of those expected to be other than 0. */
  readonly maxRelative: number | undefined;
  /** Numbers outside the tolerance, those that are not finite included. */
  readonly outside: number;
  /** Numbers that are NaN or infinite on either side. */
  readonly notFinite: number;
  /** The number that lies furthest outside the tolerance, or furthest within it. */
  readonly worst:
    | { readonly index: readonly number[]; readonly actual: number; readonly expected: number }
    | undefined;
}

/** Compares two arrays number by number. A number that is not finite is never equal. */
export function compare(actual: Tensor, expected: Tensor, tolerance: Tolerance): Difference {
  const { shape } = actual;
  const shapes = { shape, expectedShape: expected.shape };
  if (String(shape) !== String(expected.shape)) {
    return {
      ...shapes,
      isEqual: false,
      maxAbsolute: undefined,
      maxRelative: undefined,
      outside: expected.data.length,
      notFinite: 0,
      worst: undefined,
    };
  }
  return { ...shapes, ...measured(numbersOf(actual), numbersOf(expected), { shape, tolerance }) };
}

function measured(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { shape, tolerance }: { readonly shape: readonly number[]; readonly tolerance: Tolerance },
): Omit<Difference, 'shape' | 'expectedShape'> {
  const found = { maxAbsolute: 0, maxRelative: 0, outside: 0, notFinite: 0 };
  let [worst, at] = [Number.NEGATIVE_INFINITY, -1];
  for (let i = 0; i < actual.length; i++) {
    const excess = excessOf(actual[i] ?? 0, expected[i] ?? 0, { tolerance, found });
    if (excess > 0) found.outside += 1;
    if (excess > worst) [worst, at] = [excess, i];
  }
  const place = { index: indexOf(at, shape), actual: actual[at] ?? 0, expected: expected[at] ?? 0 };
  return { ...found, isEqual: found.outside === 0, worst: at < 0 ? undefined : place };
}

/** By how much a number lies outside the tolerance; takes note of its errors. */
function excessOf(
  actual: number,
  expected: number,
  {
    tolerance: { atol, rtol },
    found,
  }: {
    readonly tolerance: Tolerance;
    readonly found: { maxAbsolute: number; maxRelative: number; notFinite: number };
  },
): number {
  if (!Number.isFinite(actual) || !Number.isFinite(expected)) {
    found.notFinite += 1;
    return Number.POSITIVE_INFINITY;
  }
  const difference = Math.abs(actual - expected);
  const size = Math.abs(expected);
  found.maxAbsolute = Math.max(found.maxAbsolute, difference);
  if (size !== 0) found.maxRelative = Math.max(found.maxRelative, difference / size);
  return difference - atol - rtol * size;
}

function indexOf(at: number, shape: readonly number[]): readonly number[] {
  let rest = at;
  return shape
    .toReversed()
    .map((dim) => {
      const index = rest % dim;
      rest = Math.floor(rest / dim);
      return index;
    })
    .toReversed();
}

/** Numbers of a tensor as JavaScript has them. */
export function numbersOf({ dtype, data }: Tensor): ArrayLike<number> {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    return Float64Array.from(data, Number);
  }
  if (dtype === 'float16') return Float32Array.from(data, halfToNumber);
  return data;
}

/** IEEE 754 binary16: 1 sign bit, 5 of exponent, 10 of fraction. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x80_00 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3_ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
