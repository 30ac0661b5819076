import { defineLayer, type Layer } from '../layer.ts';

/** Layers that do something in training only: at inference the tensor passes through. Source: keras/src/layers/regularization. */
export const dropout: Layer = defineLayer({
  keras: [
    'Dropout',
    'SpatialDropout1D',
    'SpatialDropout2D',
    'SpatialDropout3D',
    'GaussianDropout',
    'GaussianNoise',
    'AlphaDropout',
    'ActivityRegularization',
  ],
  read: () => undefined,
  weights: () => ({}),
  emit: ({ input }) => input,
});
