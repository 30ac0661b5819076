import { afterEach, describe, expect, it } from 'vitest';
import type { HttpApp } from '../../src/serve/http/http.ts';
import { registerMetrics } from '../../src/serve/observe/metrics.ts';
import { answered, bareApp, type FakeContext, fakeContext } from './fake-context.ts';

const entry = { name: 'm', version: '1', state: 'READY', pending: 3 } as const;
const apps: HttpApp[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function open(): Promise<FakeContext & { readonly read: (path: string) => Promise<string> }> {
  const fake = fakeContext([entry]);
  const app = bareApp();
  apps.push(app);
  registerMetrics(app, fake.context);
  await app.ready();
  const read = async (path: string): Promise<string> => (await app.inject(path)).body;
  return { ...fake, read };
}

const told = (fake: FakeContext, ...events: (typeof answered)[]): void => {
  for (const event of events) for (const observer of fake.observers) observer.onInfer?.(event);
};

const failure = (reason: string): string =>
  `nv_inference_request_failure{model="m",version="1",reason="${reason}"}`;

const batch = {
  model: 'm',
  version: '1',
  requests: 2,
  computeInputNs: 1,
  computeInferNs: 1,
  computeOutputNs: 1,
} as const;

describe('GET /metrics', () => {
  it('sums what the requests of a model took, in microseconds under the names of Triton', async () => {
    const fake = await open();
    told(fake, answered, { ...answered, rows: 3 });
    const text = await fake.read('/metrics');
    const lines = text.split('\n').filter((line) => line.includes('model="m",version="1"'));
    expect(lines).toEqual(
      expect.arrayContaining([
        'nv_inference_request_success{model="m",version="1"} 2',
        'nv_inference_count{model="m",version="1"} 4',
        'nv_inference_request_duration_us{model="m",version="1"} 20000',
        'nv_inference_queue_duration_us{model="m",version="1"} 2000',
        'nv_inference_compute_input_duration_us{model="m",version="1"} 4000',
        'nv_inference_compute_infer_duration_us{model="m",version="1"} 10000',
        'nv_inference_compute_output_duration_us{model="m",version="1"} 1000',
        'nv_inference_pending_request_count{model="m",version="1"} 3',
        'graft_model_ready{model="m",version="1"} 1',
      ]),
    );
    expect(text).toContain(
      'nv_inference_first_response_histogram_ms_bucket{le="5",model="m",version="1"} 0',
    );
    expect(text).toContain(
      'nv_inference_first_response_histogram_ms_bucket{le="10",model="m",version="1"} 2',
    );
    expect(text).toContain('process_resident_memory_bytes');
  });

  it('counts failures by the reasons of Triton', async () => {
    const fake = await open();
    told(fake, answered);
    for (const outcome of ['rejected', 'timeout', 'cancelled', 'backend', 'invalid'] as const) {
      told(fake, { ...answered, outcome });
    }
    const text = await fake.read('/metrics');
    expect(text).toContain(`${failure('REJECTED')} 2`);
    expect(text).toContain(`${failure('CANCELED')} 1`);
    expect(text).toContain(`${failure('BACKEND')} 1`);
    expect(text).toContain(`${failure('OTHER')} 1`);
    expect(text).toContain('nv_inference_request_success{model="m",version="1"} 1');
  });

  it('counts refused calls by door and code, whatever their clients said', async () => {
    const fake = await open();
    const refused = { door: 'http', code: 'KEY_REFUSED', status: 401 } as const;
    for (const observer of fake.observers) {
      for (let i = 0; i < 100; i++) {
        observer.onRefusal?.({ ...refused, path: `/v2/models/m${i}`, requestId: `r${i}` });
      }
      observer.onRefusal?.({ door: 'grpc', code: 'MODEL_UNKNOWN', status: 5, path: '/x' });
    }
    const text = await fake.read('/metrics');
    const lines = text.split('\n').filter((line) => line.startsWith('graft_refused_total{'));
    expect(lines).toEqual([
      'graft_refused_total{door="http",code="KEY_REFUSED"} 100',
      'graft_refused_total{door="grpc",code="MODEL_UNKNOWN"} 1',
    ]);
    expect(text).toContain('graft_unknown_model_total 1\n');
  });

  it('counts batches by size and by why they left, and lost workers', async () => {
    const fake = await open();
    for (const observer of fake.observers) {
      observer.onBatch?.({ ...batch, rows: 4, why: 'full' });
      observer.onBatch?.({ ...batch, rows: 4, why: 'delay' });
      observer.onBatch?.({ ...batch, rows: 1, why: 'full' });
      observer.onModel?.({ kind: 'worker-lost', model: 'm', version: '1' });
    }
    const text = await fake.read('/metrics');
    expect(text).toContain('nv_inference_exec_count{model="m",version="1"} 3');
    expect(text).toContain('graft_batch_rows_total{model="m",version="1",rows="4"} 2');
    expect(text).toContain('graft_batch_reason_total{model="m",version="1",why="full"} 2');
    expect(text).toContain('graft_worker_lost_total{model="m",version="1"} 1');
  });

  it('makes no labels of names that only requests know', async () => {
    const fake = await open();
    told(fake, { ...answered, model: 'x"\n1', version: '', outcome: 'invalid' });
    const text = await fake.read('/metrics');
    expect(text).not.toContain('model="x');
    expect(text).toContain('graft_unknown_model_total 1');
  });

  it('is asked twice and says the same', async () => {
    const fake = await open();
    told(fake, answered);
    const success = 'nv_inference_request_success{model="m",version="1"} 1';
    expect(await fake.read('/metrics')).toContain(success);
    expect(await fake.read('/metrics')).toContain(success);
  });
});

describe('GET /metrics.json', () => {
  it('has percentiles by nearest rank, batch sizes in order and what waits', async () => {
    const fake = await open();
    // 1 to 100 ms, so that percentile and milliseconds are the same number.
    for (let ms = 100; ms >= 1; ms--) told(fake, { ...answered, totalNs: ms * 1e6 });
    told(fake, { ...answered, outcome: 'timeout', totalNs: 60e9 });
    for (const observer of fake.observers) {
      for (const rows of [8, 1, 8]) observer.onBatch?.({ ...batch, rows, why: 'idle' });
    }
    const snapshot: unknown = JSON.parse(await fake.read('/metrics.json'));
    expect(snapshot).toMatchObject({
      models: [
        {
          name: 'm',
          version: '1',
          pending: 3,
          requests: { success: 100, failure: 1 },
          inferences: 100,
          executions: 3,
          batch_rows: [
            [1, 1],
            [8, 2],
          ],
          latency_ms: { p50: 50, p90: 90, p99: 99, mean: 50.5 },
        },
      ],
    });
  });

  it('takes the percentiles over the latest 1024 requests', async () => {
    const fake = await open();
    for (let i = 0; i < 1024; i++) told(fake, { ...answered, totalNs: 900e6 });
    for (let i = 0; i < 1024; i++) told(fake, { ...answered, totalNs: 4e6 });
    const snapshot: unknown = JSON.parse(await fake.read('/metrics.json'));
    expect(snapshot).toMatchObject({ models: [{ latency_ms: { p50: 4, p99: 4, mean: 452 } }] });
  });

  it('says null before the first request of a loaded model', async () => {
    const fake = await open();
    for (const observer of fake.observers) {
      observer.onModel?.({ kind: 'loaded', model: 'm', version: '1' });
    }
    const snapshot: unknown = JSON.parse(await fake.read('/metrics.json'));
    expect(snapshot).toMatchObject({ models: [{ latency_ms: { p50: null, mean: null } }] });
  });

  it('stops listening when the server closes', async () => {
    const fake = await open();
    expect(fake.observers.size).toBe(2);
    await apps.pop()?.close();
    expect(fake.observers.size).toBe(0);
  });
});
