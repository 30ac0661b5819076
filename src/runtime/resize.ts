import type { Pixels } from './pixels.ts';

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
function nearestSources(from: number, to: number): Int32Array {
  const scale = from / to;
  const sources = new Int32Array(to);
  let at = scale * 0.5;
  for (let i = 0; i < to; i++, at += scale) sources[i] = Math.min(Math.floor(at), from - 1);
  return sources;
}

interface Kernel {
  readonly support: number;
  readonly weight: (x: number) => number;
}

const triangle: Kernel = { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };

const sharpness = -0.5;
const cubic: Kernel = {
  support: 2,
  weight(signed) {
    const x = Math.abs(signed);
    if (x < 1) return ((sharpness + 2) * x - (sharpness + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * sharpness : 0;
  },
};

/** What one result pixel is summed from: `size` source pixels from `start` on, their weights at `i * stride`. */
interface Taps {
  readonly starts: Int32Array;
  readonly sizes: Int32Array;
  readonly weights: Int32Array;
  readonly stride: number;
}

const precision = 22;
const half = 2 ** (precision - 1);

/** Separable resampling with a support that grows when shrinking, in fixed point, rounded to bytes after each pass. Source: Pillow, Resample.c. */
function resample(pixels: Pixels, width: number, height: number, kernel: Kernel): Pixels {
  const wide = pixels.width === width ? pixels : resampleRows(pixels, width, kernel);
  return wide.height === height ? wide : resampleColumns(wide, height, kernel);
}

function tapsOf(from: number, to: number, kernel: Kernel): Taps {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = kernel.support * stretch;
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(to);
  const sizes = new Int32Array(to);
  const weights = new Int32Array(to * stride);
  const row = new Float64Array(stride);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const size = Math.min(from, Math.trunc(centre + support + 0.5)) - start;
    let sum = 0;
    for (let k = 0; k < size; k++) {
      row[k] = kernel.weight((k + start - centre + 0.5) * (1 / stretch));
      sum += row[k] ?? 0;
    }
    starts[i] = start;
    sizes[i] = size;
    for (let k = 0; k < size; k++) {
      const weight = sum === 0 ? (row[k] ?? 0) : (row[k] ?? 0) / sum;
      weights[i * stride + k] = Math.trunc(weight * 2 ** precision + (weight < 0 ? -0.5 : 0.5));
    }
  }
  return { starts, sizes, weights, stride };
}

/** The sum, rounded and cut to a byte. */
function byteOf(sum: number): number {
  const value = sum >> precision;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

function resampleRows(pixels: Pixels, width: number, kernel: Kernel): Pixels {
  const { height, channels, data } = pixels;
  const taps = tapsOf(pixels.width, width, kernel);
  const out = new Uint8Array(width * height * channels);
  const line = pixels.width * channels;
  for (let y = 0; y < height; y++) {
    for (let c = 0; c < channels; c++) {
      resampleRow(data, y * line + c, { out, to: y * width * channels + c, taps, channels });
    }
  }
  return { width, height, channels, data: out };
}

/** One channel of one row, from `data[start]` on. */
function resampleRow(
  data: Uint8Array,
  start: number,
  row: {
    readonly out: Uint8Array;
    readonly to: number;
    readonly taps: Taps;
    readonly channels: number;
  },
): void {
  const { out, channels, taps } = row;
  const { starts, sizes, weights, stride } = taps;
  let to = row.to;
  for (let x = 0; x < starts.length; x++, to += channels) {
    const end = x * stride + (sizes[x] ?? 0);
    let from = start + (starts[x] ?? 0) * channels;
    let sum = half;
    for (let k = x * stride; k < end; k++, from += channels) {
      sum = (sum + Math.imul(data[from] ?? 0, weights[k] ?? 0)) | 0;
    }
    out[to] = byteOf(sum);
  }
}

function resampleColumns(pixels: Pixels, height: number, kernel: Kernel): Pixels {
  const { width, channels, data } = pixels;
  const { starts, sizes, weights, stride } = tapsOf(pixels.height, height, kernel);
  const line = width * channels;
  const out = new Uint8Array(line * height);
  const sums = new Int32Array(line);
  for (let y = 0; y < height; y++) {
    sums.fill(half);
    const size = sizes[y] ?? 0;
    for (let k = 0; k < size; k++) {
      const weight = weights[y * stride + k] ?? 0;
      const from = ((starts[y] ?? 0) + k) * line;
      for (let i = 0; i < line; i++) {
        sums[i] = ((sums[i] ?? 0) + Math.imul(data[from + i] ?? 0, weight)) | 0;
      }
    }
    for (let i = 0; i < line; i++) out[y * line + i] = byteOf(sums[i] ?? 0);
  }
  return { width, height, channels, data: out };
}
