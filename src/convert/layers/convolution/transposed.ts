import type { Where } from '../../../errors.ts';
import type { ConfigReader } from '../../../keras/config.ts';
import type { KerasOrigin } from '../../../keras/model.ts';
import { permuted } from '../../../source.ts';
import type { Dim } from '../../../tensor.ts';
import { activated } from '../../activated.ts';
import { defineLayer, type Layer, unsupported } from '../../layer.ts';
import { readActivation, readDataFormat, readPadding, readTuple } from '../../read.ts';
import { asMaps, channelsOf, fromMaps, spatialAxes } from '../../window.ts';

interface Config {
  readonly filters: number;
  readonly useBias: boolean;
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly isSame: boolean;
  readonly isTheano: boolean;
  /** Extra size at the end of each axis; `undefined` leaves it to the padding. */
  readonly outputPadding: readonly number[] | undefined;
  /** Keras 1: the sizes that the output must have. */
  readonly outputSizes: readonly (number | undefined)[] | undefined;
}

/** Where the output of one axis is cut out of the full product, and what is added at its end. */
interface Cut {
  readonly begin: number;
  readonly end: number;
  readonly extra: number;
}

/**
 * Conv1DTranspose, Conv2DTranspose and Conv3DTranspose: one ConvTranspose node.
 *
 * kernel [...window, filters, in]. Size of the output: same in · stride, valid in · stride + max(window - stride, 0),
 * or what output_padding, or output_shape of Keras 1, say. Source: keras/src/layers/convolutional/
 * base_conv_transpose.py, keras/src/backend/common/backend_utils.py.
 */
function defineTransposed(rank: number, name: string): Layer {
  return defineLayer({
    keras: [name],
    read: (config, origin, where) => ({
      ...readConfig(config, rank, { origin, where }),
      activation: readActivation(config, where),
      dataFormat: readDataFormat(config),
    }),
    weights: ({ kernel, filters, dataFormat, useBias }, input) => ({
      kernel: [...kernel, filters, channelsOf(input, dataFormat)],
      bias: useBias ? [filters] : undefined,
    }),
    emit({ input, config, weights, parameter, ...bench }) {
      const x = bench.layouts.padded(asMaps(input, config.dataFormat, bench));
      const sizes = spatialAxes(x.shape.length, config.dataFormat).map((at) => x.shape[at] ?? 1);
      const cuts = sizes.map((size, axis) => cutOf(size, axis, { config, where: bench.where }));
      const extras = cuts.map(({ extra }) => extra);
      // [...window, out, in] → [in, out, ...window]
      const perm = [rank + 1, rank, ...config.kernel.map((_, axis) => axis)];
      const kernel = parameter('kernel', permuted(weights.kernel, perm));
      const bias = weights.bias && parameter('bias', weights.bias);
      const value = bench.graph.add(
        'ConvTranspose',
        bias ? [x.value, kernel, bias] : [x.value, kernel],
        {
          kernel_shape: config.kernel,
          strides: config.strides,
          pads: [...cuts.map(({ begin }) => begin), ...cuts.map(({ end }) => end)],
          dilations: config.dilations,
          group: 1,
          ...(extras.some((extra) => extra > 0) ? { output_padding: extras } : {}),
        },
      );
      return activated(fromMaps(value, config.dataFormat), config.activation, bench);
    },
  });
}

function readConfig(
  config: ConfigReader,
  rank: number,
  { origin, where }: { readonly origin: KerasOrigin; readonly where: Where },
): Config {
  const kernel = readTuple(config, 'kernel_size', { rank });
  const isSame = readPadding(config) === 'same';
  const isTheano = origin.kernels === 'theano';
  if (isTheano && isSame && kernel.some((size) => size % 2 === 0)) {
    throw unsupported(
      'A transposed convolution with padding "same" and an even kernel did not run on Theano, so it has no meaning',
      where,
      'If the model ran on TensorFlow, choose with --kernels tensorflow.',
    );
  }
  return {
    filters: config.integer('filters'),
    useBias: config.boolean('use_bias', true),
    kernel,
    strides: readTuple(config, 'strides', { rank, byDefault: 1 }),
    dilations: readTuple(config, 'dilation_rate', { rank, byDefault: 1 }),
    isSame,
    isTheano,
    outputPadding:
      config.raw('output_padding') == null
        ? undefined
        : readTuple(config, 'output_padding', { rank }),
    outputSizes: outputSizes(config, rank),
  };
}

/** Keras 1 states the whole output shape, batch and channels included. */
function outputSizes(config: ConfigReader, rank: number): Config['outputSizes'] {
  const shape = config.raw('output_shape');
  if (!Array.isArray(shape) || shape.length !== rank + 2) return undefined;
  const first = readDataFormat(config) === 'channels_first' ? 2 : 1;
  const sizes: readonly unknown[] = shape.slice(first, first + rank);
  return sizes.map((size) => (typeof size === 'number' ? size : undefined));
}

function cutOf(
  size: Dim,
  axis: number,
  { config, where }: { readonly config: Config; readonly where: Where },
): Cut {
  const stride = config.strides[axis] ?? 1;
  const reach = ((config.kernel[axis] ?? 1) - 1) * (config.dilations[axis] ?? 1) + 1;
  const wanted = config.outputSizes?.[axis];
  if (wanted === undefined) return ruleCut({ stride, reach }, config, axis);
  if (typeof size === 'string') {
    throw unsupported(
      `An output of ${wanted} needs to know the input size, but it is open`,
      where,
      'Save the model with a fixed input size.',
    );
  }
  const full = (size - 1) * stride + reach;
  return ended(full - wanted, { reach, config });
}

/** The part of the rules that does not depend on the size: out = (in - 1) · stride + `kept`. */
function ruleCut(
  { stride, reach }: { readonly stride: number; readonly reach: number },
  config: Config,
  axis: number,
): Cut {
  const { isSame, outputPadding } = config;
  const extra = outputPadding?.[axis];
  if (extra !== undefined) {
    return ended((isSame ? 2 * Math.floor(reach / 2) : 0) - extra, { reach, config });
  }
  const over = reach - stride;
  return ended(isSame ? over : Math.min(over, 0), { reach, config });
}

/**
 * `over` is how much longer the full product is than the output. TensorFlow cuts half of it off at the beginning, Theano
 * half a window.
 */
function ended(
  over: number,
  { reach, config }: { readonly reach: number; readonly config: Config },
): Cut {
  const half = config.isTheano ? Math.floor(reach / 2) : Math.floor(Math.max(over, 0) / 2);
  const begin = config.isSame ? half : 0;
  const end = over - begin;
  return end < 0 ? { begin, end: 0, extra: -end } : { begin, end, extra: 0 };
}

/** Conv1DTranspose over [N, steps, C]. */
export const conv1dTranspose = defineTransposed(1, 'Conv1DTranspose');
/** Conv2DTranspose, called Deconvolution2D in Keras 1. */
export const conv2dTranspose = defineTransposed(2, 'Conv2DTranspose');
/** Conv3DTranspose. */
export const conv3dTranspose = defineTransposed(3, 'Conv3DTranspose');
