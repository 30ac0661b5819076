import { defineLayer, type Layer } from '../../layer.ts';
import { kerasTensor } from '../../layout.ts';
import { readIntegers } from '../../read.ts';

/** Permute: moves axes; `dims` counts from 1 and leaves out the batch. Source: keras/src/layers/reshaping/permute.py. */
export const permute: Layer = defineLayer({
  keras: ['Permute'],
  read: (config) => [0, ...readIntegers(config, 'dims')],
  weights: () => ({}),
  emit: ({ config: perm, input, graph, layouts }) =>
    kerasTensor(graph.add('Transpose', [layouts.keras(input).value], { perm })),
});
