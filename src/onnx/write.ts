import { ToolkitError } from '../errors.ts';
import { writeOutput } from '../output.ts';
import type { GraphBuilder } from './graph.ts';
import { encodeEntry, encodeGraph, encodeOpset, irVersion, modelField, opset } from './schema.ts';
import { bytesOf, field, joined, lengthOf, numberField, type Piece, textField } from './wire.ts';

/** The largest message that protobuf, and so onnxruntime, reads: 2 GiB less one byte. */
const largestModel = 2 ** 31 - 1;

export type Metadata = Readonly<Record<string, string>>;

interface ModelOptions {
  /** The graph's name. */
  readonly name: string;
  readonly metadata?: Metadata;
}

/** The whole model in memory, weights and all: for small graphs, such as those of training. */
export function encodeModel(graph: GraphBuilder, options: ModelOptions): Uint8Array {
  return joined([...modelPieces(graph, options.name), ...metadataPieces(options.metadata ?? {})]);
}

interface WriteOptions {
  readonly name: string;
  /** Asked for when the weights have been written, so that a hash of the source can be made meanwhile. */
  readonly metadata?: () => Metadata | Promise<Metadata>;
  readonly force?: boolean | undefined;
}

/**
 * Streams a model to a file that is there whole or not at all.
 *
 * Memory: the graph and one chunk of 4 MiB. Throws OUTPUT_EXISTS, OUTPUT_UNWRITABLE, ONNX_TOO_LARGE, and
 * whatever reading a weight throws.
 */
export async function writeModel(
  path: string,
  graph: GraphBuilder,
  options: WriteOptions,
): Promise<{ readonly bytes: number }> {
  const pieces = modelPieces(graph, options.name);
  return writePieces(path, pieces, {
    force: options.force,
    last: async () => metadataPieces((await options.metadata?.()) ?? {}),
  });
}

function modelPieces(graph: GraphBuilder, name: string): Piece[] {
  return [
    ...numberField(modelField.irVersion, irVersion),
    // ModelProto: producer_name = 2
    ...textField(2, 'graft'),
    ...field(modelField.opsetImport, [encodeOpset(opset)]),
    ...field(
      modelField.graph,
      encodeGraph(graph, name, (value) => value),
    ),
  ];
}

export function metadataPieces(metadata: Metadata): Piece[] {
  return Object.entries(metadata).flatMap(([key, value]) =>
    field(modelField.metadata, [encodeEntry(key, value)]),
  );
}

/** Writes pieces one after the other; `last` is asked for when the others are on disk. */
export async function writePieces(
  path: string,
  pieces: readonly Piece[],
  options: {
    readonly force?: boolean | undefined;
    readonly last: () => readonly Piece[] | Promise<readonly Piece[]>;
  },
): Promise<{ readonly bytes: number }> {
  const bytes = lengthOf(pieces);
  if (bytes > largestModel) throw tooLarge(path, bytes);
  let total = bytes;
  await writeOutput(path, { force: options.force }, async (file) => {
    for (const chunk of bytesOf(pieces)) await writeAll(file, chunk);
    const last = await options.last();
    total += lengthOf(last);
    for (const chunk of bytesOf(last)) await writeAll(file, chunk);
  });
  return { bytes: total };
}

type OutputFile = Parameters<Parameters<typeof writeOutput>[2]>[0];

async function writeAll(file: OutputFile, bytes: Uint8Array): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    const { bytesWritten } = await file.write(bytes, done);
    done += bytesWritten;
  }
}

function tooLarge(path: string, bytes: number): ToolkitError {
  return new ToolkitError(
    'ONNX_TOO_LARGE',
    `One ONNX file holds at most ${largestModel} bytes, but this model takes ${bytes}`,
    { where: { file: path }, hint: 'Split the model, or convert only the layers that are needed.' },
  );
}
