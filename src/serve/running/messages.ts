import type { ErrorCode } from '../../errors.ts';
import type { ModelAbout } from '../../runtime/describe.ts';
import type { Preprocess } from '../../runtime/model.ts';
import type { Provider } from '../../runtime/providers.ts';
import type { Datatype } from '../request/datatypes.ts';

/** What a model takes or gives, in the protocol's words; -1 for a size that varies. */
export interface PortSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/**
 * How rows of different requests may share a run.
 *
 * `dynamic`: any number of rows; `fixed`: exactly `size` rows a run; `none`: the first axis is no batch.
 */
export type BatchRule =
  | { readonly kind: 'dynamic' }
  | { readonly kind: 'fixed'; readonly size: number }
  | { readonly kind: 'none'; readonly reason: string };

/** What is known of a model once it is open. Plain data. */
export interface ModelSpec {
  readonly inputs: readonly PortSpec[];
  readonly outputs: readonly PortSpec[];
  readonly batch: BatchRule;
  readonly about: ModelAbout;
  readonly provider: Provider;
  readonly isPartlyOnCpu: boolean;
}

/** How a worker opens a model. */
export interface OpenMessage {
  readonly kind: 'open';
  readonly path: string;
  /** Where a private copy is made first; that is opened then. */
  readonly copy: string | undefined;
  readonly provider: Provider;
  readonly threads: number | undefined;
  /** Whether the configuration says that the first axis is a batch, or that it is not. */
  readonly batched: boolean | undefined;
  /** Batch sizes that are run before the model counts as ready. */
  readonly warm: readonly number[];
}

/** One tensor of a run: a range of the message's buffer, or texts. */
export interface RunTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly offset: number;
  /** As in `InferTensor`. */
  readonly isPixels?: boolean | undefined;
  readonly texts?: readonly string[] | undefined;
}

/** One run. */
export interface RunMessage {
  readonly kind: 'run';
  readonly id: number;
  readonly inputs: readonly RunTensor[];
  readonly buffer: ArrayBuffer;
  /** Default: all outputs. */
  readonly outputs: readonly string[] | undefined;
}

/** A picture that is to become one row of a model's input. */
export interface PictureMessage {
  readonly kind: 'picture';
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly preprocess: Preprocess;
  readonly maxPixels: number;
}

/** What is asked of a worker. */
export type ToWorker =
  | OpenMessage
  | RunMessage
  | PictureMessage
  | { readonly kind: 'release' }
  | { readonly kind: 'close' };

/** An output of a run. */
export interface RunOutput {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Little-endian numbers. */
  readonly bytes: Uint8Array;
  readonly texts?: readonly string[] | undefined;
}

/** A fault on its way between threads. */
export interface FaultMessage {
  readonly kind: 'fault';
  /** Absent when a model could not be opened. */
  readonly id?: number | undefined;
  /** Absent for a bug. */
  readonly code: ErrorCode | undefined;
  readonly what: string;
  readonly hint: string;
}

/** What a worker answers. */
export type FromWorker =
  | { readonly kind: 'opened'; readonly path: string; readonly spec: ModelSpec }
  | {
      readonly kind: 'ran';
      readonly id: number;
      readonly outputs: readonly RunOutput[];
      readonly inferNs: number;
    }
  | { readonly kind: 'released' }
  | { readonly kind: 'pixels'; readonly id: number; readonly data: Uint8Array }
  | FaultMessage;
