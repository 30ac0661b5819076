/** Where in a file or graph a fault lies. Every part is optional; all that is known is filled in. */
export interface Where {
  readonly file?: string | undefined;
  /** Path inside the file: an HDF5 path, a zip entry, or a JSON pointer. */
  readonly path?: string | undefined;
  readonly layer?: string | undefined;
  readonly node?: string | undefined;
}

/** Stable names for faults: callers branch on the code, people read the message. README describes each. */
export const errorCodes = [
  'FILE_MISSING',
  'FILE_UNREADABLE',
  'FILE_UNRECOGNISED',
  'FILE_TRUNCATED',
  'OUTPUT_EXISTS',
  'OUTPUT_UNWRITABLE',
  'OPTION_INVALID',
  'KERAS_FILE_UNSAFE',
  'KERAS_CONFIG_INVALID',
  'KERAS_LAYER_UNSUPPORTED',
  'KERAS_WEIGHT_SHAPE',
  'KERAS_WEIGHT_MISSING',
  'KERAS_ARCHITECTURE_UNKNOWN',
  'KERAS_KERNELS_UNKNOWN',
  'KERAS_ORDERING_UNKNOWN',
  'ONNX_INVALID',
  'ONNX_VALUE_UNKNOWN',
  'ONNX_TOO_LARGE',
  'REFERENCE_INVALID',
  'REFERENCE_DIFFERS',
  'RUNTIME_MISSING',
  'RUNTIME_FAILED',
  'PROVIDER_UNAVAILABLE',
  'MODEL_CARD_INVALID',
  'IMAGE_UNREADABLE',
  'DATASET_EMPTY',
  'DATASET_CLASSES',
  'GRADIENT_MISSING',
  'TRAINING_DIVERGED',
  'TRAINING_INTERRUPTED',
  'DOWNLOAD_UNKNOWN',
  'DOWNLOAD_FAILED',
  'DOWNLOAD_CHECKSUM',
  'MODEL_UNKNOWN',
  'MODEL_NOT_READY',
  'MODEL_CONFIG_INVALID',
  'REQUEST_INVALID',
  'REQUEST_UNSUPPORTED',
  'REQUEST_TOO_LARGE',
  'REQUEST_TIMEOUT',
  'REQUEST_CANCELLED',
  'SERVER_BUSY',
  'SERVER_ADDRESS',
  'WORKER_LOST',
  'KEY_REFUSED',
  'ORIGIN_REFUSED',
  'HOST_REFUSED',
  'CONTROL_REFUSED',
  'SERVER_UNREACHABLE',
  'SERVER_FAILED',
  'ANSWER_INVALID',
] as const;

/** One of `errorCodes`. */
export type ErrorCode = (typeof errorCodes)[number];

/** The one error class of the toolkit: what was wrong, where, and what to do. */
export class ToolkitError extends Error {
  override readonly name = 'ToolkitError';
  readonly code: ErrorCode;
  readonly where: Where;
  readonly hint: string;

  constructor(
    code: ErrorCode,
    what: string,
    options: { where?: Where; hint: string; cause?: unknown },
  ) {
    const where = options.where ?? {};
    const place = [
      where.file,
      where.path,
      where.layer && `layer "${where.layer}"`,
      where.node && `node "${where.node}"`,
    ]
      .filter(Boolean)
      .join(', ');
    super(place ? `${what}\n  at ${place}\n  ${options.hint}` : `${what}\n  ${options.hint}`, {
      cause: options.cause,
    });
    this.code = code;
    this.where = where;
    this.hint = options.hint;
  }
}
