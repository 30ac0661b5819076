import { permuted } from '../../../source.ts';
import { activated } from '../../activated.ts';
import { defineLayer, type Layer } from '../../layer.ts';
import { readActivation, readDataFormat, readPadding, readTuple } from '../../read.ts';
import { channelsOf, fromMaps, windowed } from '../../window.ts';

/**
 * Conv1D, Conv2D and Conv3D: one Conv node, its bias inside; `rank` counts the spatial axes.
 *
 * x [N, ...spatial, in] or [N, in, ...spatial]; kernel [...window, in / groups, filters]; bias [filters].
 * Source: keras/src/layers/convolutional/base_conv.py.
 */
function defineConvolution(rank: number, keras: readonly [string, ...string[]]): Layer {
  return defineLayer({
    keras,
    read: (config, _, where) => ({
      filters: config.integer('filters'),
      groups: config.integer('groups', 1),
      useBias: config.boolean('use_bias', true),
      activation: readActivation(config, where),
      kind: 'convolution' as const,
      kernel: readTuple(config, 'kernel_size', { rank }),
      strides: readTuple(config, 'strides', { rank, byDefault: 1 }),
      dilations: readTuple(config, 'dilation_rate', { rank, byDefault: 1 }),
      padding: readPadding(config),
      dataFormat: readDataFormat(config),
    }),
    weights: ({ kernel, filters, groups, dataFormat, useBias }, input) => ({
      kernel: [...kernel, channelsOf(input, dataFormat) / groups, filters],
      bias: useBias ? [filters] : undefined,
    }),
    emit({ input, config, weights, parameter, ...bench }) {
      const { maps, around } = windowed(input, config, bench);
      // [...window, in, out] → [out, in, ...window]
      const perm = [rank + 1, rank, ...config.kernel.map((_, axis) => axis)];
      const kernel = parameter('kernel', permuted(weights.kernel, perm));
      const bias = weights.bias && parameter('bias', weights.bias);
      const value = bench.graph.add(
        'Conv',
        bias ? [maps.value, kernel, bias] : [maps.value, kernel],
        {
          kernel_shape: config.kernel,
          strides: config.strides,
          ...around,
          dilations: config.dilations,
          group: config.groups,
        },
      );
      return activated(fromMaps(value, config.dataFormat), config.activation, bench);
    },
  });
}

/** Conv1D, with dilation and causal padding. Source: keras/src/layers/convolutional/conv1d.py. */
export const conv1d = defineConvolution(1, ['Conv1D']);
/** Conv2D, with dilation and groups. Source: keras/src/layers/convolutional/conv2d.py. */
export const conv2d = defineConvolution(2, ['Conv2D']);
/** Conv3D, with dilation and groups. Source: keras/src/layers/convolutional/conv3d.py. */
export const conv3d = defineConvolution(3, ['Conv3D']);
