import type { Meter, Meters } from './meters.ts';

/** What `GET /metrics.json` answers; of models that have been asked or loaded since the start. */
interface Snapshot {
  readonly uptime_seconds: number;
  readonly models: readonly ModelSnapshot[];
}

interface Waiting {
  readonly name: string;
  readonly version: string;
  readonly pending: number;
}

interface ModelSnapshot {
  readonly name: string;
  readonly version: string;
  readonly pending: number;
  readonly requests: { readonly success: number; readonly failure: number };
  /** Rows that were answered. */
  readonly inferences: number;
  readonly executions: number;
  /** How many runs had so many rows: `[rows, runs]`, by rows. */
  readonly batch_rows: readonly (readonly [number, number])[];
  /** Of the latest 1024 answered requests; null before the first. */
  readonly latency_ms: {
    readonly p50: number | null;
    readonly p90: number | null;
    readonly p99: number | null;
    readonly mean: number | null;
  };
}

/** The numbers of now; `list` says what waits. */
export function snapshotOf(meters: Meters, list: readonly Waiting[], startedMs: number): Snapshot {
  return {
    uptime_seconds: (Date.now() - startedMs) / 1000,
    models: meters.all().map((meter) => {
      const [p50 = null, p90 = null, p99 = null] = meter.latencies.percentiles([50, 90, 99]);
      const { count, sum } = meter.latencies;
      return {
        name: meter.model,
        version: meter.version,
        pending: pendingOf(meter, list),
        requests: { success: meter.success, failure: sumOf(Object.values(meter.failures)) },
        inferences: meter.rows,
        executions: meter.batches,
        batch_rows: [...meter.batchRows].toSorted(([a], [b]) => a - b),
        latency_ms: { p50, p90, p99, mean: count === 0 ? null : sum / count },
      };
    }),
  };
}

function pendingOf({ model, version }: Meter, list: readonly Waiting[]): number {
  const entry = list.find((waiting) => waiting.name === model && waiting.version === version);
  return entry?.pending ?? 0;
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
