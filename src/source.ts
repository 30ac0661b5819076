import { type Order, scatterStrip } from './scatter.ts';
import { type DType, dtypeBytes, sizeOf, type TensorSource } from './tensor.ts';

/** The size of the pieces in which weights travel. */
export const chunkBytes = 4 * 1024 * 1024;

/** How much of a tensor is put in order at once, where all of it would be more. */
const stripBytes = 4 * chunkBytes;

/** Buffers that no one is using, the last one given back in front. */
const spare: Uint8Array[] = [];
const mostSpare = 4;

/**
 * Lends buffers of at least the given sizes to a loop over chunks.
 *
 * Weights come by the hundred: a fresh buffer for each would wait for the garbage collector in the tens of megabytes.
 */
function* lend<Sizes extends readonly number[]>(
  sizes: Sizes,
  loop: (buffers: { readonly [At in keyof Sizes]: Uint8Array }) => Iterable<Uint8Array>,
): Iterable<Uint8Array> {
  const buffers = sizes.map(taken);
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- map keeps the length of a tuple, and forgets it
    yield* loop(buffers as { readonly [At in keyof Sizes]: Uint8Array });
  } finally {
    spare.unshift(...buffers.filter(({ byteLength }) => byteLength <= stripBytes));
    spare.length = Math.min(spare.length, mostSpare);
  }
}

function taken(bytes: number): Uint8Array {
  const at = spare.findIndex(({ byteLength }) => byteLength >= bytes);
  const [buffer] = at < 0 ? [] : spare.splice(at, 1);
  return buffer ?? new Uint8Array(Math.max(bytes, chunkBytes));
}

/** A source that reads by element ranges; whole rows of the first axis are kept together where they fit a chunk. */
export function sourceOf(
  dtype: DType,
  shape: readonly number[],
  read: TensorSource['read'],
): TensorSource {
  const total = sizeOf(shape);
  return {
    dtype,
    shape,
    read,
    chunks() {
      const step = chunkElements(dtype, shape);
      return lend([step * dtypeBytes[dtype]] as const, function* ([buffer]) {
        for (let start = 0; start < total; start += step) {
          yield read(start, Math.min(step, total - start), buffer);
        }
      });
    },
  };
}

/** Elements a chunk: about 4 MiB, and a multiple of the largest trailing block that fits, so that slices stay simple. */
function chunkElements(dtype: DType, shape: readonly number[]): number {
  const limit = chunkBytes / dtypeBytes[dtype];
  let block = 1;
  for (const dim of shape.toReversed()) {
    if (block * dim > limit) break;
    block *= Math.max(dim, 1);
  }
  return block * Math.max(1, Math.floor(limit / block));
}

/** A source of bytes in memory: little-endian, row-major. */
export function bytesSource(
  dtype: DType,
  shape: readonly number[],
  bytes: Uint8Array,
): TensorSource {
  const width = dtypeBytes[dtype];
  if (bytes.byteLength !== sizeOf(shape) * width) {
    throw new Error(`Bug: ${bytes.byteLength} bytes do not fill ${dtype} [${shape.join(', ')}]`);
  }
  return sourceOf(dtype, shape, (start, count) =>
    bytes.subarray(start * width, (start + count) * width),
  );
}

/** A float32 source of numbers in memory. */
export function floatSource(shape: readonly number[], numbers: ArrayLike<number>): TensorSource {
  const array = numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
  return bytesSource(
    'float32',
    shape,
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength),
  );
}

/** The same numbers in the same order under another shape. */
export function reshaped(source: TensorSource, shape: readonly number[]): TensorSource {
  if (sizeOf(shape) !== sizeOf(source.shape)) {
    throw new Error(
      `Bug: [${source.shape.join(', ')}] cannot be reshaped to [${shape.join(', ')}]`,
    );
  }
  const view = views.get(source);
  if (!view) return sourceOf(source.dtype, shape, (...range) => source.read(...range));
  return { ...source, shape };
}

/** What a permuted source is a view of, so that views of views become one, and a view undone becomes its root. */
interface View {
  readonly root: TensorSource;
  /** Axis of the root for each axis of the view. */
  readonly perm: readonly number[];
  /** Axes of the root that run backwards. */
  readonly flips: ReadonlySet<number>;
}

