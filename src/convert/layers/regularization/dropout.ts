import { defineLayer, type Layer } from '../../layer.ts';
import { elementwise } from '../../layout.ts';

/** Layers that do something in training only: at inference the tensor passes through. Source: keras/src/layers/regularization. */
export const dropout: Layer = defineLayer({
  keras: [
    'Dropout',
    'StochasticDepth',
    'SpatialDropout1D',
    'SpatialDropout2D',
    'SpatialDropout3D',
    'GaussianDropout',
    'GaussianNoise',
    'AlphaDropout',
    'ActivityRegularization',
  ],
  mask: 'passes',
  // Up to Keras 0.2 training did not scale what it kept, so that inference scales instead.
  read: (config) => (config.raw('legacy_scale') === true ? 1 - config.number('rate') : 1),
  weights: () => ({}),
  emit({ config: scale, input, graph, layouts }) {
    if (scale === 1) return input;
    const x = layouts.padded(input);
    return elementwise(x, graph.add('Mul', [x.value, graph.floats('kept', [scale])]));
  },
});
