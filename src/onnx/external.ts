import { basename, dirname, join } from 'node:path';
import { byteLengthOf, type TensorSource } from '../tensor.ts';
import { encodeExternalTensor, encodeTensor } from './schema.ts';
import type { Piece } from './wire.ts';

/** Weights below this stay in the graph; so does every int64, since shapes must be known before data are loaded. */
const inlineBytes = 1024;

/** Whether a weight's numbers may lie outside the graph. */
export function mayLieOutside(tensor: Pick<TensorSource, 'dtype' | 'shape'>): boolean {
  return tensor.dtype !== 'int64' && byteLengthOf(tensor) >= inlineBytes;
}

/** Large weights begin at a page, so that they can be mapped: onnx.proto's advice for `offset`. */
const pageBytes = 4096;
const largeWeight = 1024 * 1024;
const smallAlignment = 16;

/** The weights of a model in a file of their own beside it, as ONNX's external data. Written in one pass. */
export class DataFile {
  readonly path: string;
  readonly pieces: Piece[] = [];
  #end = 0;

  /** The data of the model at `model`: `<name>.data`, in the same folder. */
  constructor(model: string) {
    this.path = join(dirname(model), `${basename(model)}.data`);
  }

  get byteLength(): number {
    return this.#end;
  }

  /** The TensorProto of a weight; its numbers go here if they are many, else they stay inside. */
  encode(name: string, source: TensorSource): readonly Piece[] {
    if (!mayLieOutside(source)) return encodeTensor(name, source);
    const length = byteLengthOf(source);
    const alignment = length < largeWeight ? smallAlignment : pageBytes;
    const offset = Math.ceil(this.#end / alignment) * alignment;
    this.pieces.push(new Uint8Array(offset - this.#end), {
      byteLength: length,
      chunks: () => source.chunks(),
    });
    this.#end = offset + length;
    const location = basename(this.path);
    return [encodeExternalTensor(name, source, { location, offset, length })];
  }
}
