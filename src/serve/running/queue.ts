import { performance } from 'node:perf_hooks';
import { ToolkitError } from '../../errors.ts';
import type { BatchEvent } from '../request/events.ts';
import { cancelled, type Job, type JobResult, Waiting } from '../request/waiting.ts';
import type { RunResult } from './instance.ts';
import { byteLengthOfTensor, joinedRun, splitRun } from './join.ts';
import type { BatchRule, RunMessage } from './messages.ts';

/** What bounds a queue, and how it joins. */
export interface QueueLimits {
  /** Rows of a run at most. */
  readonly maxRows: number;
  /** How long the oldest request may wait for others to share its run. 0: not at all, unless all instances are busy. */
  readonly delayMs: number;
  /** Requests that may wait. */
  readonly maxWaiting: number;
  /** Bytes of inputs that may wait. */
  readonly maxWaitingBytes: number;
}

/** What runs batches: instances, of which some may have nothing to do. */
export interface Runners<Instance> {
  readonly spec: { readonly batch: BatchRule };
  idle(): Instance | undefined;
  run(instance: Instance, message: Omit<RunMessage, 'kind' | 'id'>): Promise<RunResult>;
}

/** A run that took place. */
export type RunEvent = Omit<BatchEvent, 'model' | 'version'>;

interface Batch {
  readonly members: readonly Waiting[];
  readonly rows: number;
  readonly why: BatchEvent['why'];
}

/**
 * Joins waiting requests into runs, first come first served, and hands them to instances that have nothing to do.
 *
 * A request that does not fit the run at hand ends it; none is overtaken. Requests whose time is up, or whose client
 * has left, are answered at once, even while a run is under way, and are not computed if they have not been started.
 */
export class Queue<Instance> {
  readonly #pool: Runners<Instance>;
  readonly #rule: BatchRule;
  readonly #limits: QueueLimits;
  readonly #onRun: (event: RunEvent) => void;
  #line: Waiting[] = [];
  /** Of those in line that are not over. */
  #waiting = { count: 0, bytes: 0 };
  #running = 0;
  /** Requests that will be submitted when their pictures are decoded. */
  #expected = 0;
  #lastRunMs = 0;
  #isPumpDue = false;
  #later: NodeJS.Timeout | undefined;
  readonly #drained: (() => void)[] = [];

  constructor(pool: Runners<Instance>, limits: QueueLimits, onRun: (event: RunEvent) => void) {
    this.#pool = pool;
    this.#rule = pool.spec.batch;
    this.#limits = limits;
    this.#onRun = onRun;
  }

  /** Requests that wait for a run. */
  get pending(): number {
    return this.#waiting.count;
  }

  /** Runs a job, in its turn. Throws SERVER_BUSY, REQUEST_TIMEOUT, REQUEST_CANCELLED, RUNTIME_FAILED, WORKER_LOST. */
  async submit(job: Job): Promise<JobResult> {
    if (job.leaving?.hasLeft === true) throw cancelled();
    const bytes = job.inputs.reduce((sum, tensor) => sum + byteLengthOfTensor(tensor), 0);
    this.#admit(bytes);
    const entry = new Waiting(job, {
      key: this.#keyOf(job),
      bytes,
      onLeave: () => this.#leave(entry),
    });
    this.#line.push(entry);
    this.#waiting.count += 1;
    this.#waiting.bytes += bytes;
    this.#pumpSoon();
    return entry.answer;
  }

  /**
   * Announces a request whose pictures are being decoded; what it gives is to be called when that is over.
   *
   * Those that wait go on waiting for it, as long as the last run took: pictures come out of several threads one by one,
   * and runs of four instead of eight of them cost a photo a tenth more.
   */
  expect(): () => void {
    this.#expected += 1;
    return () => {
      this.#expected -= 1;
      this.#pumpSoon();
    };
  }

  /** Starts what can be started; to be called when an instance has become free. */
  pump(): void {
    for (;;) {
      const instance = this.#pool.idle();
      const batch = instance === undefined ? undefined : this.#next();
      if (instance === undefined || !batch) return;
      void this.#run(instance, batch);
    }
  }

