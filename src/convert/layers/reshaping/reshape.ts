import { defineLayer, type Layer } from '../../layer.ts';
import { channelsFirstTensor, integers, kerasTensor } from '../../layout.ts';
import { readIntegers } from '../../read.ts';

/**
 * Reshape: [N, ...] → [N, ...target_shape], one size of which may be -1.
 *
 * A vector that becomes a map of one place, as before the convolutions of a squeeze-and-excite block, is put into ONNX's
 * order at once. Source: keras/src/layers/reshaping/reshape.py.
 */
export const reshape: Layer = defineLayer({
  keras: ['Reshape'],
  read: (config) => readIntegers(config, 'target_shape'),
  weights: () => ({}),
  emit({ config: target, input, graph, layouts }) {
    const value = layouts.inOrder(input);
    // ONNX: 0 keeps the size of the batch.
    const to = (sizes: readonly number[]) =>
      graph.add('Reshape', [value, integers(graph, 'shape', [0, ...sizes])]);
    const places = target.slice(0, -1);
    const isOnePlace = places.length > 1 && places.every((size) => size === 1);
    return isOnePlace
      ? channelsFirstTensor(to([...target.slice(-1), ...places]))
      : kerasTensor(to(target));
  },
});
