import pino from 'pino';
import type { Log } from '../context.ts';
import type { InferEvent, RefusalEvent, ServeObserver } from '../request/events.ts';

/** How much is written, from most to least. */
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Where log lines go; `write` gets whole lines. */
export interface LogTarget {
  write(line: string): void;
}

/** A log, and the observer that writes a line for each request. */
export interface OpenLog {
  readonly log: Log;
  readonly observer: ServeObserver;
  /** Writes out what is still held back. */
  close(): void;
}

/** Clients' words may be as long as a header. */
const longestPath = 200;
const longestId = 128;

/** Lines are held back until there are so many bytes, or for so long. */
const flushBytes = 4096;
const flushMs = 250;
/** What a reader of the log that has stopped reading may cost; lines beyond it are lost. */
const mostHeldBytes = 16 * 1024 * 1024;

/**
 * A log of JSON lines on stderr: `level`, `time` (ISO 8601), `msg`, and fields; requests with their `request_id`.
 *
 * Answered requests are written at `info`, refused ones at `warn`, our own failures at `error`. Nothing of headers or
 * bodies is written. Whoever opened it calls `close`.
 */
export function openLog(level: LogLevel, target?: LogTarget): OpenLog {
  const stderr = pino.destination({
    dest: 2,
    sync: false,
    minLength: flushBytes,
    maxLength: mostHeldBytes,
  });
  const logger = pino(
    {
      level,
      base: { service: 'graft' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    target ?? stderr,
  );
  const timer = setInterval(() => logger.flush(), flushMs).unref();
  return {
    log: logger,
    observer: {
      onInfer: (event) => {
        const as = levelOf(event);
        if (logger.isLevelEnabled(as)) logger[as](requestFields(event), 'request');
      },
      onRefusal: (event) => logger.warn(refusalFields(event), 'refused'),
    },
    close() {
      clearInterval(timer);
      stderr.flushSync();
    },
  };
}

function levelOf({ outcome }: InferEvent): 'info' | 'warn' | 'error' {
  if (outcome === 'success') return 'info';
  return outcome === 'backend' ? 'error' : 'warn';
}

function requestFields(event: InferEvent): Readonly<Record<string, unknown>> {
  return {
    request_id: event.requestId?.slice(0, longestId),
    model: event.model,
    version: event.version,
    door: event.door,
    outcome: event.outcome,
    rows: event.rows,
    total_ms: milliseconds(event.totalNs),
    queue_ms: milliseconds(event.queueNs),
    compute_ms: milliseconds(event.computeInferNs),
    trace_id: traceOf(event),
  };
}

function refusalFields(event: RefusalEvent): Readonly<Record<string, unknown>> {
  return {
    request_id: event.requestId?.slice(0, longestId),
    door: event.door,
    code: event.code,
    status: event.status,
    path: event.path.slice(0, longestPath),
    trace_id: traceOf(event),
  };
}

/** The second part of the W3C header: the same line in the traces. */
const traceOf = ({
  traceparent,
}: {
  readonly traceparent?: string | undefined;
}): string | undefined => traceparent?.split('-')[1]?.slice(0, longestId);

const milliseconds = (ns: number): number => Math.round(ns / 1e3) / 1e3;
