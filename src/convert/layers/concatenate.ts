import { defineLayer, type Layer } from '../layer.ts';
import { axisIn, elementwise } from '../layout.ts';
import { aligned } from '../merging.ts';

/** Concatenate along an axis of the Keras tensors, the last by default. Source: keras/src/layers/merging/concatenate.py. */
export const concatenate: Layer = defineLayer({
  keras: ['Concatenate'],
  inputs: 'many',
  read: (config) => config.integer('axis', -1),
  weights: () => ({}),
  emit({ config: axis, inputs, graph, layouts }) {
    const [first, ...others] = aligned(inputs, layouts, 'axis');
    const at = axisIn(first, axis);
    const values = others.map((tensor) => tensor.value);
    const value = graph.add('Concat', [first.value, ...values], { axis: at });
    const kerasAxis = axis < 0 ? axis + first.shape.length : axis;
    const shape = first.shape.with(kerasAxis, value.shape[at] ?? 1);
    return { ...elementwise(first, value), shape };
  },
});
