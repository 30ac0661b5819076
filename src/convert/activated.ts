import { type ActivationName, activations } from './activations.ts';
import type { Bench } from './layer.ts';
import { axisIn, inLayoutOf, type KerasTensor } from './layout.ts';

/** The tensor with an activation on it. */
export function activated(
  tensor: KerasTensor,
  activation: ActivationName,
  { graph, layouts, origin }: Bench,
): KerasTensor {
  if (activation === 'linear') return tensor;
  const x = layouts.padded(tensor);
  const value = activations[activation]({
    x: x.value,
    graph,
    lastAxis: axisIn(x, -1),
    generation: origin.generation,
  });
  return inLayoutOf(x, value);
}
