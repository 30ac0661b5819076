import type * as Api from '@opentelemetry/api';
import type { SpanExporter } from '@opentelemetry/sdk-trace-node';
import type { Log } from '../context.ts';
import type { InferEvent, ServeObserver } from '../request/events.ts';

/** Where traces are sent. */
export interface TracingOptions {
  /** Base address of an OTLP/HTTP collector, such as `http://127.0.0.1:4318`. */
  readonly endpoint?: string | undefined;
  /** Read for OpenTelemetry's own variables when no endpoint is given; default: the process's. */
  readonly environment?: Readonly<Record<string, string | undefined>> | undefined;
  /** Told once when traces cannot be sent, and once when they can again. */
  readonly log?: Log | undefined;
}

/** Traces that are being sent. */
export interface Tracing {
  readonly observer: ServeObserver;
  /** Sends what is left. */
  close(): Promise<void>;
}

const endpointVariables = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'];

/**
 * Sends a span for each request, with its parts (queue, input, compute, output) below; it continues the trace that the
 * request's `traceparent` names.
 *
 * `undefined` when neither an endpoint nor OpenTelemetry's variables are given: then nothing of OpenTelemetry is loaded.
 * Its other variables (OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, …)
 * hold, as the process has them.
 */
export async function openTracing(options: TracingOptions = {}): Promise<Tracing | undefined> {
  const { endpoint, environment = process.env, log } = options;
  const isConfigured = endpoint ?? endpointVariables.find((name) => environment[name]);
  if (isConfigured === undefined) return undefined;
  const [api, sdk, { OTLPTraceExporter }, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  // With no address given, the exporter reads the variables itself.
  const exporter = new OTLPTraceExporter(endpoint === undefined ? {} : { url: tracesOf(endpoint) });
  const ours = resources.resourceFromAttributes({ 'service.name': 'graft' });
  const theirs = resources.detectResources({ detectors: [resources.envDetector] });
  const provider = new sdk.NodeTracerProvider({
    resource: resources.defaultResource().merge(ours).merge(theirs),
    spanProcessors: [new sdk.BatchSpanProcessor(log ? tellingOnce(exporter, log) : exporter)],
  });
  const tracer = provider.getTracer('graft');
  return {
    observer: { onInfer: (event) => traceRequest(api, tracer, event) },
    close: () => provider.shutdown(),
  };
}

/** An exporter that says when it begins to fail, and when it is well again: not each time, which is every few seconds. */
function tellingOnce(exporter: SpanExporter, log: Log): SpanExporter {
  let isFailing = false;
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        const hasFailed = result.error !== undefined;
        if (hasFailed && !isFailing) {
          const reason = result.error?.message ?? '';
          log.warn({ reason }, 'traces cannot be sent; those of requests until then are lost');
        }
        if (!hasFailed && isFailing) log.info({}, 'traces are sent again');
        isFailing = hasFailed;
        done(result);
      });
    },
    shutdown: async () => exporter.shutdown(),
  };
}

/** The specification's path behind the base address. */
function tracesOf(endpoint: string): string {
  return `${endpoint.replace(/\/+$/, '')}/v1/traces`;
}

function traceRequest(api: typeof Api, tracer: Api.Tracer, event: InferEvent): void {
  const span = tracer.startSpan(
    `infer ${event.model}`,
    {
      kind: api.SpanKind.SERVER,
      startTime: event.startedMs,
      attributes: {
        'graft.model': event.model,
        'graft.model_version': event.version,
        'graft.door': event.door,
        'graft.rows': event.rows,
        'graft.outcome': event.outcome,
        ...(event.requestId !== undefined && { 'graft.request_id': event.requestId }),
      },
    },
    parentOf(api, event.traceparent),
  );
  if (event.outcome !== 'success') {
    span.setStatus({ code: api.SpanStatusCode.ERROR, message: event.outcome });
  }
  const below = api.trace.setSpan(api.ROOT_CONTEXT, span);
  let at = event.startedMs;
  for (const [name, ns] of partsOf(event)) {
    const end = at + ns / 1e6;
    if (ns > 0) tracer.startSpan(name, { startTime: at }, below).end(end);
    at = end;
  }
  span.end(event.startedMs + event.totalNs / 1e6);
}

/** The parts as if they followed each other, which they mostly do: of a batch, the first ones overlap. */
function partsOf(event: InferEvent): readonly (readonly [string, number])[] {
  return [
    ['queue', event.queueNs],
    ['compute input', event.computeInputNs],
    ['compute', event.computeInferNs],
    ['compute output', event.computeOutputNs],
  ];
}

function parentOf(api: typeof Api, traceparent: string | undefined): Api.Context {
  const found = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/.exec(traceparent ?? '');
  const [, traceId, spanId, flags] = found ?? [];
  if (traceId === undefined || spanId === undefined) return api.ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags ?? '0', 16);
  return api.trace.setSpanContext(api.ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags,
    isRemote: true,
  });
}
