import type { Json } from '../../../keras/config.ts';
import type { TensorSource } from '../../../tensor.ts';
import type { Layer } from '../../layer.ts';
import type { KerasTensor } from '../../layout.ts';
import type { DataFormat } from '../../read.ts';
import { channelsOf, fromMaps, windowed } from '../../window.ts';
import { conv1d, conv2d, conv3d } from '../convolution/conv.ts';
import {
  depthwiseConv1d,
  depthwiseConv2d,
  separableConv1d,
  separableConv2d,
} from '../convolution/depthwise.ts';
import { conv1dTranspose, conv2dTranspose, conv3dTranspose } from '../convolution/transposed.ts';
import {
  adaptiveAveragePooling1d,
  adaptiveAveragePooling2d,
  adaptiveAveragePooling3d,
  adaptiveMaxPooling1d,
  adaptiveMaxPooling2d,
  adaptiveMaxPooling3d,
} from '../pooling/adaptive.ts';
import {
  averagePooling1d,
  averagePooling2d,
  averagePooling3d,
  maxPooling1d,
  maxPooling2d,
  maxPooling3d,
} from '../pooling/pooling.ts';
import { byLayer } from './by-layer.ts';
import type { OperationCall } from './call.ts';
import type { Operation } from './elementwise.ts';

type PerRank = readonly (Layer | undefined)[];

/** Layers of one, two and three spatial axes. */
export function rankOf(call: OperationCall): number {
  return call.x.shape.length - 2;
}

function layerOf(layers: PerRank, call: OperationCall): Layer {
  const layer = layers[rankOf(call) - 1];
  if (layer) return layer;
  throw call.refused(`a tensor of ${call.x.shape.length} axes`);
}

/** TensorFlow names the axes ("NCHW"), Keras where the channels are. */
export function dataFormat(call: OperationCall): DataFormat {
  const said = call.raw(Number.POSITIVE_INFINITY, 'data_format');
  if (said === undefined) return 'channels_last';
  if (typeof said === 'string' && /^(channels_first|NC)/.test(said)) return 'channels_first';
  return 'channels_last';
}

/** A number, or one for each spatial axis; TensorFlow counts batch and channels too. */
export function perAxis(
  call: OperationCall,
  given: readonly number[] | undefined,
  byDefault: readonly number[],
): readonly number[] {
  const rank = rankOf(call);
  if (!given) return byDefault;
  if (given.length === 1) return Array.from({ length: rank }, () => given[0] ?? 1);
  if (given.length === rank) return given;
  if (given.length !== rank + 2) throw call.refused(`a window of ${given.length} axes`);
  return dataFormat(call) === 'channels_first' ? given.slice(2) : given.slice(1, -1);
}

interface Places {
  readonly strides: number;
  readonly padding: number;
  readonly dilations: number;
}

/** What the call says of its window, as the config of a layer. */
export function windowConfig(call: OperationCall, places: Places): Json {
  const padding = call.raw(places.padding, 'padding') ?? 'valid';
  if (typeof padding !== 'string') throw call.refused(`padding ${JSON.stringify(padding)}`);
  const ones = Array.from({ length: rankOf(call) }, () => 1);
  return {
    strides: perAxis(call, call.integers(places.strides, 'strides', 'stride'), ones),
    dilation_rate: perAxis(
      call,
      call.integers(places.dilations, 'dilation_rate', 'dilations', 'rates'),
      ones,
    ),
    padding: padding.toLowerCase(),
    data_format: dataFormat(call),
    use_bias: false,
  };
}

const places: Places = { strides: 2, padding: 3, dilations: 5 };

function kernelOf(
  call: OperationCall,
  position: number,
  ...names: readonly string[]
): TensorSource {
  const kernel = call.weight(position, ...names);
  if (!kernel) throw call.refused('no kernel');
  if (kernel.shape.length === rankOf(call) + 2) return kernel;
  throw call.refused(`a kernel [${kernel.shape.join(', ')}]`);
}

/** By a kernel of the file, as the layer does it; by one that is computed, as a node whose kernel is transposed before. */
function convolution(call: OperationCall): KerasTensor {
  const raw = call.raw(1, 'kernel', 'filters', 'filter');
  const computed = call.tensorOf(raw);
  const config = windowConfig(call, places);
  if (computed) return byComputedKernel(call, computed, config);
  const kernel = kernelOf(call, 1, 'kernel', 'filters', 'filter');
  const rank = rankOf(call);
  const channels = channelsOf(call.x.shape, dataFormat(call));
  return byLayer(
    layerOf([conv1d, conv2d, conv3d], call),
    {
      config: {
        ...config,
        filters: kernel.shape.at(-1),
        kernel_size: kernel.shape.slice(0, rank),
        groups: channels / (kernel.shape[rank] ?? 1),
      },
      weights: [kernel],
    },
    call,
  );
}

