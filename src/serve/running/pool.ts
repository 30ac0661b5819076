import { Instance, type RunResult } from './instance.ts';
import type { ModelSpec, OpenMessage, RunMessage } from './messages.ts';
import type { Workers } from './workers.ts';

/** How the instances of a model are opened. */
export interface PoolOptions {
  readonly path: string;
  /** A folder for a private copy of the model. */
  readonly copy: string;
  readonly instances: number;
  readonly open: Omit<OpenMessage, 'kind' | 'path' | 'copy'>;
  readonly workers: Workers;
  /** Called when a worker was lost and is being started again. */
  readonly onLost: (reason: string) => void;
  /** Called when an instance has become free. */
  readonly onFree: () => void;
}

/** Milliseconds before a lost worker is started again; doubled each time, up to the last. */
const restartMs = [100, 10_000] as const;

/** The instances of one version of a model. Lost ones are replaced. */
export class Pool {
  readonly spec: ModelSpec;
  /** The private copy, which the instances map. */
  readonly path: string;
  readonly #options: PoolOptions;
  readonly #instances = new Set<Instance>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #isClosing = false;

  private constructor(options: PoolOptions, path: string, spec: ModelSpec) {
    this.#options = options;
    this.path = path;
    this.spec = spec;
  }

  /** Copies the model, opens all instances and warms them up. Throws what opening throws; nothing is left then. */
  static async open(options: PoolOptions): Promise<Pool> {
    const first = new Instance(options.workers);
    const opened = await opening(first, { ...options.open, ...options });
    const pool = new Pool(options, opened.path, opened.spec);
    pool.#keep(first);
    try {
      // One after the other: each holds a copy of the model in memory while it is being prepared.
      while (pool.#instances.size < options.instances) pool.#keep(await pool.#another());
    } catch (fault) {
      await pool.close();
      throw fault;
    }
    return pool;
  }

  /** An instance that has nothing to do. */
  idle(): Instance | undefined {
    for (const instance of this.#instances) if (instance.isIdle) return instance;
    return undefined;
  }

  get size(): number {
    return this.#instances.size;
  }

  /** Process ids of the workers, where they are processes. */
  get pids(): readonly number[] {
    return [...this.#instances].flatMap(({ pid }) => pid ?? []);
  }

  async run(instance: Instance, message: Omit<RunMessage, 'kind' | 'id'>): Promise<RunResult> {
    try {
      return await instance.run(message);
    } finally {
      // After the caller has gone on with the result, so that answers leave before the next run is put together.
      queueMicrotask(() => this.#options.onFree());
    }
  }

  /** Ends the workers after the runs that are under way. */
  async close(): Promise<void> {
    this.#isClosing = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all([...this.#instances].map((instance) => instance.close()));
    this.#instances.clear();
  }

  async #another(): Promise<Instance> {
    const instance = new Instance(this.#options.workers);
    await opening(instance, { ...this.#options.open, path: this.path, copy: undefined });
    return instance;
  }

  #keep(instance: Instance): void {
    this.#instances.add(instance);
    void this.#watch(instance);
  }

  async #watch(instance: Instance): Promise<void> {
    const reason = await instance.lost;
    this.#instances.delete(instance);
    if (this.#isClosing) return;
    this.#options.onLost(reason);
    this.#restart(restartMs[0]);
  }

  #restart(afterMs: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      void this.#replace(afterMs);
    }, afterMs);
    this.#timers.add(timer);
  }

  async #replace(afterMs: number): Promise<void> {
    try {
      const instance = await this.#another();
      if (this.#isClosing) {
        await instance.close();
        return;
      }
      this.#keep(instance);
      this.#options.onFree();
    } catch (fault) {
      if (this.#isClosing) return;
      this.#options.onLost(fault instanceof Error ? fault.message : String(fault));
      this.#restart(Math.min(afterMs * 2, restartMs[1]));
    }
  }
}

async function opening(
  instance: Instance,
  { path, copy, provider, threads, batched, warm }: Omit<OpenMessage, 'kind'>,
): Promise<{ path: string; spec: ModelSpec }> {
  try {
    return await instance.open({ path, copy, provider, threads, batched, warm });
  } catch (fault) {
    await instance.close();
    throw fault;
  }
}
