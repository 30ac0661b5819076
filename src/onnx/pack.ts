import { ToolkitError } from '../errors.ts';
import { carried, carriedTensor, openSame, tensorAt } from './carry.ts';
import { DataFile } from './external.ts';
import { readModel, type StoredModel } from './read.ts';
import {
  encodeTensor,
  graphField,
  modelField,
  nodeWithOutsideData,
  type TensorEncoder,
} from './schema.ts';
import { type FileRanges, field, type Piece } from './wire.ts';
import { type WrittenModel, writePieces } from './write.ts';

/** How a model is packed or unpacked. */
export interface PackOptions {
  readonly force?: boolean | undefined;
  /** Bytes that one file may have; 2 GiB less one byte by default. */
  readonly largest?: number | undefined;
}

/**
 * Brings a model and its external data into one file; everything else stays byte for byte.
 *
 * Memory: the graph and one chunk. Throws ONNX_TOO_LARGE before anything is written, ONNX_INVALID for external data
 * inside nodes, OUTPUT_EXISTS, OUTPUT_UNWRITABLE, and what `readModel` throws.
 */
export async function packModel(
  path: string,
  target: string,
  options: PackOptions = {},
): Promise<WrittenModel> {
  return rewritten(path, (model, file) => {
    const pieces = modelPieces(model, file, encodeTensor);
    return writePieces(target, pieces, options);
  });
}

/** The reverse of `packModel`: the graph in one file, its large weights in `<name>.data` beside it. */
export async function unpackModel(
  path: string,
  target: string,
  options: PackOptions = {},
): Promise<WrittenModel> {
  return rewritten(path, (model, file) => {
    const data = new DataFile(target);
    const pieces = modelPieces(model, file, (name, source) => data.encode(name, source));
    return writePieces(target, pieces, { ...options, data });
  });
}

async function rewritten(
  path: string,
  write: (model: StoredModel, file: FileRanges) => Promise<WrittenModel>,
): Promise<WrittenModel> {
  const model = readModel(path);
  const file = openSame(model);
  try {
    return await write(model, file);
  } finally {
    file.close();
  }
}

function modelPieces(model: StoredModel, file: FileRanges, encode: TensorEncoder): Piece[] {
  const graph = model.graphFields.flatMap((at): readonly Piece[] => {
    if (at.number === graphField.node) checkNode(model, file.read(at.content, at.end - at.content));
    const tensor = at.number === graphField.initializer ? tensorAt(model, at) : undefined;
    return tensor ? carriedTensor(file, tensor, encode) : [carried(file, at)];
  });
  return model.modelFields.flatMap((at) =>
    at.number === modelField.graph ? field(modelField.graph, graph) : [carried(file, at)],
  );
}

function checkNode(model: StoredModel, node: Uint8Array): void {
  const name = nodeWithOutsideData(node);
  if (name === undefined) return;
  throw new ToolkitError('ONNX_INVALID', 'A node has external data inside, which is not moved', {
    where: { file: model.path, node: name },
    hint: 'Make its constant an initializer first.',
  });
}