const views = new WeakMap<TensorSource, View>();

/**
 * The source with its axes permuted as by ONNX `Transpose`, and then the axes `flips` (of the result) reversed.
 *
 * Lazy; permuting back costs nothing. Memory, in chunks: 16 MiB and one piece, or one index of the result's first axis if
 * that is more; in ranges: the smallest leading block that the permutation leaves in place (a 3×3 kernel when only the
 * kernel is flipped, the whole tensor for HWIO → OIHW).
 */
export function permuted(
  source: TensorSource,
  perm: readonly number[],
  flips: readonly number[] = [],
): TensorSource {
  const inner = views.get(source);
  const root = inner?.root ?? source;
  const axes = perm.map((axis) => inner?.perm[axis] ?? axis);
  const reversed = new Set(inner?.flips);
  for (const axis of flips) {
    const rootAxis = axes[axis] ?? axis;
    if (!reversed.delete(rootAxis)) reversed.add(rootAxis);
  }
  if (reversed.size === 0 && axes.every((axis, i) => axis === i)) return root;
  const view: View = { root, perm: axes, flips: reversed };
  const result = viewSource(view);
  views.set(result, view);
  return result;
}

function viewSource({ root, perm, flips }: View): TensorSource {
  const shape = perm.map((axis) => root.shape[axis] ?? 1);
  const fixed = perm.findIndex((axis, i) => axis !== i || flips.has(axis));
  const blockShape = root.shape.slice(fixed);
  const block = sizeOf(blockShape);
  const moved = {
    perm: perm.slice(fixed).map((axis) => axis - fixed),
    flips: new Set([...flips].map((axis) => axis - fixed)),
  };
  const total = sizeOf(shape);
  const width = dtypeBytes[root.dtype];
  // Made for each use: for a whole tensor its table is as large as the tensor, and most views are undone unread.
  const gathering = (): Gather => gatherer(blockShape, moved, width);
  return {
    dtype: root.dtype,
    shape,
    read(start, count) {
      if (count === 0 || block === 0) return new Uint8Array(0);
      const first = Math.floor(start / block);
      const last = Math.floor((start + count - 1) / block);
      const blocks = last - first + 1;
      const from = (start - first * block) * width;
      const out = new Uint8Array(blocks * block * width);
      gathering()(root.read(first * block, blocks * block), out, blocks);
      return out.subarray(from, from + count * width);
    },
    chunks() {
      if (block * width > chunkBytes && width <= 4) {
        return strips(root, { shape: blockShape, ...moved }, total / block);
      }
      const step = Math.max(1, Math.floor(chunkBytes / width / Math.max(block, 1)));
      const all = block === 0 ? 0 : total / block;
      const gather = gathering();
      const bytes = Math.min(step, all) * block * width;
      return lend([bytes, bytes] as const, function* ([from, to]) {
        for (let first = 0; first < all; first += step) {
          const blocks = Math.min(step, all - first);
          const out = to.subarray(0, blocks * block * width);
          gather(root.read(first * block, blocks * block, from), out, blocks);
          yield out;
        }
      });
    },
  };
}

/** Large blocks, each in strips of the result's first axis; the block is read once for every strip. */
function strips(root: TensorSource, order: Order, blocks: number): Iterable<Uint8Array> {
  const { shape, perm } = order;
  const width = dtypeBytes[root.dtype];
  const extent = shape[perm[0] ?? 0] ?? 1;
  const block = sizeOf(shape);
  const slice = (block / extent) * width;
  const step = Math.min(extent, Math.max(1, Math.floor(stripBytes / slice)));
  const pieceBytes = Math.max(chunkBytes, (shape.at(-1) ?? 1) * width);
  return lend([step * slice, pieceBytes] as const, function* ([buffer, piece]) {
    for (let at = 0; at < blocks; at++) {
      for (let first = 0; first < extent; first += step) {
        const strip = { first, end: Math.min(first + step, extent) };
        const out = buffer.subarray(0, (strip.end - first) * slice);
        scatterStrip(root, order, { origin: at * block, strip, out, piece });
        yield out;
      }
    }
  });
}

type Gather = (bytes: Uint8Array, out: Uint8Array, blocks: number) => void;

