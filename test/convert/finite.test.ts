import { describe, expect, it } from 'vitest';
import { FiniteCheck } from '../../src/convert/finite.ts';
import { bytesSource, floatSource } from '../../src/source.ts';
import type { TensorSource } from '../../src/tensor.ts';

/** Warnings about numbers that went by. */
function warned(sources: Readonly<Record<string, TensorSource>>): readonly string[] {
  const check = new FiniteCheck();
  for (const [name, source] of Object.entries(sources)) {
    const bytes = [...check.watched(name, source).chunks()].map((chunk) => chunk.slice());
    expect(Buffer.concat(bytes).equals(source.read(0, source.shape[0] ?? 0))).toBe(true);
  }
  return check.warnings;
}

const doubles = (numbers: readonly number[]): TensorSource =>
  bytesSource('float64', [numbers.length], new Uint8Array(Float64Array.from(numbers).buffer));

describe('weights that go by', () => {
  it('are let through as they are, and counted where they are no numbers', () => {
    const numbers = [0, Number.NaN, -1, Number.POSITIVE_INFINITY, 3.4e38, 1e-45, 2];
    expect(
      warned({
        fine: floatSource([3], [1, -0, 3.4e38]),
        wrong: floatSource([7], numbers),
        last: floatSource([6], [1, 2, 3, 4, 5, Number.NEGATIVE_INFINITY]),
        wide: doubles([1, Number.NaN]),
        whole: bytesSource('int32', [1], new Uint8Array(4).fill(255)),
      }),
    ).toEqual([
      'Weight "wrong" has 2 values that are NaN or infinite',
      'Weight "last" has 1 value that is NaN or infinite',
      'Weight "wide" has 1 value that is NaN or infinite',
    ]);
  });
});
