import { reshaped } from '../../../source.ts';
import type { TensorSource } from '../../../tensor.ts';
import { axisIn, type KerasTensor } from '../../layout.ts';

/** Axes counted from 0, in their order. */
export function axesOf(axes: readonly number[], rank: number): readonly number[] {
  return axes.map((axis) => (axis < 0 ? axis + rank : axis)).toSorted((a, b) => a - b);
}

/**
 * A weight with one axis for each of `axes` of the Keras shape, in a shape that broadcasts against the value.
 *
 * Those axes keep their order in every layout that this is called for: only the channels of several axes could move.
 */
export function broadcastAlong(
  source: TensorSource,
  x: KerasTensor,
  axes: readonly number[],
): TensorSource {
  const along = axes.map((axis) => axisIn(x, axis));
  const first = Math.min(...along);
  const rank = x.value.shape.length;
  const shape = Array.from({ length: rank - first }, (_, i) => {
    const at = along.indexOf(i + first);
    return at < 0 ? 1 : (source.shape[at] ?? 1);
  });
  return reshaped(source, shape);
}
