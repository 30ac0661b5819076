import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ServeContext } from '../context.ts';
import { type HttpApp, route } from '../http/http.ts';
import type { ModelEntry } from '../models/entry.ts';
import type { ServeObserver } from '../request/events.ts';
import { type Meter, Meters } from './meters.ts';
import { snapshotOf } from './snapshot.ts';

/** Upper bounds of the latency histogram, in milliseconds. */
const latencyBounds = [1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000];

/**
 * Counts what the server does, and shows it: `GET /metrics` for Prometheus, with Triton's names where Triton has one,
 * and `GET /metrics.json`, which the page reads.
 */
export function registerMetrics(app: HttpApp, context: ServeContext): void {
  const meters = new Meters();
  const { registry, latencies } = registryOf(meters, context);
  const undo = [meters, latencies].map((observer) => context.observe(observer));
  const startedMs = Date.now();
  route(app, 'GET', '/metrics', async (_, reply) => {
    const text = await registry.metrics();
    return reply.header('content-type', registry.contentType).send(text);
  });
  route(app, 'GET', '/metrics.json', (_, reply) => {
    void reply.header('cache-control', 'no-store');
    return snapshotOf(meters, context.models.list(), startedMs);
  });
  app.addHook('onClose', () => {
    for (const each of undo) each();
  });
}

interface CounterRow {
  readonly name: string;
  readonly help: string;
  readonly value: (meter: Meter) => number;
}

/** Counters with one number a model and version. Names and meanings are those of Triton's docs/user_guide/metrics.md. */
const counters: readonly CounterRow[] = [
  {
    name: 'nv_inference_request_success',
    help: 'Requests that were answered',
    value: (m) => m.success,
  },
  { name: 'nv_inference_count', help: 'Inferences: rows of requests', value: (m) => m.rows },
  { name: 'nv_inference_exec_count', help: 'Runs of the model: batches', value: (m) => m.batches },
  {
    name: 'nv_inference_request_duration_us',
    help: 'Time of answered requests, in all',
    value: (m) => Math.round(m.requestNs / 1e3),
  },
  {
    name: 'nv_inference_queue_duration_us',
    help: 'Time that they waited for their turn',
    value: (m) => Math.round(m.queueNs / 1e3),
  },
  {
    name: 'nv_inference_compute_input_duration_us',
    help: 'Time to prepare inputs: decoding, joining',
    value: (m) => Math.round(m.computeInputNs / 1e3),
  },
  {
    name: 'nv_inference_compute_infer_duration_us',
    help: 'Time of the model itself',
    value: (m) => Math.round(m.computeInferNs / 1e3),
  },
  {
    name: 'nv_inference_compute_output_duration_us',
    help: 'Time to take outputs apart',
    value: (m) => Math.round(m.computeOutputNs / 1e3),
  },
  {
    name: 'graft_worker_lost_total',
    help: 'Workers that died and were replaced',
    value: (m) => m.workersLost,
  },
];

const modelLabels = ['model', 'version'] as const;

interface Metrics {
  readonly registry: Registry;
  readonly latencies: ServeObserver;
}

/** The registry, filled from the meters when it is asked: counting itself costs a request next to nothing. */
function registryOf(meters: Meters, context: ServeContext): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const latency = latencyHistogram();
  const metrics = [
    ...counters.map((row) => counter(row.name, row.help, perMeter(meters, row.value))),
    ...failureCounters(meters),
    ...batchCounters(meters),
    ...stateGauges(context),
    latency,
  ];
  for (const metric of metrics) registry.registerMetric(metric);
  return {
    registry,
    latencies: {
      onInfer({ model, version, outcome, totalNs }) {
        if (outcome === 'success') latency.observe({ model, version }, totalNs / 1e6);
      },
    },
  };
}

/** A number and the labels beside model and version that it stands under. */
interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

const perMeter = (meters: Meters, value: (meter: Meter) => number) => (): readonly Sample[] =>
  meters.all().map((meter) => ({ labels: labelsOf(meter), value: value(meter) }));

// No registry of its own: prom-client would put it into a global one.
const registers: [] = [];

function counter(
  name: string,
  help: string,
  samples: () => readonly Sample[],
  labelNames: readonly string[] = modelLabels,
): Counter {
  return new Counter({
    name,
    help,
    labelNames,
    registers,
    collect() {
      this.reset();
      for (const { labels, value } of samples()) this.inc(labels, value);
    },
  });
}

function failureCounters(meters: Meters): readonly Counter[] {
  const byReason = (): Sample[] =>
    meters.all().flatMap((meter) =>
      Object.entries(meter.failures).map(([reason, value]) => ({
        labels: { ...labelsOf(meter), reason },
        value,
      })),
    );
  const name = 'nv_inference_request_failure';
  const help = 'Requests that were not answered, by reason';
  const unknown = (): Sample[] => [{ labels: {}, value: meters.unknown }];
  const refused = (): Sample[] =>
    [...meters.refusals.values()].map(({ door, code, count }) => ({
      labels: { door, code },
      value: count,
    }));
  const refusedHelp = 'Calls that never were requests to a model: no key, no such path, no JSON';
  return [
    counter(name, help, byReason, [...modelLabels, 'reason']),
    counter('graft_unknown_model_total', 'Requests for models that there are not', unknown, []),
    counter('graft_refused_total', refusedHelp, refused, ['door', 'code']),
  ];
}

function batchCounters(meters: Meters): readonly Counter[] {
  const byRows = (): Sample[] =>
    meters.all().flatMap((meter) =>
      [...meter.batchRows].map(([rows, value]) => ({
        labels: { ...labelsOf(meter), rows },
        value,
      })),
    );
  const byWhy = (): Sample[] =>
    meters.all().flatMap((meter) =>
      Object.entries(meter.batchWhys).map(([why, value]) => ({
        labels: { ...labelsOf(meter), why },
        value,
      })),
    );
  const why = 'Runs of the model, by why the batch left: full, delay, idle';
  return [
    counter('graft_batch_rows_total', 'Runs of the model, by rows', byRows, [
      ...modelLabels,
      'rows',
    ]),
    counter('graft_batch_reason_total', why, byWhy, [...modelLabels, 'why']),
  ];
}

function stateGauges({ models }: ServeContext): readonly Gauge[] {
  const gauge = (name: string, help: string, value: (entry: ModelEntry) => number): Gauge =>
    new Gauge({
      name,
      help,
      labelNames: modelLabels,
      registers,
      collect() {
        this.reset();
        for (const entry of models.list()) {
          this.set({ model: entry.name, version: entry.version }, value(entry));
        }
      },
    });
  return [
    gauge(
      'nv_inference_pending_request_count',
      'Requests that wait for their turn',
      (entry) => entry.pending,
    ),
    gauge('graft_model_ready', '1 where the model can answer, else 0', ({ state }) =>
      state === 'READY' ? 1 : 0,
    ),
  ];
}

function latencyHistogram(): Histogram {
  return new Histogram({
    // Triton has this one as the time to the first response, which is the only one here.
    name: 'nv_inference_first_response_histogram_ms',
    help: 'Time of answered requests',
    labelNames: modelLabels,
    buckets: latencyBounds,
    registers,
  });
}

function labelsOf({ model, version }: Meter): {
  readonly model: string;
  readonly version: string;
} {
  return { model, version };
}
