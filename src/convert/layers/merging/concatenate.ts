import type { GraphBuilder } from '../../../onnx/graph.ts';
import { defineLayer, type Layer } from '../../layer.ts';
import { axisIn, elementwise, type KerasTensor, type Mask, once } from '../../layout.ts';
import { aligned } from '../../merging.ts';

/** Concatenate along an axis of the Keras tensors, the last by default. Source: keras/src/layers/merging/concatenate.py. */
export const concatenate: Layer = defineLayer({
  keras: ['Concatenate'],
  inputs: 'many',
  read: (config) => config.integer('axis', -1),
  mask: 'set by the rule',
  weights: () => ({}),
  emit({ config: axis, inputs, graph, layouts }) {
    const [first, ...others] = aligned(inputs, layouts, 'axis');
    const at = axisIn(first, axis);
    const values = others.map((tensor) => tensor.value);
    const value = graph.add('Concat', [first.value, ...values], { axis: at });
    const kerasAxis = axis < 0 ? axis + first.shape.length : axis;
    const shape = first.shape.with(kerasAxis, value.shape[at] ?? 1);
    return { ...elementwise(first, value), shape, mask: joinedMask(inputs, kerasAxis, graph) };
  },
});

/** Along the steps the masks are joined too, if all have one; along others a step counts where it does in every input. */
function joinedMask(
  inputs: readonly KerasTensor[],
  axis: number,
  graph: GraphBuilder,
): Mask | undefined {
  const [first, ...others] = inputs.flatMap(({ mask }) => mask ?? []);
  if (!first) return undefined;
  if (axis === 1) {
    if (others.length + 1 < inputs.length) return undefined;
    return once(() =>
      graph.add('Concat', [first(), ...others.map((other) => other())], { axis: 1 }),
    );
  }
  if (others.every((other) => other === first)) return first;
  return once(() => others.reduce((all, other) => graph.add('And', [all, other()]), first()));
}
