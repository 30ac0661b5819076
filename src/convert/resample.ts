/** How a filter weighs a source at a distance, and how far it reaches, in source pixels. */
interface Filter {
  readonly radius: number;
  readonly weigh: (distance: number) => number;
}

function lanczos(radius: number): Filter {
  // oxlint-disable-next-line unicorn/consistent-function-scoping -- read together with what it serves
  const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
  return { radius, weigh: (x) => (x >= radius ? 0 : sinc(x) * sinc(x / radius)) };
}

/** The cubic of Keys with a = -1/2. */
function keysCubic(x: number): number {
  if (x >= 2) return 0;
  return x >= 1 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : (1.5 * x - 2.5) * x * x + 1;
}

/** Filters of tensorflow/core/kernels/image/sampling_kernels.h. */
const filters = {
  bilinear: { radius: 1, weigh: (x: number) => Math.max(0, 1 - x) },
  bicubic: { radius: 2, weigh: keysCubic },
  lanczos3: lanczos(3),
  lanczos5: lanczos(5),
  // sigma is a third of the radius.
  gaussian: { radius: 1.5, weigh: (x: number) => (x >= 1.5 ? 0 : Math.exp((-x * x) / 0.5)) },
  mitchellcubic: {
    radius: 2,
    weigh(x: number) {
      if (x >= 2) return 0;
      return x >= 1
        ? (((-7 / 18) * x + 2) * x - 10 / 3) * x + 16 / 9
        : ((7 / 6) * x - 2) * x * x + 8 / 9;
    },
  },
} as const satisfies Record<string, Filter>;

export const interpolations = [
  'nearest',
  'bilinear',
  'bicubic',
  'area',
  'lanczos3',
  'lanczos5',
  'gaussian',
  'mitchellcubic',
] as const;
export type Interpolation = (typeof interpolations)[number];

/**
 * What every place of a resized axis takes from every place before: rows [out][in] that sum to 1.
 *
 * Source: tensorflow/core/kernels/image/{scale_and_translate_op,resize_bicubic_op,resize_area_op}.cc. `nearest` and
 * `bilinear` without antialias are ONNX's own and not wanted here.
 */
export function resizeMatrix(
  method: Exclude<Interpolation, 'nearest'>,
  {
    from,
    to,
    antialias,
  }: { readonly from: number; readonly to: number; readonly antialias: boolean },
): readonly (readonly number[])[] {
  const scale = from / to;
  return Array.from({ length: to }, (_, place) => {
    if (method === 'area') return normalized(areaWeights(place, scale, from));
    if (method === 'bicubic' && !antialias) return normalized(cubicWeights(place, scale, from));
    return normalized(filterWeights(filters[method], { place, scale, from, antialias }));
  });
}

function normalized(row: readonly number[]): readonly number[] {
  const sum = row.reduce((a, b) => a + b, 0);
  return sum === 0 ? row : row.map((weight) => weight / sum);
}

/** The share of each source pixel in a place of `scale` pixels. */
function areaWeights(place: number, scale: number, from: number): readonly number[] {
  const [begin, end] = [place * scale, (place + 1) * scale];
  return Array.from({ length: from }, (_, at) =>
    Math.max(0, Math.min(at + 1, end) - Math.max(at, begin)),
  );
}

/** Steps in which TensorFlow looks up its cubic. */
const cubicSteps = 1024;

/** The four neighbours, those outside left out, at a distance rounded to TensorFlow's table. */
function cubicWeights(place: number, scale: number, from: number): readonly number[] {
  const at = (place + 0.5) * scale - 0.5;
  const first = Math.floor(at);
  const delta = Math.round((at - first) * cubicSteps) / cubicSteps;
  const row = Array.from({ length: from }, () => 0);
  for (const offset of [-1, 0, 1, 2]) {
    const source = first + offset;
    if (source >= 0 && source < from) row[source] = keysCubic(Math.abs(offset - delta));
  }
  return row;
}

function filterWeights(
  { radius, weigh }: Filter,
  {
    place,
    scale,
    from,
    antialias,
  }: {
    readonly place: number;
    readonly scale: number;
    readonly from: number;
    readonly antialias: boolean;
  },
): readonly number[] {
  const stretch = antialias ? Math.max(scale, 1) : 1;
  const at = (place + 0.5) * scale;
  const first = Math.max(0, Math.ceil(at - radius * stretch - 0.5));
  const last = Math.min(from - 1, Math.floor(at + radius * stretch - 0.5));
  return Array.from({ length: from }, (_, source) =>
    source < first || source > last ? 0 : weigh(Math.abs(source + 0.5 - at) / stretch),
  );
}