  /**
   * Requests that came in by the same turn of the event loop share a run, also when an instance has nothing to do: it
   * costs the first of them microseconds, and spares a change of threads for each.
   */
  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    setImmediate(() => {
      this.#isPumpDue = false;
      this.pump();
    });
  }

  #pumpLater(ms: number): void {
    // The latest is told of the nearest: what the last run took, and so how long is waited, changes.
    clearTimeout(this.#later);
    this.#later = setTimeout(() => this.pump(), ms);
  }

  /** Resolves when nothing waits or runs any more. */
  async drain(): Promise<void> {
    if (this.#isEmpty()) return;
    await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  #isEmpty(): boolean {
    return this.#waiting.count === 0 && this.#running === 0;
  }

  #admit(bytes: number): void {
    const { maxWaiting, maxWaitingBytes } = this.#limits;
    const { count } = this.#waiting;
    if (count >= maxWaiting) throw busy(`${maxWaiting} requests`);
    // A single request always fits: the bound on bodies is its bound.
    if (count > 0 && this.#waiting.bytes + bytes > maxWaitingBytes) {
      throw busy(`${maxWaitingBytes} bytes of requests`);
    }
  }

  #leave({ bytes }: Waiting): void {
    this.#waiting.count -= 1;
    this.#waiting.bytes -= bytes;
    if (this.#isEmpty()) this.#announceDrained();
  }

  #announceDrained(): void {
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  #keyOf({ inputs }: Job): string {
    if (this.#rule.kind === 'none') return '';
    // Pixels and the numbers that are made of them have the same shape.
    return inputs.map(({ datatype, shape }) => [datatype, ...shape.slice(1)].join('x')).join();
  }

  /** The run at the head of the line, taken out of it; `undefined` if there is none, or none yet. */
  #next(): Batch | undefined {
    const first = this.#line.findIndex(({ isOver }) => !isOver);
    if (first < 0) this.#line = [];
    else if (first > 0) this.#line.splice(0, first);
    const [head] = this.#line;
    if (!head) return undefined;
    const { members, rows, end, isFull } = this.#fitting(head);
    const delayMs = Math.max(this.#limits.delayMs, this.#expected > 0 ? this.#lastRunMs : 0);
    const leftMs = head.sinceMs + delayMs - performance.now();
    const isPatient = delayMs > 0 && !isFull && leftMs > 0 && !head.isAlone;
    if (isPatient) {
      this.#pumpLater(leftMs);
      return undefined;
    }
    this.#line.splice(0, end);
    const idle = this.#limits.delayMs > 0 ? 'delay' : 'idle';
    return { members, rows, why: isFull ? 'full' : idle };
  }

  #fitting(head: Waiting): {
    readonly members: readonly Waiting[];
    readonly rows: number;
    /** Where the run ends in the line. */
    readonly end: number;
    readonly isFull: boolean;
  } {
    const { maxRows } = this.#limits;
    const members: Waiting[] = [];
    let [rows, end] = [0, 0];
    for (const entry of this.#line) {
      if (!entry.isOver) {
        const isSingle = this.#rule.kind === 'none' || head.isAlone || entry.isAlone;
        const isFitting =
          entry === head ||
          (!isSingle && entry.key === head.key && rows + entry.job.rows <= maxRows);
        if (!isFitting) return { members, rows, end, isFull: true };
        members.push(entry);
        rows += entry.job.rows;
      }
      end += 1;
    }
    return { members, rows, end, isFull: rows >= maxRows || this.#rule.kind === 'none' };
  }

  async #run(instance: Instance, { members, rows, why }: Batch): Promise<void> {
    const startMs = performance.now();
    for (const entry of members) {
      entry.isRunning = true;
      this.#waiting.count -= 1;
      this.#waiting.bytes -= entry.bytes;
    }
    this.#running += 1;
    try {
      const joined = joinedRun(members, this.#rule);
      const sentMs = performance.now();
      const result = await this.#pool.run(instance, joined);
      const backMs = performance.now();
      this.#lastRunMs = backMs - sentMs;
      const parts = splitRun(result, { members, rows, rule: this.#rule });
      const computeInputNs = ns(sentMs - startMs);
      const { inferNs } = result;
      const computeOutputNs = Math.max(0, ns(backMs - sentMs) - inferNs);
      const timing = { computeInputNs, computeInferNs: inferNs, computeOutputNs };
      for (const [i, entry] of members.entries()) {
        const queueNs = ns(startMs - entry.sinceMs);
        entry.succeed({ outputs: parts[i] ?? [], queueNs, ...timing });
      }
      this.#onRun({ rows, requests: members.length, why, ...timing });
    } catch (fault) {
      this.#fail(members, fault);
    } finally {
      this.#running -= 1;
      if (this.#isEmpty()) this.#announceDrained();
    }
  }

  /** A run of several requests that fails may be the fault of one: each is run by itself then. */
  #fail(members: readonly Waiting[], fault: unknown): void {
    const isLost = fault instanceof ToolkitError && fault.code === 'WORKER_LOST';
    const again = members.length > 1 && !isLost ? members.filter(({ isOver }) => !isOver) : [];
    for (const entry of members) if (!again.includes(entry)) entry.fail(fault);
    for (const entry of again) {
      entry.isAlone = true;
      entry.isRunning = false;
      this.#waiting.count += 1;
      this.#waiting.bytes += entry.bytes;
    }
    this.#line.unshift(...again);
    this.pump();
  }
}

const ns = (ms: number): number => Math.round(ms * 1e6);

function busy(limit: string): ToolkitError {
  return new ToolkitError('SERVER_BUSY', `Exceeds maximum queue size: ${limit} are waiting`, {
    hint: 'Send it again a little later.',
  });
}
