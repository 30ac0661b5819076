import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { bytesIn } from '../../src/serve/request/views.ts';
import type { RunResult } from '../../src/serve/running/instance.ts';
import type { RunMessage } from '../../src/serve/running/messages.ts';
import { Queue, type QueueLimits } from '../../src/serve/running/queue.ts';

/** An instance whose runs end when the test says so. */
class Hand {
  readonly spec = { batch: { kind: 'dynamic' } } as const;
  /** What each run was given. */
  readonly runs: number[][] = [];
  finish: () => void = () => undefined;
  #isIdle = true;

  idle(): Hand | undefined {
    return this.#isIdle ? this : undefined;
  }

  async run(_hand: Hand, { inputs, buffer }: Omit<RunMessage, 'kind' | 'id'>): Promise<RunResult> {
    const shape = inputs[0]?.shape ?? [];
    this.runs.push([...new Float32Array(buffer, 0, shape[0])]);
    this.#isIdle = false;
    await new Promise<void>((resolve) => {
      this.finish = resolve;
    });
    this.#isIdle = true;
    const output = { name: 'y', datatype: 'FP32', shape, bytes: new Uint8Array(buffer) } as const;
    return { outputs: [output], inferNs: 5 };
  }
}

const limits: QueueLimits = { maxRows: 4, delayMs: 0, maxWaiting: 8, maxWaitingBytes: 1000 };
const settled = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a queue that a request is announced to', () => {
  let clockMs = 0;
  let hand = new Hand();
  let queue = new Queue<Hand>(hand, limits, () => undefined);
  let arrived: (() => void) | undefined;

  async function submit(...values: number[]): Promise<void> {
    const data = bytesIn(Float32Array.from(values));
    const input = { name: 'x', datatype: 'FP32', shape: [values.length, 1], data } as const;
    const job = { inputs: [input], rows: values.length, outputs: ['y'] };
    void queue.submit({ ...job, deadlineMs: undefined, leaving: undefined });
    await settled();
  }

  /** Its last run took a second, by a clock that the test sets. */
  beforeEach(async () => {
    clockMs = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => clockMs);
    hand = new Hand();
    queue = new Queue<Hand>(hand, limits, () => undefined);
    await submit(0);
    clockMs = 1000;
    hand.finish();
    await settled();
    arrived = queue.expect();
  });

  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('waits for it', async () => {
    await submit(1);
    expect(hand.runs).toEqual([[0]]);
    arrived?.();
    await submit(2);
    expect(hand.runs).toEqual([[0], [1, 2]]);
  });

  it('goes on without it when it will not come', async () => {
    await submit(1);
    arrived?.();
    await settled();
    expect(hand.runs).toEqual([[0], [1]]);
  });

  it('waits no longer than the last run took', async () => {
    await submit(1);
    clockMs += 999;
    queue.pump();
    expect(hand.runs).toEqual([[0]]);
    clockMs += 1;
    queue.pump();
    expect(hand.runs).toEqual([[0], [1]]);
  });

  it('does not wait when its run is full', async () => {
    await submit(1, 2, 3, 4);
    expect(hand.runs).toEqual([[0], [1, 2, 3, 4]]);
  });
});
