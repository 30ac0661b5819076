import { ToolkitError } from '../errors.ts';
import { chunkBytes } from '../source.ts';
import type { StoredModel, StoredTensor } from './read.ts';
import { encodeTensor, graphField, type TensorEncoder } from './schema.ts';
import { type Field, FileRanges, field, type Piece } from './wire.ts';

/** Opens the file of a model again. Throws FILE_UNREADABLE when it was written to since. */
export function openSame(model: StoredModel): FileRanges {
  const file = new FileRanges(model.path);
  if (file.stamp === model.stamp) return file;
  file.close();
  throw new ToolkitError('FILE_UNREADABLE', 'The file was changed while it was in use', {
    where: { file: model.path },
    hint: 'Start again with the file as it is now.',
  });
}

/** A field's bytes, tag and all. */
export function raw(file: FileRanges, { start, end }: Field): Uint8Array {
  return file.read(start, end - start);
}

/** A field of the old file, copied in pieces when it is written. */
export function carried(file: FileRanges, { start, end }: Field): Piece {
  return {
    byteLength: end - start,
    *chunks() {
      const buffer = new Uint8Array(Math.min(chunkBytes, end - start));
      for (let at = start; at < end; at += buffer.length) {
        yield file.read(at, Math.min(buffer.length, end - at), buffer);
      }
    },
  };
}

/** The weight that a field of the graph holds. */
export function tensorAt(model: StoredModel, at: Field): StoredTensor | undefined {
  for (const tensor of model.initializers.values()) {
    if (tensor.field.start === at.start) return tensor;
  }
  return undefined;
}

/** The initializer of a weight: byte for byte where it is inside the file and stays inside, else written anew. */
export function carriedTensor(
  file: FileRanges,
  tensor: StoredTensor,
  encode: TensorEncoder,
): readonly Piece[] {
  if (encode === encodeTensor && !tensor.isExternal) return [carried(file, tensor.field)];
  return field(graphField.initializer, encode(tensor.name, tensor));
}
