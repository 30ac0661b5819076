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
  /** Whether a row is the same each time it is asked for, and costs no more than reading it. */
  readonly isKept: boolean;
  /** The batches of a pass, each [n, width], while the next ones are on their way. */
  readonly batches: (pass: Pass) => AsyncIterable<Float32Array>;
}

/** Rows that are in memory. */
export function memoryRows(memory: Float32Array, width: number): Rows {
  return {
    count: memory.length / width,
    width,
    memory,
    isKept: true,
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

/** Rows one behind the other. */
export function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Batches of a pass, of which so many are on their way while one is learned from. */
export async function* inAdvance<Made>(
  { order, batchSize, epoch, from = 0 }: Pass,
  ahead: number,
  make: (order: Uint32Array, epoch: number) => Promise<Made>,
): AsyncIterable<Made> {
  const waiting: Promise<Made>[] = [];
  let at = from * batchSize;
  for (;;) {
    for (; waiting.length < ahead && at < order.length; at += batchSize) {
      const batch = make(order.subarray(at, at + batchSize), epoch);
      // It may fail before anyone waits for it.
      batch.catch(() => undefined);
      waiting.push(batch);
    }
    const next = waiting.shift();
    if (!next) return;
    yield await next;
  }
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
