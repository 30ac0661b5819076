import { describe, expect, it } from 'vitest';
import { resampleColour } from '../../src/runtime/resample-simd.ts';
import { cubic, triangle } from '../../src/runtime/taps.ts';

const picture = (width: number, height: number, pixel: (at: number) => readonly number[]) => ({
  width,
  height,
  channels: 3 as const,
  data: Uint8Array.from(Array.from({ length: width * height }, (_, at) => pixel(at)).flat()),
});

describe('resampling of colour pictures by vectors', () => {
  it('makes one pixel of two by their mean, rounded up at one half', () => {
    const pair = picture(2, 1, (at) => [at * 255, 10 + at * 20, at]);
    expect(resampleColour(pair, { width: 1, height: 1 }, triangle)).toEqual(
      Uint8Array.of(128, 20, 1),
    );
    const column = { ...pair, width: 1, height: 2 };
    expect(resampleColour(column, { width: 1, height: 1 }, triangle)).toEqual(
      Uint8Array.of(128, 20, 1),
    );
  });

  it.each([
    ['narrower and higher', 5, 90],
    ['wider and lower', 90, 5],
    ['as wide', 37, 20],
    ['as high', 20, 41],
  ])('keeps one colour all over, %s', (_title, width, height) => {
    const plain = picture(37, 41, () => [7, 255, 0]);
    for (const kernel of [triangle, cubic]) {
      const { data } = picture(width, height, () => [7, 255, 0]);
      expect(resampleColour(plain, { width, height }, kernel)).toEqual(data);
    }
  });

  it('cuts what a bicubic curve overshoots to a byte, at both ends', () => {
    const edge = picture(8, 1, (at) => (at < 4 ? [0, 255, 0] : [255, 0, 255]));
    const out = resampleColour(edge, { width: 64, height: 1 }, cubic) ?? new Uint8Array(0);
    expect([...out.subarray(0, 3), ...out.subarray(-3)]).toEqual([0, 255, 0, 255, 0, 255]);
    expect(out.filter((_, at) => at % 3 === 0).indexOf(255)).toBeGreaterThan(32);
    expect(out.filter((_, at) => at % 3 === 0).lastIndexOf(0)).toBeLessThan(32);
  });

  it('leaves alone what would take more than 64 MiB', () => {
    const tall = picture(1, 3000, () => [1, 2, 3]);
    expect(resampleColour(tall, { width: 10_000, height: 1 }, triangle)).toBeUndefined();
  });
});
