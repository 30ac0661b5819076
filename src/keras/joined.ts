import { sourceOf } from '../source.ts';
import { dtypeBytes, sizeOf, type TensorSource } from '../tensor.ts';

/**
 * Sources of one dtype side by side along their last axis. Lazy.
 *
 * Memory: the rows that a read touches, twice.
 */
export function joined(parts: readonly TensorSource[]): TensorSource {
  const [first] = parts;
  if (!first) throw new Error('Bug: nothing to join');
  // oxlint-disable-next-line eslint/no-shadow -- another part of the same kind
  const widths = parts.map((part) => part.shape.at(-1) ?? 1);
  const row = widths.reduce((sum, width) => sum + width, 0);
  const shape = [...first.shape.slice(0, -1), row];
  const bytes = dtypeBytes[first.dtype];
  return sourceOf(first.dtype, shape, (start, count) => {
    const from = Math.floor(start / row);
    const rows = Math.ceil((start + count) / row) - from;
    const out = new Uint8Array(rows * row * bytes);
    let column = 0;
    // oxlint-disable-next-line eslint/no-shadow -- another part of the same kind
    for (const [i, part] of parts.entries()) {
      const width = widths[i] ?? 0;
      const data = part.read(from * width, rows * width);
      for (let r = 0; r < rows; r++) {
        const piece = data.subarray(r * width * bytes, (r + 1) * width * bytes);
        out.set(piece, (r * row + column) * bytes);
      }
      column += width;
    }
    return out.subarray((start - from * row) * bytes, (start - from * row + count) * bytes);
  });
}

/** A range of the last axis of a source. Lazy. Memory: the rows that a read touches. */
export function columns(source: TensorSource, first: number, width: number): TensorSource {
  const row = source.shape.at(-1) ?? 1;
  const bytes = dtypeBytes[source.dtype];
  const shape = [...source.shape.slice(0, -1), width];
  return sourceOf(source.dtype, shape, (start, count) => {
    const from = Math.floor(start / width);
    const rows = Math.ceil((start + count) / width) - from;
    const data = source.read(from * row, rows * row);
    const out = new Uint8Array(rows * width * bytes);
    for (let r = 0; r < rows; r++) {
      const at = (r * row + first) * bytes;
      out.set(data.subarray(at, at + width * bytes), r * width * bytes);
    }
    return out.subarray((start - from * width) * bytes, (start - from * width + count) * bytes);
  });
}

/** A flat source's elements from `start` on under another shape. Lazy. */
export function part(source: TensorSource, start: number, shape: readonly number[]): TensorSource {
  if (start + sizeOf(shape) > sizeOf(source.shape)) throw new Error('Bug: a part beyond its whole');
  return sourceOf(source.dtype, shape, (at, count, into) => source.read(start + at, count, into));
}
