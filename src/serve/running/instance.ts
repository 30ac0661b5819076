import { ToolkitError } from '../../errors.ts';
import type { FromWorker, ModelSpec, OpenMessage, RunMessage, RunOutput } from './messages.ts';
import { faultOf, type Thread } from './thread.ts';
import type { Workers } from './workers.ts';

/** The outputs of a run. */
export interface RunResult {
  readonly outputs: readonly RunOutput[];
  readonly inferNs: number;
}

interface Waiting<T> {
  resolve(value: T): void;
  reject(fault: Error): void;
}

/** One open model in a worker of its own. It does one run at a time; whoever gives it work sees to that. */
export class Instance {
  /** Resolves when the worker is gone, with why. */
  readonly lost: Promise<string>;
  readonly #workers: Workers;
  readonly #thread: Thread;
  /** Told whether the worker is still there, when its model is closed. */
  #released: ((isWhole: boolean) => void) | undefined;
  #opening: Waiting<{ path: string; spec: ModelSpec }> | undefined;
  #run: (Waiting<RunResult> & { readonly id: number }) | undefined;
  #runs = 0;
  #isLost = false;
  #isClosing = false;

  constructor(workers: Workers) {
    this.#workers = workers;
    const { promise, resolve: gone } = withResolvers<string>();
    this.lost = promise;
    this.#thread = workers.take({
      onMessage: (message) => this.#receive(message),
      onLost: (reason) => {
        this.#isLost = true;
        const fault = workerLost(reason);
        this.#opening?.reject(fault);
        this.#run?.reject(fault);
        this.#released?.(false);
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

  /** Closes the model after the run that is under way, and gives the worker back. */
  async close(): Promise<void> {
    if (this.#isLost || this.#isClosing) return;
    this.#isClosing = true;
    const isWhole = await new Promise<boolean>((resolve) => {
      this.#released = resolve;
      this.#thread.post({ kind: 'release' });
    });
    if (isWhole) this.#workers.give(this.#thread);
  }

  #receive(message: FromWorker): void {
    if (message.kind === 'opened') {
      this.#opening?.resolve(message);
      this.#opening = undefined;
    } else if (message.kind === 'ran') {
      const run = this.#run;
      this.#run = undefined;
      run?.resolve(message);
    } else if (message.kind === 'released') this.#released?.(true);
    else if (message.kind === 'fault') {
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
