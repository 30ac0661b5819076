import type { ToolkitError } from '../errors.ts';
import type { Models } from './models/models.ts';
import type { RefusalEvent, ServeObserver } from './request/events.ts';
import type { InferRequest, InferResponse } from './request/infer.ts';

/** What a call says before its body is read. */
export interface Call {
  readonly door: 'http' | 'grpc';
  /** The path without the query; for gRPC `/package.Service/Method`. */
  readonly path: string;
  header(name: string): string | undefined;
}

/** Says why a call is refused, or `undefined` to let it pass. */
export type Gate = (call: Call) => ToolkitError | undefined;

/** Where notes go; silent unless given. */
export interface Log {
  info(fields: Readonly<Record<string, unknown>>, text: string): void;
  warn(fields: Readonly<Record<string, unknown>>, text: string): void;
  error(fields: Readonly<Record<string, unknown>>, text: string): void;
}

/** What both doors, and everything registered at them, have in common. */
export interface ServeContext {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
  readonly models: Models;
  readonly gates: readonly Gate[];
  readonly log: Log;
  infer(request: InferRequest): Promise<InferResponse>;
  /** Tells the observers of a call that was refused. */
  readonly refused: (event: RefusalEvent) => void;
  /** Whether every model is loaded and the server does not drain. */
  isReady(): boolean;
  /** Adds an observer; what it returns takes it out again. */
  observe(observer: ServeObserver): () => void;
}
