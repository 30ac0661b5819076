import { defineConvolution } from '../convolution.ts';

/** Conv3D, with dilation and groups. Source: keras/src/layers/convolutional/conv3d.py. */
export const conv3d = defineConvolution(3, ['Conv3D']);
