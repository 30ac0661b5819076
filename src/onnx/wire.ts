import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import protobuf from 'protobufjs/minimal.js';
import { checkedPath, ToolkitError } from '../errors.ts';
import { foreignFault } from './foreign.ts';

/** Bytes that are known only when they are written; their number is known before. */
interface LazyBytes {
  readonly byteLength: number;
  chunks(): Iterable<Uint8Array>;
}

/** A part of a message that is being put together. */
export type Piece = Uint8Array | LazyBytes;

export function lengthOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
}

/** The bytes of pieces, one after the other. */
export function* bytesOf(pieces: readonly Piece[]): Iterable<Uint8Array> {
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) yield piece;
    else yield* piece.chunks();
  }
}

/** Joins pieces in memory: for small messages only. */
export function joined(pieces: readonly Piece[]): Uint8Array {
  const out = new Uint8Array(lengthOf(pieces));
  let at = 0;
  for (const bytes of bytesOf(pieces)) {
    out.set(bytes, at);
    at += bytes.byteLength;
  }
  return out;
}

/** A length-delimited field: a message, a string or bytes, around pieces that may be lazy. */
export function field(number: number, content: readonly Piece[]): Piece[] {
  const head = protobuf.Writer.create()
    .uint32((number << 3) | 2)
    .uint64(lengthOf(content))
    .finish();
  return [head, ...content];
}

export function textField(number: number, text: string): Piece[] {
  return field(number, [new TextEncoder().encode(text)]);
}

export function numberField(number: number, value: number): Piece[] {
  return [
    protobuf.Writer.create()
      .uint32(number << 3)
      .uint64(value)
      .finish(),
  ];
}

/** One field of a message in a file: where it lies, so that it can be carried byte for byte. */
export interface Field {
  readonly number: number;
  /** Protobuf's wire type: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  readonly type: number;
  /** Offset of the tag in the file. */
  readonly start: number;
  /** Offset of the content. */
  readonly content: number;
  readonly end: number;
  /** The number of a varint field. */
  readonly value: number;
}

/** An open file, read by ranges. Whoever opens it closes it. */
export class FileRanges {
  readonly path: string;
  readonly size: number;
  /** Changes when the file is written to. */
  readonly stamp: string;
  readonly #fd: number;

  constructor(path: string) {
    this.path = checkedPath(path);
    try {
      this.#fd = openSync(path, 'r');
    } catch (error) {
      throw unreadable(path, error);
    }
    const stats = fstatSync(this.#fd);
    this.size = stats.size;
    this.stamp = `${stats.size} ${stats.mtimeMs} ${stats.ino}`;
    if (stats.isFile()) return;
    closeSync(this.#fd);
    throw new ToolkitError('FILE_UNREADABLE', 'A file is needed, but this is a folder or device', {
      where: { file: path },
      hint: 'Give the path of a file.',
    });
  }

  read(start: number, length: number, into?: Uint8Array): Uint8Array {
    const bytes = into ? into.subarray(0, length) : new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.#fd, bytes, done, length - done, start + done);
      if (count === 0) throw truncated(this.path, start + length, start + done);
      done += count;
    }
    return bytes;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function unreadable(path: string, cause: unknown): ToolkitError {
  const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
  return new ToolkitError(
    isMissing ? 'FILE_MISSING' : 'FILE_UNREADABLE',
    isMissing ? 'The file does not exist' : 'The file cannot be opened',
    {
      where: { file: path },
      hint: isMissing ? 'Check the path.' : 'Check the permissions of the file.',
      cause,
    },
  );
}

function truncated(path: string, expected: number, found: number): ToolkitError {
  return new ToolkitError(
    'FILE_TRUNCATED',
    `The file should go on to byte ${expected}, but it ends at byte ${found}`,
    { where: { file: path }, hint: 'Copy or download the file again.' },
  );
}

const windowBytes = 64 * 1024;
const tagBytes = 20;

/** The fields of a message between two offsets of a file. Contents are skipped, not read. */
export function* fieldsOf(file: FileRanges, from: number, to: number): Iterable<Field> {
  let window = new Uint8Array(0);
  let windowStart = from;
  let at = from;
  while (at < to) {
    const inWindow = at - windowStart;
    if (inWindow < 0 || inWindow + tagBytes > window.byteLength) {
      window = new Uint8Array(file.read(at, Math.min(windowBytes, to - at)));
      windowStart = at;
    }
    const next = fieldAt(window.subarray(at - windowStart), at);
    if (!next || next.end > to) throw notProtobuf(file, at, next?.end);
    yield next;
    at = next.end;
  }
}

const fixedBytes: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

function fieldAt(bytes: Uint8Array, start: number): Field | undefined {
  const reader = protobuf.Reader.create(bytes);
  try {
    const tag = reader.uint32();
    const type = tag & 7;
    const number = tag >>> 3;
    if (number === 0) return undefined;
    if (type === 0 || type === 2) {
      const value = Number(reader.uint64());
      const content = start + reader.pos;
      const end = type === 2 ? content + value : content;
      return { number, type, start, content, end, value };
    }
    const width = fixedBytes[type];
    const content = start + reader.pos;
    if (!width) return undefined;
    return { number, type, start, content, end: content + width, value: 0 };
  } catch {
    // protobufjs throws a RangeError past the end of the window: no field starts here.
    return undefined;
  }
}

function notProtobuf(file: FileRanges, at: number, end: number | undefined): ToolkitError {
  const foreign = foreignFault(file.path, file.read(0, Math.min(32, file.size)));
  if (foreign) return foreign;
  if (end !== undefined && end > file.size && at > 0) return truncated(file.path, end, file.size);
  return new ToolkitError('ONNX_INVALID', `No ONNX field can be read at byte ${at}`, {
    where: { file: file.path },
    hint: 'Check that this is a complete ONNX file: it may be another format, cut short, or damaged.',
  });
}
