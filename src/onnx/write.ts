import { ToolkitError } from '../errors.ts';
import { writeOutputs } from '../output.ts';
import { DataFile } from './external.ts';
import type { GraphBuilder } from './graph.ts';
import {
  encodeEntry,
  encodeGraph,
  encodeOpset,
  encodeTensor,
  irVersion,
  modelField,
  opset,
  type TensorEncoder,
} from './schema.ts';
import { bytesOf, field, joined, lengthOf, numberField, type Piece, textField } from './wire.ts';

/** The largest message that protobuf, and so onnxruntime, reads: 2 GiB less one byte. */
const largestMessage = 2 ** 31 - 1;

export type Metadata = Readonly<Record<string, string>>;

interface ModelOptions {
  /** The graph's name. */
  readonly name: string;
  readonly metadata?: Metadata;
}

/** The whole model in memory, weights and all: for small graphs, such as those of training. */
export function encodeModel(graph: GraphBuilder, options: ModelOptions): Uint8Array {
  const pieces = modelPieces(graph, options.name, encodeTensor);
  return joined([...pieces, ...metadataPieces(options.metadata ?? {})]);
}

/** What was written. */
export interface WrittenModel {
  /** Of the model and its data. */
  readonly bytes: number;
  /** The file beside it that has the weights of a model that is too large for one file. */
  readonly data: string | undefined;
}

interface FileOptions {
  readonly force?: boolean | undefined;
  /** Bytes that one file may have; more go into a file of weights beside it. 2 GiB less one byte by default. */
  readonly largest?: number | undefined;
}

interface WriteOptions extends FileOptions {
  readonly name: string;
  /** Asked for when the weights have been written, so that a hash of the source can be made meanwhile. */
  readonly metadata?: () => Metadata | Promise<Metadata>;
}

/**
 * Streams a model to a file that is there whole or not at all.
 *
 * A model of 2 GiB or more gets its weights in a second file beside it, `<name>.data`, in the same pass. Memory: the
 * graph and one chunk of 4 MiB. Throws OUTPUT_EXISTS, OUTPUT_UNWRITABLE, and whatever reading a weight throws.
 */
export async function writeModel(
  path: string,
  graph: GraphBuilder,
  options: WriteOptions,
): Promise<WrittenModel> {
  const { force, largest } = options;
  return writeFitting(path, (encode) => modelPieces(graph, options.name, encode), {
    force,
    largest,
    last: async () => metadataPieces((await options.metadata?.()) ?? {}),
  });
}

function modelPieces(graph: GraphBuilder, name: string, encode: TensorEncoder): Piece[] {
  return [
    ...numberField(modelField.irVersion, irVersion),
    // ModelProto: producer_name = 2
    ...textField(2, 'graft'),
    ...field(modelField.opsetImport, [encodeOpset(opset)]),
    ...field(
      modelField.graph,
      encodeGraph(graph, name, (value) => value, encode),
    ),
  ];
}

export function metadataPieces(metadata: Metadata): Piece[] {
  return Object.entries(metadata).flatMap(([key, value]) =>
    field(modelField.metadata, [encodeEntry(key, value)]),
  );
}

interface PieceOptions extends FileOptions {
  /** Asked for when the others are on disk. */
  readonly last?: () => readonly Piece[] | Promise<readonly Piece[]>;
}

/** Share of a file that is left to metadata, which is known only when the weights are written. */
const metadataShare = 1 / 128;

/** Writes the pieces as one file if they fit, else with the weights in a file beside it. */
export async function writeFitting(
  path: string,
  pieces: (encode: TensorEncoder) => readonly Piece[],
  options: PieceOptions,
): Promise<WrittenModel> {
  const { largest = largestMessage } = options;
  const inside = pieces(encodeTensor);
  if (lengthOf(inside) <= largest * (1 - metadataShare)) {
    return writePieces(path, inside, options);
  }
  const data = new DataFile(path);
  const outside = pieces((name, source) => data.encode(name, source));
  return writePieces(path, outside, { ...options, data });
}

/** Writes the data file, if there is one, then the pieces of the model. Throws ONNX_TOO_LARGE. */
export async function writePieces(
  path: string,
  pieces: readonly Piece[],
  options: PieceOptions & { readonly data?: DataFile | undefined },
): Promise<WrittenModel> {
  const { data, largest = largestMessage } = options;
  const length = lengthOf(pieces);
  checkSize(path, length, largest);
  let bytes = length + (data?.byteLength ?? 0);
  const paths = data ? [data.path, path] : [path];
  await writeOutputs(paths, { force: options.force }, async (files) => {
    const [model, weights] = files.toReversed();
    if (!model) throw new Error('Bug: no file was opened');
    if (weights && data) await writeAll(weights, data.pieces);
    await writeAll(model, pieces);
    const last = (await options.last?.()) ?? [];
    checkSize(path, length + lengthOf(last), largest);
    bytes += lengthOf(last);
    await writeAll(model, last);
  });
  return { bytes, data: data?.path };
}

type OutputFile = Parameters<Parameters<typeof writeOutputs>[2]>[0][number];

/**
 * Writes the pieces one after the other, each while the next is being read.
 *
 * Sources read into the same buffer again and again, so that what is being written is a copy.
 */
async function writeAll(file: OutputFile, pieces: readonly Piece[]): Promise<void> {
  const copies: [Uint8Array, Uint8Array] = [new Uint8Array(0), new Uint8Array(0)];
  let writing = Promise.resolve();
  try {
    for (const chunk of bytesOf(pieces)) {
      const [, spare] = copies;
      const copy = spare.byteLength < chunk.byteLength ? new Uint8Array(chunk.byteLength) : spare;
      copy.set(chunk);
      copies.reverse();
      copies[0] = copy;
      await writing;
      writing = writeChunk(file, copy.subarray(0, chunk.byteLength));
      // Reading the next chunk may throw first.
      writing.catch(() => undefined);
    }
  } finally {
    await writing;
  }
}

async function writeChunk(file: OutputFile, chunk: Uint8Array): Promise<void> {
  let done = 0;
  while (done < chunk.byteLength) {
    const { bytesWritten } = await file.write(chunk, done);
    done += bytesWritten;
  }
}

function checkSize(path: string, bytes: number, largest: number): void {
  if (bytes <= largest) return;
  throw new ToolkitError(
    'ONNX_TOO_LARGE',
    `One ONNX file holds at most ${largest} bytes, but this model takes ${bytes}`,
    {
      where: { file: path },
      hint: 'Keep its weights in a file beside it: `graft unpack` makes that form.',
    },
  );
}
