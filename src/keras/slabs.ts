import { sizeOf } from '../tensor.ts';

/** A box of a dataset: where it begins and how many elements it has along each axis. */
export interface Slab {
  readonly offset: readonly number[];
  readonly size: readonly number[];
}

/** Cuts a range of the row-major order into boxes: the rest of a row, whole rows, the beginning of a row. */
export function slabs(shape: readonly number[], start: number, count: number): Slab[] {
  if (count === 0) return [];
  const [rows, ...inner] = shape;
  if (rows === undefined) return [{ offset: [], size: [] }];
  const row = sizeOf(inner);
  const first = Math.floor(start / row);
  const into = start - first * row;
  if (into > 0 || count < row) {
    const here = Math.min(count, row - into);
    const head = slabs(inner, into, here).map(({ offset, size }) => ({
      offset: [first, ...offset],
      size: [1, ...size],
    }));
    return [...head, ...slabs(shape, start + here, count - here)];
  }
  const whole = Math.floor(count / row);
  const box = { offset: [first, ...inner.map(() => 0)], size: [whole, ...inner] };
  return [box, ...slabs(shape, start + whole * row, count - whole * row)];
}