/** Copies blocks of `shape` into the order of the view: runs of whole trailing axes at once, else element by element. */
function gatherer(
  shape: readonly number[],
  { perm, flips }: Pick<View, 'perm' | 'flips'>,
  width: number,
): Gather {
  const strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  let rank = shape.length;
  while (rank > 0 && perm[rank - 1] === rank - 1 && !flips.has(rank - 1)) rank -= 1;
  const run = sizeOf(shape.slice(rank));
  const dims = perm.slice(0, rank).map((axis) => shape[axis] ?? 1);
  const steps = perm
    .slice(0, rank)
    .map((axis) => (strides[axis] ?? 1) * (flips.has(axis) ? -1 : 1));
  const origin = [...flips].reduce(
    (sum, axis) => sum + ((shape[axis] ?? 1) - 1) * (strides[axis] ?? 1),
    0,
  );
  const offsets = new Int32Array(sizeOf(dims));
  fillOffsets(offsets, dims, steps, origin);
  const block = sizeOf(shape);
  return (bytes, out, blocks) => {
    const size = run * width;
    if (size === 4) copyWords(bytes, out, offsets, { blocks, block });
    else copyRuns(bytes, out, offsets, { blocks, block: block * width, width, size });
  };
}

function fillOffsets(
  offsets: Int32Array,
  dims: readonly number[],
  steps: readonly number[],
  origin: number,
): void {
  const index = dims.map(() => 0);
  let offset = origin;
  for (let i = 0; i < offsets.length; i++) {
    offsets[i] = offset;
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      const dim = dims[axis] ?? 1;
      const step = steps[axis] ?? 0;
      const at = (index[axis] ?? 0) + 1;
      offset += step;
      index[axis] = at;
      if (at < dim) break;
      index[axis] = 0;
      offset -= step * dim;
    }
  }
}

function copyWords(
  bytes: Uint8Array,
  out: Uint8Array,
  offsets: Int32Array,
  { blocks, block }: { readonly blocks: number; readonly block: number },
): void {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const from = new Uint32Array(aligned.buffer, aligned.byteOffset, blocks * block);
  const to = new Uint32Array(out.buffer, out.byteOffset, blocks * block);
  let at = 0;
  for (let base = 0; base < blocks * block; base += block) {
    for (const offset of offsets) to[at++] = from[base + offset] ?? 0;
  }
}

function copyRuns(
  bytes: Uint8Array,
  out: Uint8Array,
  offsets: Int32Array,
  layout: {
    readonly blocks: number;
    readonly block: number;
    readonly width: number;
    readonly size: number;
  },
): void {
  let at = 0;
  for (let i = 0; i < layout.blocks; i++) {
    for (const offset of offsets) {
      const from = i * layout.block + offset * layout.width;
      out.set(bytes.subarray(from, from + layout.size), at);
      at += layout.size;
    }
  }
}

/** Sources one behind the other along their first axis; their other sizes are the same. Lazy. */
export function joined(sources: readonly TensorSource[]): TensorSource {
  const [first] = sources;
  if (!first) throw new Error('Bug: nothing to join');
  if (sources.length === 1) return first;
  const rows = sources.reduce((sum, { shape }) => sum + (shape[0] ?? 1), 0);
  const width = dtypeBytes[first.dtype];
  return sourceOf(first.dtype, [rows, ...first.shape.slice(1)], (start, count) => {
    const out = new Uint8Array(count * width);
    let base = 0;
    for (const source of sources) {
      const size = sizeOf(source.shape);
      const from = Math.max(start, base);
      const to = Math.min(start + count, base + size);
      if (from < to) out.set(source.read(from - base, to - from), (from - start) * width);
      base += size;
    }
    return out;
  });
}

/** The rows of a source in equal blocks, put into another order: block i of the result is block `order[i]`. Lazy. */
export function rowBlocks(source: TensorSource, order: readonly number[]): TensorSource {
  if (order.every((block, i) => block === i)) return source;
  const [rows = 1, ...rest] = source.shape;
  const shape = [rows / order.length, ...rest];
  const block = sizeOf(shape);
  return joined(
    order.map((at) =>
      sourceOf(source.dtype, shape, (start, count) => source.read(at * block + start, count)),
    ),
  );
}
