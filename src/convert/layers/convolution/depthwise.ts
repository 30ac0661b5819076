import type { ConfigReader } from '../../../keras/config.ts';
import { permuted, reshaped } from '../../../source.ts';
import type { TensorSource } from '../../../tensor.ts';
import { activated } from '../../activated.ts';
import { defineLayer, type Layer } from '../../layer.ts';
import type { Pads } from '../../padding.ts';
import {
  type DataFormat,
  readActivation,
  readDataFormat,
  readPadding,
  readTuple,
} from '../../read.ts';
import { channelsOf, fromMaps, type Window, windowed } from '../../window.ts';

/** [...window, in, multiplier] as ONNX has it for one group a channel: [in · multiplier, 1, ...window]. */
function depthwiseKernel(kernel: TensorSource, rank: number): TensorSource {
  const window = kernel.shape.slice(0, rank);
  const [inputs = 1, multiplier = 1] = kernel.shape.slice(rank);
  const moved = permuted(kernel, [rank, rank + 1, ...window.map((_, axis) => axis)]);
  return reshaped(moved, [inputs * multiplier, 1, ...window]);
}

function readWindow(config: ConfigReader, rank: number): Window {
  return {
    kind: 'convolution',
    kernel: readTuple(config, 'kernel_size', { rank }),
    strides: readTuple(config, 'strides', { rank, byDefault: 1 }),
    dilations: readTuple(config, 'dilation_rate', { rank, byDefault: 1 }),
    padding: readPadding(config),
    dataFormat: readDataFormat(config),
  };
}

interface Channels {
  readonly window: Window;
  readonly multiplier: number;
}

function depthwiseShape({ window, multiplier }: Channels, channels: number): readonly number[] {
  return [...window.kernel, channels, multiplier];
}

function attributes({ kernel, strides, dilations }: Window, around: Pads, group: number) {
  return { kernel_shape: kernel, strides, ...around, dilations, group };
}

/**
 * DepthwiseConv1D and DepthwiseConv2D: one Conv node with a group for each channel.
 *
 * kernel [...window, in, depth_multiplier]; channel c gives outputs c · multiplier and on. Source:
 * keras/src/layers/convolutional/base_depthwise_conv.py.
 */
function defineDepthwise(rank: number, name: string): Layer {
  return defineLayer({
    keras: [name],
    read: (config, _, where) => ({
      window: readWindow(config, rank),
      multiplier: config.integer('depth_multiplier', 1),
      useBias: config.boolean('use_bias', true),
      activation: readActivation(config, where),
    }),
    weights(config, input) {
      const channels = channelsOf(input, config.window.dataFormat);
      return {
        depthwise_kernel: depthwiseShape(config, channels),
        bias: config.useBias ? [channels * config.multiplier] : undefined,
      };
    },
    emit({ input, config, weights, parameter, ...bench }) {
      const { maps, around } = windowed(input, config.window, bench);
      const group = weights.depthwise_kernel.shape[rank] ?? 1;
      const kernel = parameter('depthwise_kernel', depthwiseKernel(weights.depthwise_kernel, rank));
      const bias = weights.bias && parameter('bias', weights.bias);
      const value = bench.graph.add(
        'Conv',
        bias ? [maps.value, kernel, bias] : [maps.value, kernel],
        attributes(config.window, around, group),
      );
      return activated(fromMaps(value, config.window.dataFormat), config.activation, bench);
    },
  });
}

/** Size-1 window that mixes channels. */
function pointwise(rank: number, dataFormat: DataFormat): Window {
  const ones = Array.from({ length: rank }, () => 1);
  const shape = { kernel: ones, strides: ones, dilations: ones };
  return { ...shape, padding: 'valid', kind: 'convolution', dataFormat };
}

/**
 * SeparableConv1D and SeparableConv2D: a depthwise Conv, then one of size 1 that has the bias.
 *
 * depthwise_kernel [...window, in, depth_multiplier], pointwise_kernel [...1, in · multiplier, filters].
 * Source: keras/src/layers/convolutional/base_separable_conv.py.
 */
function defineSeparable(rank: number, name: string): Layer {
  return defineLayer({
    keras: [name],
    read: (config, _, where) => ({
      window: readWindow(config, rank),
      filters: config.integer('filters'),
      multiplier: config.integer('depth_multiplier', 1),
      useBias: config.boolean('use_bias', true),
      activation: readActivation(config, where),
    }),
    weights(config, input) {
      const channels = channelsOf(input, config.window.dataFormat);
      const ones = config.window.kernel.map(() => 1);
      return {
        depthwise_kernel: depthwiseShape(config, channels),
        pointwise_kernel: [...ones, channels * config.multiplier, config.filters],
        bias: config.useBias ? [config.filters] : undefined,
      };
    },
    emit({ input, config, weights, parameter, ...bench }) {
      const { maps, around } = windowed(input, config.window, bench);
      const group = weights.depthwise_kernel.shape[rank] ?? 1;
      const depthwise = depthwiseKernel(weights.depthwise_kernel, rank);
      const perm = [rank + 1, rank, ...config.window.kernel.map((_, axis) => axis)];
      const mixing = parameter('pointwise_kernel', permuted(weights.pointwise_kernel, perm));
      const bias = weights.bias && parameter('bias', weights.bias);
      const deep = bench.graph.add(
        'Conv',
        [maps.value, parameter('depthwise_kernel', depthwise)],
        attributes(config.window, around, group),
      );
      const window = pointwise(rank, config.window.dataFormat);
      const value = bench.graph.add(
        'Conv',
        bias ? [deep, mixing, bias] : [deep, mixing],
        attributes(window, { pads: [...window.kernel, ...window.kernel].map(() => 0) }, 1),
      );
      return activated(fromMaps(value, config.window.dataFormat), config.activation, bench);
    },
  });
}

/** DepthwiseConv1D over [N, steps, C]. */
export const depthwiseConv1d = defineDepthwise(1, 'DepthwiseConv1D');
/** DepthwiseConv2D. */
export const depthwiseConv2d = defineDepthwise(2, 'DepthwiseConv2D');
/** SeparableConv1D over [N, steps, C]. */
export const separableConv1d = defineSeparable(1, 'SeparableConv1D');
/** SeparableConv2D. */
export const separableConv2d = defineSeparable(2, 'SeparableConv2D');
