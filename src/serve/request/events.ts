import type { ErrorCode } from '../../errors.ts';
import type { InferTiming } from './infer.ts';

/** How a request ended. */
export type Outcome =
  | 'success'
  | 'invalid'
  | 'rejected'
  | 'timeout'
  | 'cancelled'
  | 'unavailable'
  | 'backend';

/** One request is over. */
export interface InferEvent extends InferTiming {
  readonly model: string;
  readonly version: string;
  readonly door: 'http' | 'grpc';
  readonly rows: number;
  readonly outcome: Outcome;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  readonly totalNs: number;
  readonly requestId?: string | undefined;
  readonly traceparent?: string | undefined;
}

/** Why a call was refused. A closed list, since it becomes a label. */
export type RefusalCode = ErrorCode | 'PATH_UNKNOWN' | 'METHOD_UNKNOWN';

/** A call was refused before it was a request to a model: by a gate, or for what it says. */
export interface RefusalEvent {
  readonly door: 'http' | 'grpc';
  readonly code: RefusalCode;
  /** The number that was answered: HTTP's, or gRPC's. */
  readonly status: number;
  /** Without the query; empty where bytes were no request. A client's word, as the next two are: never a label. */
  readonly path: string;
  readonly requestId?: string | undefined;
  readonly traceparent?: string | undefined;
}

/** One run of a model is over. */
export interface BatchEvent {
  readonly model: string;
  readonly version: string;
  readonly rows: number;
  readonly requests: number;
  /** Why it left the queue: it was full, the oldest request had waited long enough, or nothing stood in its way. */
  readonly why: 'full' | 'delay' | 'idle';
  readonly computeInputNs: number;
  readonly computeInferNs: number;
  readonly computeOutputNs: number;
}

/** Something happened to a model. */
export interface ModelEvent {
  readonly kind: 'loaded' | 'failed' | 'unloaded' | 'worker-lost' | 'note';
  readonly model: string;
  readonly version: string;
  readonly reason?: string | undefined;
}

/** Someone who counts, traces or writes down what happens. What it throws is its own loss. */
export interface ServeObserver {
  onInfer?(event: InferEvent): void;
  onRefusal?(event: RefusalEvent): void;
  onBatch?(event: BatchEvent): void;
  onModel?(event: ModelEvent): void;
}
