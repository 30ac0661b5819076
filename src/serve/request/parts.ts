import { sizeOf } from '../../tensor.ts';
import { datatypes } from './datatypes.ts';
import type { InferTensor } from './infer.ts';

/** `rows` rows of a tensor from row `start` on, as a view. */
export function sliced(tensor: InferTensor, start: number, rows: number): InferTensor {
  const [, ...rest] = tensor.shape;
  const width = sizeOf(rest) * (tensor.datatype === 'BYTES' ? 1 : datatypes[tensor.datatype].bytes);
  const { data } = tensor;
  const [from, to] = [start * width, (start + rows) * width];
  const part = data instanceof Uint8Array ? data.subarray(from, to) : data.slice(from, to);
  return { ...tensor, shape: [rows, ...rest], data: part };
}

/** Tensors one after the other along their first axis. */
export function concatenated(parts: readonly InferTensor[]): InferTensor {
  const [first] = parts;
  if (!first) throw new Error('Bug: nothing to join');
  const [, ...rest] = first.shape;
  const other = parts.find(({ shape }) => shape.slice(1).join() !== rest.join());
  if (other) {
    throw new Error(
      `Output "${first.name}" has rows of [${rest.join()}] and of [${other.shape.slice(1).join()}]: they make no one tensor`,
    );
  }
  const shape = [parts.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0), ...rest];
  const blocks = parts.flatMap(({ data }) => (data instanceof Uint8Array ? [data] : []));
  if (blocks.length > 0) return { ...first, shape, data: Buffer.concat(blocks) };
  const elements = parts.flatMap(({ data }) => (data instanceof Uint8Array ? [] : data));
  return { ...first, shape, data: elements };
}
