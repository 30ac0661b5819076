import { defineLayer, type Layer } from '../../layer.ts';
import { readIntegers } from '../../read.ts';
import { softmaxOver } from '../operations/reductions.ts';

/** Softmax over one axis of the Keras tensor, the last by default, or several at once. Source: keras/src/layers/activations/softmax.py. */
export const softmax: Layer = defineLayer({
  keras: ['Softmax'],
  mask: 'passes',
  read: (config) => readIntegers(config, 'axis', [-1]),
  weights: () => ({}),
  emit: ({ config: axes, input, graph, layouts }) =>
    softmaxOver(layouts.padded(input), axes, graph),
});
