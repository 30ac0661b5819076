import { describe, expect, it } from 'vitest';
import { ToolkitError } from '../../src/errors.ts';
import type { InferTensor } from '../../src/serve/request/infer.ts';
import { Leaving } from '../../src/serve/request/leaving.ts';
import { bytesIn } from '../../src/serve/request/views.ts';
import type { Job, JobResult } from '../../src/serve/request/waiting.ts';
import type { BatchRule } from '../../src/serve/running/messages.ts';
import { Queue, type QueueLimits, type RunEvent } from '../../src/serve/running/queue.ts';
import { Hands, type Run } from './hands.ts';

const defaults: QueueLimits = { maxRows: 4, delayMs: 0, maxWaiting: 8, maxWaitingBytes: 1000 };

function queueOf(
  limits: Partial<QueueLimits> = {},
  { batch = { kind: 'dynamic' }, instances = 1 }: { batch?: BatchRule; instances?: number } = {},
): { queue: Queue<number>; hands: Hands; events: RunEvent[] } {
  const hands = new Hands(batch, instances);
  const events: RunEvent[] = [];
  const queue = new Queue(hands, { ...defaults, ...limits }, (event) => events.push(event));
  hands.queue = queue;
  return { queue, hands, events };
}

function job(values: number[], more: Partial<Job> = {}, width = 1): Job {
  const shape = [values.length / width, width];
  const input: InferTensor = {
    name: 'x',
    datatype: 'FP32',
    shape,
    data: bytesIn(Float32Array.from(values)),
  };
  return {
    inputs: [input],
    rows: shape[0] ?? 0,
    outputs: ['y'],
    deadlineMs: undefined,
    leaving: undefined,
    ...more,
  };
}

const numbers = ({ outputs }: JobResult): number[] => {
  const data = outputs[0]?.data;
  return data instanceof Uint8Array ? [...new Float32Array(Uint8Array.from(data).buffer)] : [];
};
const inputOf = ({ message }: Run): number[] => {
  const [x] = message.inputs;
  const count = x?.shape.reduce((product, dim) => product * dim, 1) ?? 0;
  return [...new Float32Array(message.buffer, 0, count)];
};
const settled = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const code = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'it did not fail',
    (fault: unknown) => (fault instanceof ToolkitError ? fault.code : String(fault)),
  );

/** A request that keeps the only instance busy. */
async function busy(queue: Queue<number>): Promise<void> {
  void queue.submit(job([0]));
  await settled();
}

