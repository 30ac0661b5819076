import type { LayerRecord } from '../onnx/card.ts';
import type { Tensor } from '../runtime/session.ts';
import { bytesSource, permuted } from '../source.ts';
import { sizeOf } from '../tensor.ts';

/**
 * A layer's numbers in the order in which Keras has them.
 *
 * Inside a graph, channels come first where Keras has them last ([N, C, ...spatial] for [N, ...spatial, C], and the
 * same within the one axis of what was flattened), and steps before the batch.
 */
export function inKerasOrder(tensor: Tensor, { order }: LayerRecord): Tensor {
  const { shape } = tensor;
  if (order === undefined) return tensor;
  if (order === 'channels_first') return transposed(tensor, shape, lastly(shape.length));
  if (order === 'time_first') {
    return transposed(
      tensor,
      shape,
      shape.map((_, axis) => (axis < 2 ? 1 - axis : axis)),
    );
  }
  const channelsFirst = [shape[0] ?? 0, order.at(-1) ?? 1, ...order.slice(0, -1)];
  return { ...transposed(tensor, channelsFirst, lastly(channelsFirst.length)), shape };
}

/** Axis 1 behind all others. */
function lastly(rank: number): readonly number[] {
  return [0, ...Array.from({ length: rank - 2 }, (_, axis) => axis + 2), 1];
}

function transposed(
  { dtype, data }: Tensor,
  shape: readonly number[],
  perm: readonly number[],
): Tensor {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const source = permuted(bytesSource(dtype, shape, bytes), perm);
  // A copy, so that it begins where numbers of any width may begin.
  const moved = new Uint8Array(source.read(0, sizeOf(shape)));
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a typed array's constructor makes its own kind
  const make = data.constructor as new (buffer: ArrayBufferLike) => Tensor['data'];
  return { dtype, data: new make(moved.buffer), shape: source.shape };
}
