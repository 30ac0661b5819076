import type {
  BatchEvent,
  InferEvent,
  Outcome,
  RefusalEvent,
  ServeObserver,
} from '../request/events.ts';

/** How many of the latest requests the percentiles are taken over. */
const windowSize = 1024;

/** Failures by Triton's reasons. */
export type FailureReason = 'REJECTED' | 'CANCELED' | 'BACKEND' | 'OTHER';

const reasons: { readonly [O in Exclude<Outcome, 'success'>]: FailureReason } = {
  rejected: 'REJECTED',
  // A request that waited too long is one that the queue turned away: Triton counts it so.
  timeout: 'REJECTED',
  cancelled: 'CANCELED',
  backend: 'BACKEND',
  invalid: 'OTHER',
  unavailable: 'OTHER',
};

/** Latencies in milliseconds: their number and sum, and the latest ones themselves. 8 KiB. */
class Latencies {
  count = 0;
  sum = 0;
  readonly #latest = new Float64Array(windowSize);

  add(ms: number): void {
    this.#latest[this.count % windowSize] = ms;
    this.count += 1;
    this.sum += ms;
  }

  /** Nearest-rank percentiles of the latest requests; `undefined` before the first. */
  percentiles(ranks: readonly number[]): readonly (number | undefined)[] {
    const sorted = this.#latest.slice(0, Math.min(this.count, windowSize)).toSorted();
    return ranks.map((rank) => sorted[Math.max(0, Math.ceil((rank / 100) * sorted.length) - 1)]);
  }
}

/** What is counted of one version of a model, from its first event on. Durations are sums over its successes. */
export class Meter {
  readonly model: string;
  readonly version: string;
  success = 0;
  readonly failures: Record<FailureReason, number> = {
    REJECTED: 0,
    CANCELED: 0,
    BACKEND: 0,
    OTHER: 0,
  };
  rows = 0;
  batches = 0;
  requestNs = 0;
  queueNs = 0;
  computeInputNs = 0;
  computeInferNs = 0;
  computeOutputNs = 0;
  workersLost = 0;
  readonly batchRows = new Map<number, number>();
  readonly batchWhys: Record<BatchEvent['why'], number> = { full: 0, delay: 0, idle: 0 };
  readonly latencies = new Latencies();

  constructor(model: string, version: string) {
    this.model = model;
    this.version = version;
  }

  countRequest(event: InferEvent): void {
    if (event.outcome !== 'success') {
      this.failures[reasons[event.outcome]] += 1;
      return;
    }
    this.success += 1;
    this.rows += event.rows;
    this.requestNs += event.totalNs;
    this.queueNs += event.queueNs;
    this.computeInputNs += event.computeInputNs;
    this.computeInferNs += event.computeInferNs;
    this.computeOutputNs += event.computeOutputNs;
    this.latencies.add(event.totalNs / 1e6);
  }

  countBatch({ rows, why }: BatchEvent): void {
    this.batches += 1;
    this.batchRows.set(rows, (this.batchRows.get(rows) ?? 0) + 1);
    this.batchWhys[why] += 1;
  }
}

/** How many calls one door refused for one reason. */
interface Refusals extends Pick<RefusalEvent, 'door' | 'code'> {
  readonly count: number;
}

/** Counts what an observer is told, by model and version. */
export class Meters implements ServeObserver {
  readonly #meters = new Map<string, Meter>();
  /** Requests for models that there never were: their names come from outside, and must not become labels. */
  unknown = 0;
  /** Calls that were refused, by door and code. */
  readonly refusals = new Map<string, Refusals>();

  all(): readonly Meter[] {
    return [...this.#meters.values()];
  }

  onInfer(event: InferEvent): void {
    const known = this.#known(event.model, event.version);
    if (known) known.countRequest(event);
    else if (event.outcome === 'success') this.#made(event).countRequest(event);
    else this.unknown += 1;
  }

  onRefusal({ door, code }: RefusalEvent): void {
    if (code === 'MODEL_UNKNOWN') this.unknown += 1;
    const key = `${door} ${code}`;
    const { count } = this.refusals.get(key) ?? { count: 0 };
    this.refusals.set(key, { door, code, count: count + 1 });
  }

  onBatch(event: BatchEvent): void {
    this.#made(event).countBatch(event);
  }

  onModel(event: Parameters<NonNullable<ServeObserver['onModel']>>[0]): void {
    const meter = this.#made(event);
    if (event.kind === 'worker-lost') meter.workersLost += 1;
  }

  #known(model: string, version: string): Meter | undefined {
    return this.#meters.get(keyOf(model, version));
  }

  #made({ model, version }: { readonly model: string; readonly version: string }): Meter {
    const found = this.#known(model, version);
    if (found) return found;
    const made = new Meter(model, version);
    this.#meters.set(keyOf(model, version), made);
    return made;
  }
}

function keyOf(model: string, version: string): string {
  return JSON.stringify([model, version]);
}
