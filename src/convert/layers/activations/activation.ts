import { activated } from '../../activated.ts';
import { defineLayer, type Layer } from '../../layer.ts';
import { readActivation } from '../../read.ts';

/** Activation: y = f(x), same shape. Source: keras/src/layers/activations/activation.py. */
export const activation: Layer = defineLayer({
  keras: ['Activation'],
  mask: 'passes',
  read: (config, _, where) => readActivation(config, where),
  weights: () => ({}),
  emit: ({ config, input, ...bench }) => activated(input, config, bench),
});
