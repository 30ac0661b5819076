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
  'DATASET_INVALID',
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
      .join(', ')
      // A name from a file must not begin a line that looks like one of ours.
      .replaceAll('\n', String.raw`\n`);
    super(place ? `${what}\n  at ${place}\n  ${options.hint}` : `${what}\n  ${options.hint}`, {
      cause: options.cause,
    });
    this.code = code;
    this.where = where;
    this.hint = options.hint;
  }
}

/** The path of a file, from a caller that may be JavaScript. Throws OPTION_INVALID for anything but text. */
export function checkedPath(path: unknown, what = 'The path of a file'): string {
  if (typeof path === 'string' && path !== '') return path;
  const found = path === '' ? 'an empty text' : ArrayBuffer.isView(path) ? 'bytes' : typeof path;
  throw new ToolkitError('OPTION_INVALID', `${what} is needed, but ${found} was given`, {
    hint: 'Give it as text, in quotes.',
  });
}

/** The few known names that a mistyped one may have meant, nearest first; none where all are far from it. */
export function nearNames(name: string, known: Iterable<string>): readonly string[] {
  const wanted = name.toLowerCase();
  return [...known]
    .map((each) => ({ each, distance: editDistance(wanted, each.toLowerCase()) }))
    .filter(({ each, distance }) => distance <= Math.max(1, Math.min(name.length, each.length) / 3))
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ each }) => each);
}

/** Letters to add, leave out or change to come from one text to the other (Levenshtein). */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (const [i, letter] of from.split('').entries()) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const changed = (row[j] ?? 0) + (letter === to[j] ? 0 : 1);
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
