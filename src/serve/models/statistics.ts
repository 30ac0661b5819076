import type { InferEvent } from '../request/events.ts';
import type { RunEvent } from '../running/queue.ts';

/** How often, and how long in all. */
interface Duration {
  count: number;
  ns: number;
}

const kinds = [
  'success',
  'fail',
  'queue',
  'compute_input',
  'compute_infer',
  'compute_output',
  'cache_hit',
  'cache_miss',
] as const;

interface BatchStatistics {
  readonly batch_size: number;
  readonly compute_input: Duration;
  readonly compute_infer: Duration;
  readonly compute_output: Duration;
}

/** The statistics of one version, as Triton's statistics extension spells them. */
export interface VersionStatistics {
  readonly name: string;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly last_inference: number;
  /** Rows. */
  readonly inference_count: number;
  /** Runs. */
  readonly execution_count: number;
  readonly inference_stats: Readonly<Record<(typeof kinds)[number], Readonly<Duration>>>;
  readonly batch_stats: readonly BatchStatistics[];
}

/** Counts what happens to one version of a model. */
export class Statistics {
  #last = 0;
  #rows = 0;
  #runs = 0;
  readonly #durations = new Map(kinds.map((kind) => [kind, { count: 0, ns: 0 }]));
  readonly #batches = new Map<number, BatchStatistics>();

  request(event: Pick<InferEvent, Exclude<keyof InferEvent, 'model' | 'version' | 'door'>>): void {
    if (event.outcome !== 'success') {
      this.#add('fail', event.totalNs);
      return;
    }
    this.#last = event.startedMs;
    this.#rows += event.rows;
    this.#add('success', event.totalNs);
    this.#add('queue', event.queueNs);
    this.#add('compute_input', event.computeInputNs);
    this.#add('compute_infer', event.computeInferNs);
    this.#add('compute_output', event.computeOutputNs);
  }

  run(event: RunEvent): void {
    this.#runs += 1;
    let batch = this.#batches.get(event.rows);
    if (!batch) {
      batch = {
        batch_size: event.rows,
        compute_input: zero(),
        compute_infer: zero(),
        compute_output: zero(),
      };
      this.#batches.set(event.rows, batch);
    }
    count(batch.compute_input, event.computeInputNs);
    count(batch.compute_infer, event.computeInferNs);
    count(batch.compute_output, event.computeOutputNs);
  }

  of(name: string, version: string): VersionStatistics {
    const get = (kind: (typeof kinds)[number]): Duration => this.#durations.get(kind) ?? zero();
    return {
      name,
      version,
      last_inference: this.#last,
      inference_count: this.#rows,
      execution_count: this.#runs,
      inference_stats: {
        success: get('success'),
        fail: get('fail'),
        queue: get('queue'),
        compute_input: get('compute_input'),
        compute_infer: get('compute_infer'),
        compute_output: get('compute_output'),
        cache_hit: zero(),
        cache_miss: zero(),
      },
      batch_stats: [...this.#batches.values()].toSorted((a, b) => a.batch_size - b.batch_size),
    };
  }

  #add(kind: (typeof kinds)[number], ns: number): void {
    const duration = this.#durations.get(kind);
    if (duration) count(duration, ns);
  }
}

const zero = (): Duration => ({ count: 0, ns: 0 });

function count(duration: Duration, ns: number): void {
  duration.count += 1;
  duration.ns += Math.round(ns);
}
