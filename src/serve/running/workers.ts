import { type Listener, startThread, type Thread, type WorkerOptions } from './thread.ts';

/** Threads that are kept for the next model. */
const mostParked = 2;

/**
 * The workers of a server. A thread whose model was closed is kept for the next one.
 *
 * Every new thread gets an arena of its own from the C library, which keeps what was freed in it: a model that is
 * reloaded in a new thread each time makes the server grow by megabytes, and one in the same two threads does not.
 */
export class Workers {
  readonly isProcess: boolean;
  readonly #options: WorkerOptions;
  readonly #parked: Thread[] = [];
  readonly #ending = new Set<Promise<void>>();
  #isClosed = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.isProcess = options.isProcess === true;
  }

  /** A worker without a model. */
  take(listener: Listener): Thread {
    const thread = this.#parked.pop() ?? startThread(this.#options);
    thread.listen(listener);
    return thread;
  }

  /** Takes back a worker that has closed its model. */
  give(thread: Thread): void {
    // A process gives its memory back by ending.
    if (this.isProcess || this.#isClosed || this.#parked.length >= mostParked) {
      this.#end(thread);
      return;
    }
    this.#parked.push(thread);
    thread.listen({
      onMessage: () => undefined,
      onLost: () => this.#parked.splice(this.#parked.indexOf(thread), 1),
    });
  }

  /** Ends all workers that have been given back, and those that will be. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const thread of this.#parked.splice(0)) this.#end(thread);
    await Promise.all(this.#ending);
  }

  #end(thread: Thread): void {
    const ending = new Promise<void>((resolve) => {
      thread.listen({ onMessage: () => undefined, onLost: () => resolve() });
    });
    this.#ending.add(ending);
    void ending.then(() => this.#ending.delete(ending));
    thread.post({ kind: 'close' });
  }
}
