import type { Tensor } from '../runtime/session.ts';
import { type Shape, sizeOf, type Value } from '../tensor.ts';
import type { NetworkGraph } from './network-graph.ts';
import { widthOf } from './network-loss.ts';
import { dropoutMask, streamSeed } from './random.ts';

/** Rows to learn from, or to be judged by. */
export interface Batch {
  /** For each input of the network `count` rows. */
  readonly inputs: readonly Float32Array[];
  /** [count, K], or class numbers [count] for a loss that takes those. */
  readonly targets: Float32Array | BigInt64Array;
  readonly count: number;
  /** What each row counts; 1 by default. */
  readonly weights?: Float32Array | undefined;
}

/** What a graph is fed of a batch. */
export function batchFeeds({ feeds }: NetworkGraph, batch: Batch): Record<string, Tensor> {
  const { count, targets, weights = new Float32Array(count).fill(1) } = batch;
  const inputs = feeds.inputs.map(({ name, shape, dtype }, i): [string, Tensor] => [
    name,
    inputTensor(sizesOf(shape, count, batch.inputs[i]), batch.inputs[i], dtype),
  ]);
  const target: Tensor =
    targets instanceof BigInt64Array
      ? { dtype: 'int64', shape: [count], data: targets }
      : { dtype: 'float32', shape: [count, widthOf(feeds.targets)], data: targets };
  return {
    ...Object.fromEntries(inputs),
    [feeds.targets.name]: target,
    [feeds.weights]: { dtype: 'float32', shape: [count], data: weights },
  };
}

/** The masks of a step; equal seeds give equal masks. */
export function maskFeeds(
  { feeds }: NetworkGraph,
  batch: Batch,
  seed: number,
): Record<string, Tensor> {
  const sizes = openSizes(feeds.inputs, batch);
  return Object.fromEntries(
    feeds.masks.map(({ input, shape: dims, rate }, i): [string, Tensor] => {
      const shape = dims.map((dim, axis) => {
        if (typeof dim === 'number') return dim;
        return sizes.get(dim) ?? (axis === 0 ? batch.count : 0);
      });
      const data = dropoutMask(streamSeed(seed, `dropout ${i}`), sizeOf(shape), rate);
      return [input, { dtype: 'bool', shape, data }];
    }),
  );
}

/** The sizes of a batch that a graph's inputs leave open, by their names there. */
function openSizes(inputs: readonly Value[], batch: Batch): ReadonlyMap<string, number> {
  return new Map(
    inputs.flatMap(({ shape }, i) => {
      const sizes = sizesOf(shape, batch.count, batch.inputs[i]);
      return shape.flatMap((dim, axis) =>
        typeof dim === 'string' ? [[dim, sizes[axis] ?? 0] as const] : [],
      );
    }),
  );
}

/** The shape of `count` rows; a size that the graph leaves open, such as the number of steps, follows from the rows. */
function sizesOf(shape: Shape, count: number, rows: Float32Array | undefined): readonly number[] {
  const dims = shape.slice(1).map(Number);
  const known = dims.reduce((size, dim) => (Number.isNaN(dim) ? size : size * dim), count);
  return [count, ...dims.map((dim) => (Number.isNaN(dim) ? (rows?.length ?? 0) / known : dim))];
}

/** Rows of a network's input, which may be class or word numbers. */
function inputTensor(
  shape: readonly number[],
  rows: Float32Array | undefined,
  dtype: Tensor['dtype'] = 'float32',
): Tensor {
  if (!rows) throw new Error('Bug: a network gets rows for each of its inputs');
  if (dtype === 'int64') return { dtype, shape, data: BigInt64Array.from(rows, BigInt) };
  if (dtype === 'int32') return { dtype, shape, data: Int32Array.from(rows) };
  return { dtype: 'float32', shape, data: rows };
}

/** A scalar to feed. */
export function scalar(number: number): Tensor {
  return { dtype: 'float32', shape: [], data: Float32Array.of(number) };
}

/** The numbers of an output. */
export function numbersOf(results: Readonly<Record<string, Tensor>>, name: string): Float32Array {
  const data = results[name]?.data;
  if (data instanceof Float32Array) return data;
  throw new Error(`Bug: the graph has no float32 output "${name}"`);
}
