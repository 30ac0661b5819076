import { defineLayer, type Layer, unsupported } from '../layer.ts';
import { kerasTensor } from '../layout.ts';

/** Embedding: ids [N, ...] → vectors [N, ..., output_dim]. Source: keras/src/layers/core/embedding.py. */
export const embedding: Layer = defineLayer({
  keras: ['Embedding'],
  read(config, _, where) {
    if (config.boolean('mask_zero', false)) {
      throw unsupported(
        'An Embedding with mask_zero makes a mask for the layers after it, which is not converted',
        where,
        'Build the model without mask_zero, if its inputs have no padding.',
      );
    }
    return [config.integer('input_dim'), config.integer('output_dim')];
  },
  weights: (shape) => ({ embeddings: shape }),
  emit({ input, weights, parameter, graph, layouts }) {
    const { value } = layouts.keras(input);
    const ids = value.dtype === 'int64' ? value : graph.add('Cast', [value], { to: 'int64' });
    return kerasTensor(
      graph.add('Gather', [parameter('embeddings', weights.embeddings), ids], { axis: 0 }),
    );
  },
});
