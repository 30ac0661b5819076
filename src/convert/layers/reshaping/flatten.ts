import { defineLayer, type Layer } from '../../layer.ts';
import { flattenTensor } from '../../layout.ts';

/**
 * Flatten: [N, ...] → [N, F].
 *
 * Files that name a data_format (Keras 2.1.6 and later) let F run channels last even where the maps are channels
 * first; older ones take the maps as they lie in memory. Source: keras/src/layers/reshaping/flatten.py, and
 * keras/layers/core.py of 2.1.5 and 2.1.6.
 */
export const flatten: Layer = defineLayer({
  keras: ['Flatten'],
  read: (config) => config.raw('data_format') === 'channels_first',
  weights: () => ({}),
  emit({ config: isChannelsFirst, input, graph, layouts }) {
    if (input.shape.length === 2) return input;
    const order = isChannelsFirst && input.shape.length > 2 ? 'channels moved last' : 'as stored';
    return flattenTensor({ graph, layouts }, input, order);
  },
});
