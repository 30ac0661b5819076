import { defineLayer, type Layer } from '../../layer.ts';
import { kerasTensor, once } from '../../layout.ts';

/**
 * Embedding: ids [N, ...] → vectors [N, ..., output_dim]. With mask_zero, id 0 marks a step that does not count.
 *
 * Source: keras/src/layers/core/embedding.py.
 */
export const embedding: Layer = defineLayer({
  keras: ['Embedding'],
  takes: 'any numbers',
  mask: 'set by the rule',
  read: (config) => ({
    shape: [config.integer('input_dim'), config.integer('output_dim')],
    isMasking: config.boolean('mask_zero', false),
  }),
  weights: ({ shape }) => ({ embeddings: shape }),
  emit({ config, input, weights, parameter, graph, layouts, layer }) {
    const { value } = layouts.keras(input);
    const ids = value.dtype === 'int64' ? value : graph.add('Cast', [value], { to: 'int64' });
    const table = parameter('embeddings', weights.embeddings);
    const vectors = kerasTensor(graph.add('Gather', [table, ids], { axis: 0 }));
    if (!config.isMasking) return vectors;
    const mask = once(() =>
      graph.within(layer, () => {
        const zero = graph.integers('zero_index', [0], []);
        return graph.add('Not', [graph.add('Equal', [ids, zero])]);
      }),
    );
    return { ...vectors, mask };
  },
});
