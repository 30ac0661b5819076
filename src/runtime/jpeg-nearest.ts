import type { Pixels } from './pixels.ts';
import { nearestSources } from './resize.ts';

/** A picture as a JPEG of 4:2:0 holds it: luma, then blue and red, of which one number stands for 2 × 2 pixels. */
export interface Planes {
  readonly width: number;
  readonly height: number;
  /** The planes one after the other; luma has an even number of columns and rows. */
  readonly data: Uint8Array;
}

/** Bytes that the planes of a picture take. */
export function planesBytes(width: number, height: number): number {
  return Math.ceil(width / 2) * Math.ceil(height / 2) * 6;
}

/**
 * The pixels that `nearest` takes, without the others ever becoming RGB: the very values of the whole way.
 *
 * Sources: libjpeg-turbo, jdsample.c (h2v2_fancy_upsample) and jdcolor.c (ycc_rgb_convert). The sample next to one at
 * the edge is that one itself, which gives what the library's special cases for edges give.
 */
export function nearestOfPlanes(
  { width, height, data }: Planes,
  [outHeight, outWidth]: readonly [height: number, width: number],
): Pixels {
  const [across, down] = [Math.ceil(width / 2), Math.ceil(height / 2)];
  const [blueAt, redAt] = [4 * across * down, 5 * across * down];
  const columns = nearestSources(width, outWidth);
  const besides = columns.map((x) => neighbour(x, across));
  const rgb = new Uint8ClampedArray(outWidth * outHeight * 3);
  let to = 0;
  for (const y of nearestSources(height, outHeight)) {
    const near = (y >> 1) * across;
    const far = neighbour(y, down) * across;
    for (let i = 0; i < outWidth; i++, to += 3) {
      const x = columns[i] ?? 0;
      const beside = besides[i] ?? 0;
      const a = near + (x >> 1);
      const b = near + beside;
      const c = far + (x >> 1);
      const d = far + beside;
      const luma = data[y * 2 * across + x] ?? 0;
      const blue = chromaOf(data, blueAt, [a, b, c, d], x);
      const red = chromaOf(data, redAt, [a, b, c, d], x);
      rgb[to] = luma + fixed(91881 * red);
      rgb[to + 1] = luma + fixed(-22554 * blue - 46802 * red);
      rgb[to + 2] = luma + fixed(116130 * blue);
    }
  }
  return { width: outWidth, height: outHeight, channels: 3, data: new Uint8Array(rgb.buffer) };
}

/** Chroma around 0, smoothed: of the pixel's own sample, the one beside it, those of the other line. */
function chromaOf(
  data: Uint8Array,
  plane: number,
  [a, b, c, d]: readonly [own: number, beside: number, far: number, across: number],
  x: number,
): number {
  const near = 3 * (data[plane + a] ?? 0) + (data[plane + b] ?? 0);
  const far = 3 * (data[plane + c] ?? 0) + (data[plane + d] ?? 0);
  return ((3 * near + far + 8 - (x & 1)) >> 4) - 128;
}

/** The sample of the other side that counts a quarter for a pixel, of `count`. */
function neighbour(pixel: number, count: number): number {
  return Math.min(Math.max((pixel >> 1) + ((pixel & 1) === 0 ? -1 : 1), 0), count - 1);
}

/** Rounds a number of 16 bits behind the point. */
function fixed(value: number): number {
  return (value + 0x8000) >> 16;
}
