import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import type { Log } from '../../src/serve/context.ts';
import { openTracing } from '../../src/serve/observe/tracing.ts';
import { fakeServer } from '../client/fake-server.ts';
import { answered } from './fake-context.ts';

const spanSchema = z.object({
  name: z.string(),
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  kind: z.number(),
  startTimeUnixNano: z.string(),
  endTimeUnixNano: z.string(),
  attributes: z.array(z.object({ key: z.string(), value: z.record(z.string(), z.unknown()) })),
  status: z.object({ code: z.number(), message: z.string().optional() }),
});
const bodySchema = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({
        attributes: z.array(z.object({ key: z.string(), value: z.unknown() })),
      }),
      scopeSpans: z.array(z.object({ spans: z.array(spanSchema) })),
    }),
  ),
});
type Span = z.infer<typeof spanSchema>;

/** The spans that a collector gets of some events. */
async function collected(...events: (typeof answered)[]): Promise<readonly Span[]> {
  const collector = await fakeServer(() => ({ body: '{}' }));
  try {
    const tracing = await openTracing({ endpoint: `${collector.origin}/`, environment: {} });
    for (const event of events) tracing?.observer.onInfer?.(event);
    await tracing?.close();
    expect(collector.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'POST /v1/traces',
    ]);
    const body = bodySchema.parse(JSON.parse(collector.seen[0]?.body.toString() ?? ''));
    expect(body.resourceSpans[0]?.resource.attributes).toContainEqual({
      key: 'service.name',
      value: { stringValue: 'graft' },
    });
    return body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
  } finally {
    collector.close();
  }
}

const nanoseconds = (offsetMs: number): string =>
  String(BigInt(answered.startedMs) * 1_000_000n + BigInt(offsetMs * 1e6));

describe('traces', () => {
  it('continue the trace of the request, with its parts one after the other', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const spans = await collected({ ...answered, traceparent });
    const request = spans.find(({ name }) => name === 'infer m');
    expect(request).toMatchObject({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      parentSpanId: 'b7ad6b7169203331',
      kind: 2,
      startTimeUnixNano: nanoseconds(0),
      endTimeUnixNano: nanoseconds(10),
    });
    expect(request?.attributes).toContainEqual({
      key: 'graft.request_id',
      value: { stringValue: 'r-1' },
    });
    const parts = spans.filter(({ parentSpanId }) => parentSpanId === request?.spanId);
    expect(parts.map((span) => [span.name, span.startTimeUnixNano, span.endTimeUnixNano])).toEqual([
      ['queue', nanoseconds(0), nanoseconds(1)],
      ['compute input', nanoseconds(1), nanoseconds(3)],
      ['compute', nanoseconds(3), nanoseconds(8)],
      ['compute output', nanoseconds(8), nanoseconds(8.5)],
    ]);
  });

  it('begin anew where the request names none, and say what failed', async () => {
    const spans = await collected({
      ...answered,
      outcome: 'timeout',
      traceparent: 'not one',
      queueNs: 0,
      computeInputNs: 0,
      computeInferNs: 0,
      computeOutputNs: 0,
    });
    expect(spans).toHaveLength(1);
    expect(spans[0]?.parentSpanId ?? '').toBe('');
    expect(spans[0]?.status).toEqual({ code: 2, message: 'timeout' });
  });

  it('are not there unless they are asked for', async () => {
    expect(await openTracing({ environment: {} })).toBeUndefined();
  });
});

describe('the environment and the collector', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it("name the service by OpenTelemetry's own variables", async () => {
    vi.stubEnv('OTEL_SERVICE_NAME', 'vgg');
    vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'service.name=other,deployment.environment=staging');
    const collector = await fakeServer(() => ({ body: '{}' }));
    const tracing = await openTracing({ endpoint: collector.origin });
    tracing?.observer.onInfer?.(answered);
    await tracing?.close();
    collector.close();
    const sent = bodySchema.parse(JSON.parse(collector.seen[0]?.body.toString() ?? ''));
    const attributes = sent.resourceSpans[0]?.resource.attributes;
    expect(attributes).toContainEqual({ key: 'service.name', value: { stringValue: 'vgg' } });
    expect(attributes).toContainEqual({
      key: 'deployment.environment',
      value: { stringValue: 'staging' },
    });
  });

  it('are told of once, however often traces cannot be sent, and once when they can', async () => {
    let status = 400;
    const collector = await fakeServer(() => ({ status, body: '{}' }));
    const warn = vi.fn<Log['warn']>();
    const info = vi.fn<Log['info']>();
    const log = { info, warn, error: vi.fn<Log['error']>() };
    const tracing = await openTracing({ endpoint: collector.origin, environment: {}, log });
    // So many spans fill a batch, which is sent at once.
    const send = (): void => {
      for (let i = 0; i < 600; i++) tracing?.observer.onInfer?.(answered);
    };
    send();
    await expect.poll(() => collector.seen.length).toBeGreaterThan(1);
    expect(warn).toHaveBeenCalledTimes(1);
    status = 200;
    send();
    await tracing?.close();
    collector.close();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(info).toHaveBeenCalledTimes(1);
  });
});