describe('a queue', () => {
  it('joins what comes in the same turn of the event loop', async () => {
    const { queue, hands } = queueOf();
    const answers = [[1], [2, 3]].map(async (values) => queue.submit(job(values)));
    await settled();
    hands.runs[0]?.finish();
    expect((await Promise.all(answers)).map(numbers)).toEqual([[-1], [-2, -3]]);
  });

  it('runs a request at once when nothing is under way', async () => {
    const { queue, hands, events } = queueOf();
    const answer = queue.submit(job([1, 2]));
    await settled();
    expect(hands.runs).toHaveLength(1);
    hands.runs[0]?.finish();
    expect(numbers(await answer)).toEqual([-1, -2]);
    expect(events).toMatchObject([{ rows: 2, requests: 1, why: 'idle' }]);
  });

  it('joins what has come while all instances were busy, and gives each request its own rows', async () => {
    const { queue, hands } = queueOf();
    await busy(queue);
    const answers = [[2, 3], [4]].map(async (values) => queue.submit(job(values)));
    hands.runs[0]?.finish();
    await settled();
    expect(hands.runs.map(inputOf)).toEqual([[0], [2, 3, 4]]);
    hands.runs[1]?.finish();
    expect((await Promise.all(answers)).map(numbers)).toEqual([[-2, -3], [-4]]);
  });

  it('counts rows, not requests, and overtakes no one', async () => {
    const { queue, hands, events } = queueOf();
    await busy(queue);
    const all = [[1, 1, 1], [2, 2], [3]].map(async (values) => queue.submit(job(values)));
    for (let i = 0; i < 3; i++) {
      hands.runs[i]?.finish();
      await settled();
    }
    await Promise.all(all);
    expect(hands.runs.map(inputOf)).toEqual([[0], [1, 1, 1], [2, 2, 3]]);
    expect(events.map(({ why }) => why)).toEqual(['idle', 'full', 'idle']);
  });

  it('joins only what agrees beyond the first axis', async () => {
    const { queue, hands } = queueOf();
    await busy(queue);
    void queue.submit(job([1, 2], {}, 2));
    void queue.submit(job([3]));
    hands.runs[0]?.finish();
    await settled();
    expect(hands.runs.map(({ message }) => message.inputs[0]?.shape)).toEqual([
      [1, 1],
      [1, 2],
    ]);
  });

  it('never joins pixels with the numbers that they stand for', async () => {
    const { queue, hands } = queueOf({}, { instances: 3 });
    const pixels = { name: 'x', datatype: 'UINT8', shape: [1, 2], isPixels: true } as const;
    const ofPicture = (): Job =>
      job([], { inputs: [{ ...pixels, data: Uint8Array.of(1, 2) }], rows: 1 });
    for (const each of [ofPicture(), ofPicture(), job([1, 2], {}, 2), ofPicture()]) {
      queue.submit(each).catch(() => undefined);
    }
    await settled();
    expect(
      hands.runs.map(({ message }) => message.inputs.map((x) => [x.isPixels, x.datatype, x.shape])),
    ).toEqual([
      [[true, 'UINT8', [2, 2]]],
      [[undefined, 'FP32', [1, 2]]],
      [[true, 'UINT8', [1, 2]]],
    ]);
  });

  it('joins nothing for a model without a batch', async () => {
    const { queue, hands } = queueOf({}, { batch: { kind: 'none', reason: '' } });
    await busy(queue);
    void queue.submit(job([1]));
    void queue.submit(job([2]));
    hands.runs[0]?.finish();
    await settled();
    expect(hands.runs.map(inputOf)).toEqual([[0], [1]]);
  });

  it('fills a fixed batch with the first row, and cuts that off again', async () => {
    const { queue, hands } = queueOf({ maxRows: 3 }, { batch: { kind: 'fixed', size: 3 } });
    const answer = queue.submit(job([7, 8]));
    await settled();
    expect(hands.runs.flatMap(inputOf)).toEqual([7, 8, 7]);
    hands.runs[0]?.finish();
    expect(numbers(await answer)).toEqual([-7, -8]);
  });

  it('uses every instance', async () => {
    const { queue, hands } = queueOf({}, { instances: 2 });
    await busy(queue);
    void queue.submit(job([1]));
    await settled();
    void queue.submit(job([2]));
    await settled();
    expect(hands.runs.map(inputOf)).toEqual([[0], [1]]);
  });

  it('waits for others as long as it may, and no longer once it is full', async () => {
    const { queue, hands, events } = queueOf({ delayMs: 20 });
    void queue.submit(job([1]));
    await settled();
    expect(hands.runs).toHaveLength(0);
    void queue.submit(job([2, 3, 4]));
    await settled();
    expect(hands.runs.map(inputOf)).toEqual([[1, 2, 3, 4]]);
    hands.runs[0]?.finish();
    const last = queue.submit(job([5]));
    await expect.poll(() => hands.runs.length).toBe(2);
    hands.runs[1]?.finish();
    await last;
    expect(events.map(({ why }) => why)).toEqual(['full', 'delay']);
  });

  it('gives each only the outputs that it asked for', async () => {
    const { queue, hands } = queueOf();
    await busy(queue);
    const none = queue.submit(job([1], { outputs: [] }));
    const one = queue.submit(job([2]));
    hands.runs[0]?.finish();
    await settled();
    expect(hands.runs[1]?.message.outputs).toEqual(['y']);
    hands.runs[1]?.finish();
    expect((await none).outputs).toEqual([]);
    expect(numbers(await one)).toEqual([-2]);
  });

  it('refuses what goes beyond its bounds, in requests and in bytes', async () => {
    const { queue } = queueOf({ maxWaiting: 2, maxWaitingBytes: 12 });
    await busy(queue);
    void queue.submit(job([1]));
    expect(await code(queue.submit(job([2, 3, 4])))).toBe('SERVER_BUSY');
    void queue.submit(job([5]));
    expect(queue.pending).toBe(2);
    expect(await code(queue.submit(job([6])))).toBe('SERVER_BUSY');
  });

  it('answers a request whose time is up while a run is under way, and does not compute it', async () => {
    const { queue, hands } = queueOf();
    const first = queue.submit(job([0]));
    await settled();
    expect(await code(queue.submit(job([1], { deadlineMs: performance.now() + 5 })))).toBe(
      'REQUEST_TIMEOUT',
    );
    expect(queue.pending).toBe(0);
    hands.runs[0]?.finish();
    await first;
    await settled();
    expect(hands.runs).toHaveLength(1);
  });

  it('does not compute what its client has left, nor keep the others waiting', async () => {
    const { queue, hands } = queueOf();
    const leaving = new Leaving();
    const running = queue.submit(job([0], { leaving }));
    await settled();
    const gone = queue.submit(job([1], { leaving }));
    const stays = queue.submit(job([2]));
    leaving.leave();
    expect(await code(gone)).toBe('REQUEST_CANCELLED');
    expect(await code(running)).toBe('REQUEST_CANCELLED');
    expect(await code(queue.submit(job([3], { leaving })))).toBe('REQUEST_CANCELLED');
    hands.runs[0]?.finish();
    await settled();
    hands.runs[1]?.finish();
    expect(numbers(await stays)).toEqual([-2]);
    expect(hands.runs.map(inputOf)).toEqual([[0], [2]]);
  });

  it('runs the members of a run that fails one by one, so that one fails alone', async () => {
    const { queue, hands } = queueOf();
    await busy(queue);
    const bad = code(queue.submit(job([1])));
    const good = queue.submit(job([2]));
    hands.runs[0]?.finish();
    await settled();
    const fault = new ToolkitError('RUNTIME_FAILED', 'ids', { hint: '' });
    hands.runs[1]?.fail(fault);
    await settled();
    hands.runs[2]?.fail(fault);
    expect(await bad).toBe('RUNTIME_FAILED');
    await settled();
    hands.runs[3]?.finish();
    expect(numbers(await good)).toEqual([-2]);
    expect(hands.runs.map(inputOf)).toEqual([[0], [1, 2], [1], [2]]);
  });

  it('fails those, and only those, whose worker was lost', async () => {
    const { queue, hands } = queueOf();
    const before = queue.submit(job([0]));
    await settled();
    const lost = [job([1]), job([2])].map(async (each) => code(queue.submit(each)));
    hands.runs[0]?.finish();
    await settled();
    hands.runs[1]?.fail(new ToolkitError('WORKER_LOST', 'gone', { hint: '' }));
    const after = queue.submit(job([3]));
    await settled();
    await settled();
    hands.runs[2]?.finish();
    expect(numbers(await before)).toEqual([-0]);
    expect(await Promise.all(lost)).toEqual(['WORKER_LOST', 'WORKER_LOST']);
    expect(numbers(await after)).toEqual([-3]);
  });

  it('is drained when the last of its requests is answered', async () => {
    const { queue, hands } = queueOf();
    let isDrained = false;
    await busy(queue);
    const drained = queue.drain().then(() => (isDrained = true));
    await settled();
    expect(isDrained).toBe(false);
    hands.runs[0]?.finish();
    await drained;
    await queue.drain();
  });
});
