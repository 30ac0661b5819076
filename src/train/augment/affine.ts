import type { Affine } from './draw.ts';
import type { Augmentation } from './settings.ts';

/** A picture of floats: [height, width, channels], row by row. */
export interface FloatPicture {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: Float32Array;
}

type Fill = Pick<Augmentation, 'fill_mode' | 'cval'>;

/**
 * SciPy's `ndimage.affine_transform` of each channel, with the splines of order 0 (nearest) and 1 (linear).
 *
 * Output pixel [r, c] is read at matrix · [r, c, 1] of the input, in double precision. Source: scipy 1.17,
 * ndimage/src/ni_interpolation.c, NI_GeometricTransform and map_coordinate.
 */
export function transformed(
  picture: FloatPicture,
  [a, b, dx, c, d, dy]: Affine,
  order: 0 | 1,
  { fill_mode: mode, cval }: Fill,
): FloatPicture {
  const { height, width, channels } = picture;
  const data = new Float32Array(picture.data.length);
  const rows = reader(height, mode, order);
  const columns = reader(width, mode, order);
  let to = 0;
  for (let r = 0; r < height; r++) {
    for (let q = 0; q < width; q++) {
      const isInside = rows.go(dx + a * r + b * q) && columns.go(dy + c * r + d * q);
      for (let channel = 0; channel < channels; channel++) {
        data[to++] = isInside ? blend(picture, rows, columns, channel) : cval;
      }
    }
  }
  return { height, width, channels, data };
}

/** The two neighbours on one axis, and the share of the second. */
interface Neighbours {
  first: number;
  second: number;
  share: number;
}

interface Reader extends Neighbours {
  /** Goes to a coordinate; false where it is outside and nothing is read. */
  readonly go: (at: number) => boolean;
}

function blend(
  { width, channels, data }: FloatPicture,
  rows: Neighbours,
  columns: Neighbours,
  channel: number,
): number {
  const at = (row: number, column: number): number =>
    data[(row * width + column) * channels + channel] ?? 0;
  if (rows.share === 0 && columns.share === 0) return at(rows.first, columns.first);
  const [down, right] = [rows.share, columns.share];
  return (
    at(rows.first, columns.first) * (1 - down) * (1 - right) +
    at(rows.first, columns.second) * (1 - down) * right +
    at(rows.second, columns.first) * down * (1 - right) +
    at(rows.second, columns.second) * down * right
  );
}

function reader(length: number, mode: Fill['fill_mode'], order: 0 | 1): Reader {
  const inside = (at: number): number => {
    if (at >= 0 && at < length) return at;
    return mode === 'reflect' ? reflected(at, length) : Math.min(Math.max(at, 0), length - 1);
  };
  const self: Reader = {
    first: 0,
    second: 0,
    share: 0,
    go(at) {
      const mapped = coordinate(at, length, mode);
      if (mapped === undefined) return false;
      const start = Math.floor(order === 0 ? mapped + 0.5 : mapped);
      self.first = inside(start);
      self.second = order === 0 ? self.first : inside(start + 1);
      self.share = order === 0 ? 0 : mapped - start;
      return true;
    },
  };
  return self;
}

/** Brings a coordinate that is outside back in, as the mode says; `undefined` for the constant. */
function coordinate(at: number, length: number, mode: Fill['fill_mode']): number | undefined {
  if (at >= 0 && at <= length - 1) return at;
  switch (mode) {
    case 'constant':
      return undefined;
    case 'nearest':
      return at < 0 ? 0 : length - 1;
    case 'reflect':
      return reflected(at, length);
    case 'wrap': {
      // SciPy's `wrap` has a period of one less than the length.
      const period = length - 1;
      if (period <= 0) return 0;
      if (at < 0) return at + period * (Math.trunc(-at / period) + 1);
      return at - period * Math.trunc(at / period);
    }
  }
}

/** d c b a | a b c d | d c b a. */
function reflected(at: number, length: number): number {
  const period = 2 * length;
  if (at < 0) {
    const near = at < -period ? period * Math.trunc(-at / period) + at : at;
    return near < -length ? near + period : -near - 1;
  }
  const near = at - period * Math.trunc(at / period);
  return near >= length ? period - near - 1 : near;
}