function byComputedKernel(call: OperationCall, tensor: KerasTensor, config: Json): KerasTensor {
  const { bench } = call;
  const rank = rankOf(call);
  const kernel = bench.layouts.keras(tensor).value;
  const size = kernel.shape.slice(0, rank).map(Number);
  const channels = Number(kernel.shape[rank]);
  if ([...size, channels].some(Number.isNaN)) throw call.refused('a kernel of open size');
  const window = {
    kind: 'convolution' as const,
    kernel: size,
    strides: numbers(config['strides']),
    dilations: numbers(config['dilation_rate']),
    padding: config['padding'] === 'same' ? ('same' as const) : ('valid' as const),
    dataFormat: dataFormat(call),
  };
  const { maps, around } = windowed(call.x, window, bench);
  const perm = [rank + 1, rank, ...size.map((_, axis) => axis)];
  const turned = bench.graph.add('Transpose', [kernel], { perm });
  const group = channelsOf(call.x.shape, window.dataFormat) / channels;
  const attributes = {
    kernel_shape: size,
    strides: window.strides,
    ...around,
    dilations: window.dilations,
    group,
  };
  return fromMaps(bench.graph.add('Conv', [maps.value, turned], attributes), window.dataFormat);
}

/** The numbers of a list of a config. */
export function numbers(value: unknown): readonly number[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  return list.map(Number);
}

function depthwise(call: OperationCall): KerasTensor {
  const kernel = kernelOf(call, 1, 'kernel', 'filter');
  const rank = rankOf(call);
  return byLayer(
    layerOf([depthwiseConv1d, depthwiseConv2d], call),
    {
      config: {
        ...windowConfig(call, places),
        kernel_size: kernel.shape.slice(0, rank),
        depth_multiplier: kernel.shape.at(-1),
      },
      weights: [kernel],
    },
    call,
  );
}

function separable(call: OperationCall): KerasTensor {
  const kernel = kernelOf(call, 1, 'depthwise_kernel', 'depthwise_filter');
  const pointwise = kernelOf(call, 2, 'pointwise_kernel', 'pointwise_filter');
  const rank = rankOf(call);
  return byLayer(
    layerOf([separableConv1d, separableConv2d], call),
    {
      config: {
        ...windowConfig(call, { strides: 3, padding: 4, dilations: 6 }),
        kernel_size: kernel.shape.slice(0, rank),
        depth_multiplier: kernel.shape.at(-1),
        filters: pointwise.shape.at(-1),
      },
      weights: [kernel, pointwise],
    },
    call,
  );
}

function transposed(call: OperationCall): KerasTensor {
  const kernel = kernelOf(call, 1, 'kernel', 'filters', 'filter');
  const rank = rankOf(call);
  const isKeras3 = call.bench.origin.generation === 'Keras 3';
  // Keras 3: inputs, kernel, strides, padding, output_padding, data_format, dilation_rate. TensorFlow has output_shape third.
  const at = isKeras3 ? places : { strides: 3, padding: 4, dilations: 6 };
  const config = windowConfig(call, isKeras3 ? { ...at, dilations: 6 } : at);
  const extra = isKeras3 ? call.integers(4, 'output_padding') : undefined;
  return byLayer(
    layerOf([conv1dTranspose, conv2dTranspose, conv3dTranspose], call),
    {
      config: {
        ...config,
        filters: kernel.shape.at(-2),
        kernel_size: kernel.shape.slice(0, rank),
        output_padding: extra && perAxis(call, extra, []),
      },
      weights: [kernel],
    },
    call,
  );
}

function pooling(layers: PerRank): Operation {
  return (call) => {
    const ones = Array.from({ length: rankOf(call) }, () => 1);
    const size = perAxis(call, call.integers(1, 'pool_size', 'ksize', 'window_shape'), ones);
    const config = windowConfig(call, places);
    const isStated = call.raw(2, 'strides', 'stride') !== undefined;
    return byLayer(
      layerOf(layers, call),
      {
        config: { ...config, pool_size: size, strides: isStated ? config['strides'] : size },
      },
      call,
    );
  };
}

function adaptive(layers: PerRank): Operation {
  return (call) =>
    byLayer(
      layerOf(layers, call),
      {
        config: {
          output_size: perAxis(call, call.integers(1, 'output_size'), []),
          data_format: dataFormat(call),
        },
      },
      call,
    );
}

/** Windows that move over maps, as the layers of the same names do it. Source: keras/src/ops/nn.py and image.py. */
export const windowOperations: Readonly<Record<string, Operation>> = {
  max_pool: pooling([maxPooling1d, maxPooling2d, maxPooling3d]),
  average_pool: pooling([averagePooling1d, averagePooling2d, averagePooling3d]),
  adaptive_max_pool: adaptive([adaptiveMaxPooling1d, adaptiveMaxPooling2d, adaptiveMaxPooling3d]),
  adaptive_average_pool: adaptive([
    adaptiveAveragePooling1d,
    adaptiveAveragePooling2d,
    adaptiveAveragePooling3d,
  ]),
  conv: convolution,
  depthwise_conv: depthwise,
  separable_conv: separable,
  conv_transpose: transposed,
};
