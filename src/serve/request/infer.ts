import type { Datatype } from './datatypes.ts';
import type { Leaving } from './leaving.ts';

/** A tensor of a request or a response, whatever protocol it came by. */
export interface InferTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Little-endian numbers in row-major order; for BYTES, one array of bytes an element. */
  readonly data: Uint8Array | readonly Uint8Array[];
  /** Of UINT8: pixels of decoded pictures, [N, H, W, channels], whatever the shape says; the worker makes the model's FP32 of them. */
  readonly isPixels?: boolean | undefined;
}

/** An output that is asked for. */
export interface RequestedOutput {
  readonly name: string;
  /** The best so many classes as texts "value:index:label" instead of the numbers. */
  readonly classification?: number | undefined;
}

/** One request, known to no protocol. */
export interface InferRequest {
  readonly model: string;
  /** Default: the latest one. */
  readonly version?: string | undefined;
  readonly id?: string | undefined;
  readonly inputs: readonly InferTensor[];
  /** Default: all of them. */
  readonly outputs?: readonly RequestedOutput[] | undefined;
  /** From now on; the server's own limit holds as well. */
  readonly timeoutMs?: number | undefined;
  /** Whether the client has left: what has not been started then is not computed. */
  readonly leaving?: Leaving | undefined;
  readonly door: 'http' | 'grpc';
  readonly requestId?: string | undefined;
  /** The W3C trace context that came with it. */
  readonly traceparent?: string | undefined;
}

/** The answer to one request. */
export interface InferResponse {
  readonly model: string;
  readonly version: string;
  readonly id?: string | undefined;
  readonly outputs: readonly InferTensor[];
  readonly timing: InferTiming;
}

/** Where the time went, in nanoseconds. */
export interface InferTiming {
  readonly queueNs: number;
  /** Checking, decoding of pictures, joining. */
  readonly computeInputNs: number;
  readonly computeInferNs: number;
  /** Splitting, and the way back from the worker. */
  readonly computeOutputNs: number;
}
