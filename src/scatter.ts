import { dtypeBytes, sizeOf, type TensorSource } from './tensor.ts';

/** How a block of a tensor is put in order: axis of the block for each axis of the result; axes of it that run backwards. */
export interface Order {
  readonly shape: readonly number[];
  readonly perm: readonly number[];
  readonly flips: ReadonlySet<number>;
}

/** A part of the result: indices `first` up to `end` of its first axis. */
interface Strip {
  readonly first: number;
  readonly end: number;
}

/** Numbers of up to four bytes as unsigned words of their width. */
type Words = Uint8Array | Uint16Array | Uint32Array;

/**
 * Fills `out` with a strip of the result, reading the block from element `origin` on once, from front to back, by pieces
 * of at least one row.
 *
 * So a tensor of any size is put in order with one strip and one piece in memory. Element types of up to four bytes.
 */
export function scatterStrip(
  source: TensorSource,
  order: Order,
  {
    origin,
    strip,
    out,
    piece,
  }: {
    readonly origin: number;
    readonly strip: Strip;
    readonly out: Uint8Array;
    readonly piece: Uint8Array;
  },
): void {
  const { shape } = order;
  const width = dtypeBytes[source.dtype];
  const row = shape.at(-1) ?? 1;
  const rows = sizeOf(shape.slice(0, -1));
  const step = Math.max(1, Math.floor(piece.byteLength / width / row));
  const place = placing(order, strip);
  const target = wordsOf(out, width);
  for (let first = 0; first < rows; first += step) {
    const count = Math.min(step, rows - first);
    const bytes = source.read(origin + first * row, count * row, piece);
    copyRows(wordsOf(bytes, width), target, { place, first, count, row });
  }
}

function wordsOf(bytes: Uint8Array, width: number): Words {
  const { buffer, byteOffset, byteLength } =
    bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  if (width === 1) return new Uint8Array(buffer, byteOffset, byteLength);
  if (width === 2) return new Uint16Array(buffer, byteOffset, byteLength / 2);
  return new Uint32Array(buffer, byteOffset, byteLength / 4);
}

/** Where the rows of the block (its last axis) go in the strip. */
interface Placing {
  /** Offset in the strip of a row's first element, or -1 where the strip has none of it. */
  readonly offsetOf: (row: number) => number;
  /** Distance in the strip between neighbours of a row. */
  readonly step: number;
  /** The elements of a row that are in the strip. */
  readonly from: number;
  readonly to: number;
}

function placing({ shape, perm, flips }: Order, { first, end }: Strip): Placing {
  const last = shape.length - 1;
  const dims = perm.map((axis) => shape[axis] ?? 1);
  const steps = shape.map((_, axis) => {
    const step = sizeOf(dims.slice(perm.indexOf(axis) + 1));
    return flips.has(axis) ? -step : step;
  });
  const origin = [...flips].reduce(
    (sum, axis) => sum + ((shape[axis] ?? 1) - 1) * Math.abs(steps[axis] ?? 0),
    0,
  );
  const block = sizeOf(dims.slice(1));
  const start = origin - first * block;
  const cut = perm[0] ?? 0;
  const extent = shape[cut] ?? 1;
  const [low, high] = flips.has(cut) ? [extent - end, extent - first] : [first, end];
  const offsetOf = (row: number): number => {
    let [rest, offset] = [row, start];
    for (let axis = last - 1; axis >= 0; axis--) {
      const dim = shape[axis] ?? 1;
      const index = rest % dim;
      if (axis === cut && (index < low || index >= high)) return -1;
      offset += index * (steps[axis] ?? 0);
      rest = (rest - index) / dim;
    }
    return offset + (cut === last ? low : 0) * (steps[last] ?? 0);
  };
  const [from, to] = cut === last ? [low, high] : [0, shape[last] ?? 1];
  return { offsetOf, step: steps[last] ?? 1, from, to };
}

function copyRows(
  source: Words,
  target: Words,
  rows: {
    readonly place: Placing;
    readonly first: number;
    readonly count: number;
    readonly row: number;
  },
): void {
  const { offsetOf, step, from, to } = rows.place;
  for (let i = 0; i < rows.count; i++) {
    let at = offsetOf(rows.first + i);
    if (at < 0) continue;
    const end = i * rows.row + to;
    for (let element = i * rows.row + from; element < end; element++) {
      target[at] = source[element] ?? 0;
      at += step;
    }
  }
}
