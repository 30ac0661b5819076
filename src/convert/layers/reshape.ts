import { defineLayer, type Layer } from '../layer.ts';
import { integers, kerasTensor } from '../layout.ts';
import { readIntegers } from '../read.ts';

/** Reshape: [N, ...] → [N, ...target_shape], one size of which may be -1. Source: keras/src/layers/reshaping/reshape.py. */
export const reshape: Layer = defineLayer({
  keras: ['Reshape'],
  read: (config) => readIntegers(config, 'target_shape'),
  weights: () => ({}),
  emit({ config: target, input, graph, layouts }) {
    const { value } = layouts.keras(input);
    // ONNX: 0 keeps the size of the batch.
    return kerasTensor(graph.add('Reshape', [value, integers(graph, 'shape', [0, ...target])]));
  },
});
