/** The numbers of a tensor, by the protocol's element type: the halves as their bit patterns, BOOL as 0 and 1. */
export interface TensorData {
  readonly BOOL: Uint8Array;
  readonly UINT8: Uint8Array;
  readonly UINT16: Uint16Array;
  readonly UINT32: Uint32Array;
  readonly UINT64: BigUint64Array;
  readonly INT8: Int8Array;
  readonly INT16: Int16Array;
  readonly INT32: Int32Array;
  readonly INT64: BigInt64Array;
  readonly FP16: Uint16Array;
  readonly BF16: Uint16Array;
  readonly FP32: Float32Array;
  readonly FP64: Float64Array;
  readonly BYTES: readonly Uint8Array[];
}

/** The element types of the Open Inference Protocol. */
export type TensorType = keyof TensorData;

/** A tensor that the server put out: its numbers in row-major order, as its type has them. */
export type OutputTensor = {
  readonly [T in TensorType]: {
    readonly datatype: T;
    readonly shape: readonly number[];
    readonly data: TensorData[T];
  };
}[TensorType];

/** A tensor to send, in row-major order. */
export interface InputTensor {
  /** Default: what the array's own type says; FP16, BF16 and BOOL must be said. Text is sent as BYTES, in UTF-8. */
  readonly datatype?: TensorType | undefined;
  readonly shape: readonly number[];
  readonly data: TensorData[TensorType] | readonly string[];
}

/** One input or output of a model; -1 is a size that may vary. */
export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** What `GET /v2` says. */
export interface ServerMetadata {
  readonly name: string;
  readonly version: string;
  readonly extensions: readonly string[];
}

/** What `GET /v2/models/NAME` says. */
export interface ModelMetadata {
  readonly name: string;
  readonly versions?: readonly string[] | undefined;
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

/** One model of the repository, loaded or not. */
export interface RepositoryEntry {
  readonly name: string;
  readonly version?: string | undefined;
  readonly state?: string | undefined;
  /** Why it is not ready. */
  readonly reason?: string | undefined;
}

/** One class of an image, the best first. */
export interface ClassScore {
  readonly index: number;
  readonly label: string;
  readonly probability: number;
}

/** What `POST /v2/models/NAME/classify` says of one image. */
export interface Classification {
  readonly model_name: string;
  readonly model_version?: string | undefined;
  readonly predictions: readonly ClassScore[];
  /** Whether the probabilities of all classes sum to 1. */
  readonly is_distribution: boolean;
  /** Milliseconds in the server. */
  readonly timing: {
    readonly queue_ms: number;
    readonly decode_ms: number;
    readonly compute_ms: number;
    readonly total_ms: number;
  };
}
