/** What is to be learned: scores [count, K], or class numbers [count]. */
export type Targets = Float32Array | BigInt64Array;

/** One pass over rows: which, in which order, in batches of how many. */
export interface Pass {
  readonly order: Uint32Array;
  readonly batchSize: number;
  /** Number of the pass, for rows that are another each time. */
  readonly epoch: number;
  /** The first batch that is wanted: those before were seen already. */
  readonly from?: number | undefined;
}

/** Rows of numbers: in memory, or made while they are asked for. */
export interface Rows {
  readonly count: number;
  /** Numbers a row. */
  readonly width: number;
  /** [count, width], where all of it is in memory. */
  readonly memory: Float32Array | undefined;
  /** The batches of a pass, each [n, width], while the next ones are on their way. */
  readonly batches: (pass: Pass) => AsyncIterable<Float32Array>;
}

/** Rows that are in memory. */
export function memoryRows(memory: Float32Array, width: number): Rows {
  return {
    count: memory.length / width,
    width,
    memory,
    async *batches({ order, batchSize, from = 0 }) {
      for (let at = from * batchSize; at < order.length; at += batchSize) {
        yield await Promise.resolve(gathered(memory, order.subarray(at, at + batchSize), width));
      }
    },
  };
}

/** Those rows, one behind the other. */
function gathered(memory: Float32Array, order: Uint32Array, width: number): Float32Array {
  const batch = new Float32Array(order.length * width);
  order.forEach((row, i) => batch.set(memory.subarray(row * width, (row + 1) * width), i * width));
  return batch;
}

/** The targets of those rows. */
export function targetsOf(targets: Targets, count: number, order: Uint32Array): Targets {
  const width = targets.length / count;
  if (targets instanceof BigInt64Array) {
    return BigInt64Array.from(order, (row) => targets[row] ?? 0n);
  }
  return gathered(targets, order, width);
}

/** 0, 1, 2, … */
export function inOrder(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, i) => i);
}
