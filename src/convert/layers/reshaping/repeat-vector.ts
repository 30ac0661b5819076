import { defineLayer, type Layer } from '../../layer.ts';
import { integers, kerasTensor } from '../../layout.ts';

/** RepeatVector: [N, F] → [N, n, F]. Source: keras/src/layers/reshaping/repeat_vector.py. */
export const repeatVector: Layer = defineLayer({
  keras: ['RepeatVector'],
  read: (config) => config.integer('n'),
  weights: () => ({}),
  emit({ config: n, input, graph, layouts }) {
    const { value } = layouts.keras(input);
    const row = graph.add('Unsqueeze', [value, integers(graph, 'axes', [1])]);
    return kerasTensor(graph.add('Expand', [row, integers(graph, 'shape', [1, n, 1])]));
  },
});
