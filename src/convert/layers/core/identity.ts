import { defineLayer, type Layer } from '../../layer.ts';

/** Identity: x. Source: keras/src/layers/core/identity.py. */
export const identity: Layer = defineLayer({
  keras: ['Identity'],
  mask: 'passes',
  read: () => undefined,
  weights: () => ({}),
  emit: ({ input }) => input,
});
