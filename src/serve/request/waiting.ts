import { performance } from 'node:perf_hooks';
import { ToolkitError } from '../../errors.ts';
import type { InferTensor, InferTiming } from './infer.ts';
import type { Leaving } from './leaving.ts';

/** One part of a request that fits one run. */
export interface Job {
  /** In the order of the model's inputs. */
  readonly inputs: readonly InferTensor[];
  readonly rows: number;
  /** Names of the outputs that are wanted. */
  readonly outputs: readonly string[];
  /** In milliseconds of `performance.now()`. */
  readonly deadlineMs: number | undefined;
  readonly leaving: Leaving | undefined;
}

/** What came of a job. */
export interface JobResult extends InferTiming {
  readonly outputs: readonly InferTensor[];
}

/** A job from its arrival to its answer. It is answered once: by its run, by its deadline, or by its client's leaving. */
export class Waiting {
  readonly answer: Promise<JobResult>;
  readonly sinceMs = performance.now();
  readonly key: string;
  readonly bytes: number;
  /** Its run failed together with others: it is tried once more by itself. */
  isAlone = false;
  isRunning = false;
  isOver = false;
  job: Job;
  #resolve: (result: JobResult) => void = () => undefined;
  #reject: (fault: unknown) => void = () => undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #onLeave: (() => void) | undefined;

  /** `onLeave` is called when it is over before its run. */
  constructor(job: Job, about: { readonly key: string; readonly bytes: number; onLeave(): void }) {
    this.job = job;
    this.key = about.key;
    this.bytes = about.bytes;
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const leave = (fault: ToolkitError): void => {
      const wasWaiting = !this.isRunning && !this.isOver;
      this.fail(fault);
      if (wasWaiting) about.onLeave();
    };
    if (job.deadlineMs !== undefined) {
      const leftMs = Math.max(0, job.deadlineMs - this.sinceMs);
      this.#timer = setTimeout(() => leave(timedOut()), leftMs);
    }
    if (job.leaving) {
      this.#onLeave = () => leave(cancelled());
      job.leaving.whenLeft(this.#onLeave);
    }
  }

  succeed(result: JobResult): void {
    if (this.#end()) this.#resolve(result);
  }

  fail(fault: unknown): void {
    if (this.#end()) this.#reject(fault);
  }

  #end(): boolean {
    if (this.isOver) return false;
    this.isOver = true;
    clearTimeout(this.#timer);
    if (this.#onLeave) this.job.leaving?.forget(this.#onLeave);
    // What is over may still stand in line for a while; its tensors shall not.
    this.job = { ...this.job, inputs: [] };
    return true;
  }
}

/** REQUEST_TIMEOUT. */
function timedOut(): ToolkitError {
  return new ToolkitError('REQUEST_TIMEOUT', 'Request timeout expired', {
    hint: 'Allow more time, or send fewer requests at once.',
  });
}

/** REQUEST_CANCELLED. */
export function cancelled(): ToolkitError {
  return new ToolkitError('REQUEST_CANCELLED', 'The request was cancelled by its client', {
    hint: 'Stay connected until the answer is there.',
  });
}
