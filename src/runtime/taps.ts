/** How much a source pixel counts, by its distance from the middle of the result's. */
export interface Kernel {
  readonly support: number;
  readonly weight: (x: number) => number;
}

/** Bilinear. */
export const triangle: Kernel = { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) };

const sharpness = -0.5;
/** Bicubic. */
export const cubic: Kernel = {
  support: 2,
  weight(signed) {
    const x = Math.abs(signed);
    if (x < 1) return ((sharpness + 2) * x - (sharpness + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * sharpness : 0;
  },
};

/** What one result pixel is summed from: `size` source pixels from `start` on, their weights at `i * stride`. */
export interface Taps {
  readonly starts: Int32Array;
  readonly sizes: Int32Array;
  readonly weights: Int32Array;
  readonly stride: number;
}

/** Bits behind the point of a weight. Source: Pillow, Resample.c, PRECISION_BITS. */
export const precision = 22;
/** One half, which sums begin with so that they are rounded. */
export const half = 2 ** (precision - 1);

interface Scaling {
  readonly from: number;
  readonly to: number;
  readonly kernel: Kernel;
}

/** Both ways of the latest pictures: most are as large as the one before, and their weights are a fifth of the work. */
const latest: (Scaling & { readonly taps: Taps })[] = [];
const mostLatest = 4;

/** For each of `to` result pixels what it is summed from, of `from`. Its support grows when shrinking. Source: Pillow, Resample.c, precompute_coeffs. */
export function tapsOf(from: number, to: number, kernel: Kernel): Taps {
  const known = latest.find((one) => one.from === from && one.to === to && one.kernel === kernel);
  if (known) return known.taps;
  const scaling = { from, to, kernel };
  const taps = computed(scaling);
  latest.unshift({ ...scaling, taps });
  latest.length = Math.min(latest.length, mostLatest);
  return taps;
}

function computed({ from, to, kernel }: Scaling): Taps {
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
