import type { Pixels } from './pixels.ts';
import { resampleColour } from './resample-simd.ts';
import { cubic, half, type Kernel, precision, type Taps, tapsOf, triangle } from './taps.ts';

/** How a picture is brought to another size. The names are those of Keras and Pillow. */
export type Interpolation = 'nearest' | 'bilinear' | 'bicubic';

type Resize = (pixels: Pixels, width: number, height: number) => Pixels;

/** One row an interpolation; each gives the very bytes of Pillow's `Image.resize`. */
const interpolations: { readonly [I in Interpolation]: Resize } = {
  nearest: resizeNearest,
  bilinear: (pixels, width, height) => resample(pixels, width, height, triangle),
  bicubic: (pixels, width, height) => resample(pixels, width, height, cubic),
};

/** Brings a picture to `size` = [height, width]; its proportions are not kept, as in Keras' `load_img(target_size)`. */
export function resize(
  pixels: Pixels,
  [height, width]: readonly [height: number, width: number],
  interpolation: Interpolation,
): Pixels {
  if (pixels.width === width && pixels.height === height) return pixels;
  return interpolations[interpolation](pixels, width, height);
}

function resizeNearest(pixels: Pixels, width: number, height: number): Pixels {
  const { channels, data } = pixels;
  const columns = nearestSources(pixels.width, width);
  const rows = nearestSources(pixels.height, height);
  const out = new Uint8Array(width * height * channels);
  let to = 0;
  for (const row of rows) {
    const start = row * pixels.width * channels;
    for (const column of columns) {
      const from = start + column * channels;
      for (let c = 0; c < channels; c++) out[to++] = data[from + c] ?? 0;
    }
  }
  return { width, height, channels, data: out };
}

/**
 * Which source pixel each result shows. The coordinate is summed up step by step, for the rounding of the sum decides
 * at multiples of 64: `floor((i + 0.5) * scale)` gives other pixels. Source: Pillow, Geometry.c, ImagingScaleAffine.
 */
export function nearestSources(from: number, to: number): Int32Array {
  const scale = from / to;
  const sources = new Int32Array(to);
  let at = scale * 0.5;
  for (let i = 0; i < to; i++, at += scale) sources[i] = Math.min(Math.floor(at), from - 1);
  return sources;
}

/** Separable resampling with a support that grows when shrinking, in fixed point, rounded to bytes after each pass. Source: Pillow, Resample.c. */
function resample(pixels: Pixels, width: number, height: number, kernel: Kernel): Pixels {
  const { channels } = pixels;
  const data = channels === 3 ? resampleColour(pixels, { width, height }, kernel) : undefined;
  if (data) return { width, height, channels, data };
  const wide = pixels.width === width ? pixels : resampleRows(pixels, width, kernel);
  return wide.height === height ? wide : resampleColumns(wide, height, kernel);
}

function resampleRows(pixels: Pixels, width: number, kernel: Kernel): Pixels {
  const { height, channels } = pixels;
  const taps = tapsOf(pixels.width, width, kernel);
  const out = new Uint8ClampedArray(width * height * channels);
  for (let c = 0; c < channels; c++) channelRows(pixels, c, { taps, out });
  return { width, height, channels, data: new Uint8Array(out.buffer) };
}

function channelRows(
  { width, height, channels, data }: Pixels,
  channel: number,
  {
    taps: { starts, sizes, weights, stride },
    out,
  }: { readonly taps: Taps; readonly out: Uint8ClampedArray },
): void {
  let to = channel;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < starts.length; x++, to += channels) {
      const end = x * stride + (sizes[x] ?? 0);
      let from = (y * width + (starts[x] ?? 0)) * channels + channel;
      let sum = half;
      for (let k = x * stride; k < end; k++, from += channels) {
        sum = (sum + Math.imul(data[from] ?? 0, weights[k] ?? 0)) | 0;
      }
      out[to] = sum >> precision;
    }
  }
}

/** Rows that are summed at once. */
const together = 4;

function resampleColumns(pixels: Pixels, height: number, kernel: Kernel): Pixels {
  const { width, channels, data } = pixels;
  const { starts, sizes, weights, stride } = tapsOf(pixels.height, height, kernel);
  const line = width * channels;
  const out = new Uint8ClampedArray(line * height);
  const sums = new Int32Array(line);
  for (let y = 0; y < height; y++) {
    sums.fill(half);
    const end = sizes[y] ?? 0;
    for (let k = 0; k < end; k += together) {
      const at = y * stride + k;
      const from = ((starts[y] ?? 0) + k) * line;
      addRows(sums, data.subarray(from), weights.subarray(at, y * stride + end));
    }
    const to = y * line;
    for (let i = 0; i < line; i++) out[to + i] = (sums[i] ?? 0) >> precision;
  }
  return { width, height, channels, data: new Uint8Array(out.buffer) };
}

/** Adds up to four rows, the weight of those that are not there being 0. */
function addRows(sums: Int32Array, data: Uint8Array, weights: Int32Array): void {
  const line = sums.length;
  const [a = 0, b = 0, c = 0, d = 0] = weights;
  const last = Math.min(weights.length, together) - 1;
  const [second, third, fourth] = [Math.min(1, last), Math.min(2, last), Math.min(3, last)];
  const [atB, atC, atD] = [second * line, third * line, fourth * line];
  for (let i = 0; i < line; i++) {
    let sum = (sums[i] ?? 0) + Math.imul(data[i] ?? 0, a);
    sum = (sum + Math.imul(data[atB + i] ?? 0, b)) | 0;
    sum = (sum + Math.imul(data[atC + i] ?? 0, c)) | 0;
    sums[i] = (sum + Math.imul(data[atD + i] ?? 0, d)) | 0;
  }
}
