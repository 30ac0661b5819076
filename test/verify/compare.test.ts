import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../src/runtime/session.ts';
import { compare, numbersOf } from '../../src/verify/compare.ts';

const tensor = (shape: readonly number[], numbers: readonly number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float64Array.from(numbers),
});

const tolerance = { atol: 0.5, rtol: 0.1 };

describe('two arrays', () => {
  it('are equal within atol + rtol · |expected|', () => {
    const found = compare(tensor([3], [10.5, 11.5, 0.5]), tensor([3], [10, 10, 0]), tolerance);
    expect(found).toMatchObject({ isEqual: true, outside: 0, maxAbsolute: 1.5, maxRelative: 0.15 });
  });

  it('differ where one number lies outside, and the worst is named with its place', () => {
    const actual = tensor([2, 2], [1, 2, 13, 4.5]);
    const found = compare(actual, tensor([2, 2], [1, 2, 10, 4]), tolerance);
    expect(found).toMatchObject({
      isEqual: false,
      outside: 1,
      maxAbsolute: 3,
      worst: { index: [1, 0], actual: 13, expected: 10 },
    });
  });

  it('of different shapes differ, even with as many numbers', () => {
    const found = compare(tensor([2, 1], [1, 2]), tensor([1, 2], [1, 2]), tolerance);
    expect(found).toMatchObject({ isEqual: false, maxAbsolute: undefined, worst: undefined });
  });

  it.each([
    ['NaN for a number', Number.NaN, 1],
    ['a number for NaN', 1, Number.NaN],
    ['NaN for NaN', Number.NaN, Number.NaN],
    ['infinity for infinity', Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
  ])('differ for %s', (_, actual, expected) => {
    const found = compare(tensor([2], [1, actual]), tensor([2], [1, expected]), tolerance);
    expect(found).toMatchObject({ isEqual: false, notFinite: 1, outside: 1, maxAbsolute: 0 });
  });

  it('without numbers are equal', () => {
    expect(compare(tensor([0], []), tensor([0], []), tolerance).isEqual).toBe(true);
  });
});

describe('half floats', () => {
  it.each([
    [0x00_00, 0],
    [0x80_01, -(2 ** -24)],
    [0x3c_01, 1 + 2 ** -10],
    [0xc0_00, -2],
    [0x7b_ff, 65_504],
    [0x7c_00, Number.POSITIVE_INFINITY],
    [0x7e_00, Number.NaN],
  ])('%i is %d', (bits, number) => {
    expect(numbersOf({ dtype: 'float16', shape: [1], data: Uint16Array.of(bits) })[0]).toBe(number);
  });
});
