import { defineConvolution } from '../convolution.ts';

/** Conv2D, with dilation and groups. Source: keras/src/layers/convolutional/conv2d.py. */
export const conv2d = defineConvolution(2, ['Conv2D']);
