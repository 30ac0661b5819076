import type { GraphBuilder } from '../onnx/graph.ts';
import type { Tensor } from '../runtime/session.ts';
import { dtypeBytes, sizeOf, type TensorSource } from '../tensor.ts';
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
    inputTensor([count, ...shape.slice(1).map(Number)], batch.inputs[i], dtype),
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
  count: number,
  seed: number,
): Record<string, Tensor> {
  return Object.fromEntries(
    feeds.masks.map(({ input, shape, rate }, i): [string, Tensor] => {
      const data = dropoutMask(streamSeed(seed, `dropout ${i}`), count * sizeOf(shape), rate);
      return [input, { dtype: 'bool', shape: [count, ...shape], data }];
    }),
  );
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

/** All numbers of a weight of a graph, in an array of their own or in a given one of that length. */
export function numbersFrom(graph: GraphBuilder, name: string, into?: Float32Array): Float32Array {
  const source: TensorSource | undefined = graph.initializers.get(name);
  if (source?.dtype !== 'float32') throw new Error(`Bug: "${name}" is no float32 weight`);
  const numbers = into ?? new Float32Array(sizeOf(source.shape));
  const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
  let at = 0;
  for (const chunk of source.chunks()) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  if (at !== numbers.length * dtypeBytes.float32) throw new Error(`Bug: "${name}" was cut short`);
  return numbers;
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
