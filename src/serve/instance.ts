import { ToolkitError } from '../errors.ts';
import type { FromWorker, ModelSpec, OpenMessage, RunMessage, RunOutput } from './messages.ts';
import { faultOf, startThread, type Thread, type ThreadOptions } from './thread.ts';

/** The outputs of a run. */
export interface RunResult {
  readonly outputs: readonly RunOutput[];
  readonly inferNs: number;
}

/** How workers are started. */
export type WorkerOptions = Pick<ThreadOptions, 'file' | 'isProcess'>;

interface Waiting<T> {
  resolve(value: T): void;
  reject(fault: Error): void;
}

/** One open model in a worker of its own. It does one run at a time; whoever gives it work sees to that. */
export class Instance {
  /** Resolves when the worker is gone, with why. */
  readonly lost: Promise<string>;
  readonly #thread: Thread;
  #opening: Waiting<{ path: string; spec: ModelSpec }> | undefined;
  #run: (Waiting<RunResult> & { readonly id: number }) | undefined;
  #runs = 0;
  #isLost = false;
  #isClosing = false;

  constructor(options: WorkerOptions) {
    const { promise, resolve: gone } = withResolvers<string>();
    this.lost = promise;
    this.#thread = startThread({
      ...options,
      onMessage: (message) => this.#receive(message),
      onLost: (reason) => {
        this.#isLost = true;
        const fault = workerLost(reason);
        this.#opening?.reject(fault);
        this.#run?.reject(fault);
        gone(reason);
      },
    });
  }

  get isIdle(): boolean {
    return this.#run === undefined && !this.#isLost && !this.#isClosing;
  }

  /** Of a worker that is a process. */
  get pid(): number | undefined {
    return this.#thread.pid;
  }

  /** Opens the model; once. Throws what `openSession` throws, and WORKER_LOST. */
  async open(message: Omit<OpenMessage, 'kind'>): Promise<{ path: string; spec: ModelSpec }> {
    return new Promise((resolve, reject) => {
      this.#opening = { resolve, reject };
      this.#thread.post({ kind: 'open', ...message });
    });
  }

  /** Runs the model once. Throws RUNTIME_FAILED, WORKER_LOST. */
  async run(message: Omit<RunMessage, 'kind' | 'id'>): Promise<RunResult> {
    return new Promise((resolve, reject) => {
      this.#runs += 1;
      const id = this.#runs;
      this.#run = { id, resolve, reject };
      this.#thread.post({ kind: 'run', id, ...message }, [message.buffer]);
    });
  }

  /** Closes the model and ends the worker, after the run that is under way. */
  async close(): Promise<void> {
    if (this.#isLost) return;
    this.#isClosing = true;
    this.#thread.post({ kind: 'close' });
    await this.lost;
  }

  #receive(message: FromWorker): void {
    if (message.kind === 'opened') {
      this.#opening?.resolve(message);
      this.#opening = undefined;
    } else if (message.kind === 'ran') {
      const run = this.#run;
      this.#run = undefined;
      run?.resolve(message);
    } else if (message.kind === 'fault') {
      const waiting = message.id === undefined ? this.#opening : this.#run;
      if (message.id === undefined) this.#opening = undefined;
      else this.#run = undefined;
      waiting?.reject(faultOf(message));
    }
  }
}

/** A promise, and what resolves it. */
function withResolvers<T>(): { readonly promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: ((value: T) => void) | undefined;
  const promise = new Promise<T>((one) => {
    resolve = one;
  });
  return { promise, resolve: (value) => resolve?.(value) };
}

function workerLost(reason: string): ToolkitError {
  return new ToolkitError('WORKER_LOST', `The worker that ran the model was lost: ${reason}`, {
    hint: 'It is started again; send the request once more.',
  });
}
