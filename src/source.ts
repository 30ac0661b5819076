import { type DType, dtypeBytes, sizeOf, type TensorSource } from './tensor.ts';

/** The size of the pieces in which weights travel. */
export const chunkBytes = 4 * 1024 * 1024;

/** Buffers of one chunk that no one is using. */
const spare: Uint8Array[] = [];

/**
 * Lends two buffers of at least `bytes` to a loop over chunks.
 *
 * Weights come by the hundred: a fresh buffer for each would wait for the garbage collector in the tens of megabytes.
 */
function* lend(
  bytes: number,
  loop: (first: Uint8Array, second: Uint8Array) => Iterable<Uint8Array>,
): Iterable<Uint8Array> {
  const isUsual = bytes <= chunkBytes;
  const buffer = (): Uint8Array =>
    (isUsual ? spare.pop() : undefined) ?? new Uint8Array(Math.max(bytes, chunkBytes));
  const [first, second] = [buffer(), buffer()];
  try {
    yield* loop(first, second);
  } finally {
    if (isUsual) spare.push(first, second);
  }
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
      return lend(step * dtypeBytes[dtype], function* (buffer) {
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
 * Lazy; permuting back costs nothing. Memory: the smallest leading block that the permutation leaves in place
 * (a 3×3 kernel when only the kernel is flipped, the whole tensor for HWIO → OIHW).
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
      const step = Math.max(1, Math.floor(chunkBytes / width / Math.max(block, 1)));
      const all = block === 0 ? 0 : total / block;
      const gather = gathering();
      return lend(Math.min(step, all) * block * width, function* (from, to) {
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
