import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { floatSource, permuted, reshaped } from '../src/source.ts';
import { sizeOf, type TensorSource } from '../src/tensor.ts';

const numbers = (bytes: Uint8Array): number[] => [...new Float32Array(bytes.slice().buffer)];
const all = (source: TensorSource): number[] => [...source.chunks()].flatMap(numbers);
const counting = (shape: readonly number[]): TensorSource =>
  floatSource(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => i),
  );

/** Transpose and reversal by the definition: one index at a time. */
function byDefinition(shape: readonly number[], perm: readonly number[], flips: readonly number[]) {
  const dims = perm.map((axis) => shape[axis] ?? 1);
  return Array.from({ length: sizeOf(dims) }, (_, flat) => {
    let rest = flat;
    const index = shape.map(() => 0);
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const dim = dims[axis] ?? 1;
      const at = rest % dim;
      rest = (rest - at) / dim;
      index[perm[axis] ?? 0] = flips.includes(axis) ? dim - 1 - at : at;
    }
    return index.reduce((offset, at, axis) => offset * (shape[axis] ?? 1) + at, 0);
  });
}

describe('a permuted source', () => {
  it('is what the definition of a transpose with reversed axes says', () => {
    const cases = fc
      .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 })
      .chain((shape) => {
        const axes = shape.map((_, axis) => axis);
        return fc.tuple(
          fc.constant(shape),
          fc.shuffledSubarray(axes, { minLength: shape.length }),
          fc.subarray(axes),
          fc.double({ min: 0, max: 1, noNaN: true }),
        );
      });
    fc.assert(
      fc.property(cases, ([shape, perm, flips, part]) => {
        const source = permuted(counting(shape), perm, flips);
        const expected = byDefinition(shape, perm, flips);
        expect(all(source)).toEqual(expected);
        const start = Math.floor(part * (expected.length - 1));
        const count = Math.ceil((expected.length - start) * part);
        expect(numbers(source.read(start, count))).toEqual(expected.slice(start, start + count));
      }),
      { seed: 4 },
    );
  });

  it.each([
    ['HWIO to OIHW', [3, 3, 512, 300], [3, 2, 0, 1], []],
    ['HWIO to OIHW, flipped', [3, 3, 512, 300], [3, 2, 0, 1], [2, 3]],
    ['in more than one strip', [8, 700, 1000], [2, 0, 1], [0]],
    ['in strips of an axis that is not the last', [1500, 4, 1000], [1, 2, 0], [0, 2]],
    ['in several blocks', [2, 1100, 1024], [0, 2, 1], []],
  ])('of many megabytes is the same, and never whole in memory: %s', (_, shape, perm, flips) => {
    const source = counting(shape);
    const moved = permuted(source, perm, flips);
    const sizes = [...moved.chunks()].map(({ byteLength }) => byteLength);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(16 * 1024 * 1024);
    const bytes = Buffer.concat(Array.from(moved.chunks(), (chunk) => chunk.slice()));
    expect(bytes.equals(moved.read(0, sizeOf(shape)))).toBe(true);
  });

  it('costs nothing when it is undone', () => {
    const source = counting([2, 3, 4, 5]);
    const there = permuted(source, [2, 3, 1, 0], [0, 1]);
    expect(there.shape).toEqual([4, 5, 3, 2]);
    expect(permuted(there, [3, 2, 0, 1], [2, 3])).toBe(source);
  });

  it('keeps rows together when only leading axes move', () => {
    const rows = reshaped(counting([12, 2]), [2, 3, 2, 2]);
    const moved = reshaped(permuted(rows, [2, 0, 1, 3]), [12, 2]);
    expect(all(moved).slice(0, 4)).toEqual([0, 1, 4, 5]);
  });
});
