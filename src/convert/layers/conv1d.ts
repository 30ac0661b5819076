import { defineConvolution } from '../convolution.ts';

/** Conv1D, with dilation and causal padding. Source: keras/src/layers/convolutional/conv1d.py. */
export const conv1d = defineConvolution(1, ['Conv1D']);
