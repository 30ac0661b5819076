import { type ActivationSpec, activate } from './activations.ts';
import type { Bench } from './layer.ts';
import { axisIn, inLayoutOf, type KerasTensor } from './layout.ts';

/** The tensor with an activation on it. */
export function activated(
  tensor: KerasTensor,
  activation: ActivationSpec,
  { graph, layouts, origin }: Bench,
): KerasTensor {
  if (activation === 'linear') return tensor;
  const x = layouts.padded(tensor);
  const value = activate(activation, {
    x: x.value,
    graph,
    lastAxis: axisIn(x, -1),
    generation: origin.generation,
  });
  return inLayoutOf(x, value);
}
