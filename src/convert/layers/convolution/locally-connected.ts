import type { Where } from '../../../errors.ts';
import { bytesSource, permuted, reshaped } from '../../../source.ts';
import { type Shape, sizeOf, type TensorSource } from '../../../tensor.ts';
import { activated } from '../../activated.ts';
import { defineLayer, type Layer, unsupported } from '../../layer.ts';
import { type KerasTensor, kerasTensor } from '../../layout.ts';
import {
  type DataFormat,
  readActivation,
  readDataFormat,
  readPadding,
  readTuple,
} from '../../read.ts';
import { reshapeTo } from '../../sizes.ts';
import { channelsOf, fromMaps, spatialAxes } from '../../window.ts';
import { biasAsOutput, byMatrix, type Connections, matrixOf, matrixShape } from './local-matrix.ts';

interface Patches {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dataFormat: DataFormat;
  readonly padding: 'valid' | 'same';
}

/**
 * LocallyConnected1D and LocallyConnected2D: a kernel of its own at every place.
 *
 * kernel [places, window · in, filters], the window running [...window, in], or [in, ...window] where channels come
 * first; bias [...places, filters], which Keras reads as [filters, ...places] where channels come first. Patches are
 * picked by one Gather out of the flattened maps. Implementations 2 and 3 of tf.keras are one product with a matrix
 * instead (`local-matrix.ts`). Source: keras/layers/local.py of 1.2.2 and 2.2.4, keras/layers/locally_connected of 2.15.
 */
function defineLocallyConnected(rank: number, name: string): Layer {
  return defineLayer({
    keras: [name],
    read(config, _, where) {
      const implementation = config.integer('implementation', 1);
      const padding = readPadding(config);
      if ((padding !== 'valid' && padding !== 'same') || ![1, 2, 3].includes(implementation)) {
        throw notKnown(where);
      }
      if (implementation === 1 && padding === 'same') throw notKnown(where);
      return {
        implementation,
        padding,
        filters: config.integer('filters'),
        useBias: config.boolean('use_bias', true),
        activation: readActivation(config, where),
        kernel: readTuple(config, 'kernel_size', { rank }),
        strides: readTuple(config, 'strides', { rank, byDefault: 1 }),
        dataFormat: readDataFormat(config),
      };
    },
    weights(config, input) {
      const places = placesOf(input, config);
      const features = sizeOf(config.kernel) * channelsOf(input, config.dataFormat);
      return {
        kernel:
          config.implementation === 1
            ? [sizeOf(places), features, config.filters]
            : matrixShape(connectionsOf(input, config), config.implementation),
        bias: config.useBias ? [...places, config.filters] : undefined,
      };
    },
    emit({ input, config, weights, parameter, ...bench }) {
      const { graph, layouts } = bench;
      if (config.implementation !== 1) {
        const connections = connectionsOf(input.shape, config);
        const matrix = matrixOf(weights.kernel, connections, config.implementation);
        const value = byMatrix(layouts.keras(input).value, connections, {
          kernel: parameter('kernel', matrix),
          bias: weights.bias && parameter('bias', biasAsOutput(weights.bias, config.dataFormat)),
          graph,
        });
        return activated(kerasTensor(value), config.activation, bench);
      }
      const x = layouts.padded(input);
      const places = placesOf(x.shape, config);
      const flat = graph.add('Flatten', [x.value], { axis: 1 });
      const indices = parameter('patches', patchIndices(x, config), x.layout.kind);
      const patches = graph.add('Gather', [flat, indices], { axis: 1 });
      const product = graph.add('Einsum', [patches, parameter('kernel', weights.kernel)], {
        equation: 'npf,pfo->nop',
      });
      const maps = reshapeTo(graph, product, [x.shape[0] ?? 1, config.filters, ...places]);
      const bias = weights.bias && biasMaps(weights.bias, config.dataFormat);
      const value = bias ? graph.add('Add', [maps, parameter('bias', bias)]) : maps;
      return activated(fromMaps(value, config.dataFormat), config.activation, bench);
    },
  });
}

function notKnown(where: Where): Error {
  return unsupported(
    'A locally connected layer is of implementation 1 and pads nothing, or of 2 or 3 and pads "valid" or "same", but this one is of none of these',
    where,
    'Check that the file was saved by Keras and was not edited by hand.',
  );
}

function connectionsOf(input: Shape, config: Patches & { readonly filters: number }): Connections {
  return {
    ...config,
    inputs: spatialAxes(input.length, config.dataFormat).map((axis) => Number(input[axis] ?? 1)),
    outputs: placesOf(input, config),
    channels: channelsOf(input, config.dataFormat),
  };
}

function placesOf(input: Shape, patches: Patches): readonly number[] {
  const { kernel, strides, dataFormat, padding } = patches;
  return spatialAxes(input.length, dataFormat).map((axis, i) => {
    const size = Number(input[axis] ?? 1);
    if (padding === 'same') return Math.ceil(size / (strides[i] ?? 1));
    return Math.floor((size - (kernel[i] ?? 1)) / (strides[i] ?? 1)) + 1;
  });
}

/** For each place, where its patch lies in the flattened value: int64 [places, window · in]. */
function patchIndices(x: KerasTensor, patches: Patches): TensorSource {
  const { kernel, strides, dataFormat } = patches;
  const axes = spatialAxes(x.shape.length, dataFormat);
  const spatial = axes.map((axis) => Number(x.shape[axis] ?? 1));
  const channels = channelsOf(x.shape, dataFormat);
  const isValueFirst = x.layout.kind === 'channelsFirst' || dataFormat === 'channels_first';
  const at = (place: readonly number[], channel: number): number => {
    const flat = place.reduce((sum, index, i) => sum * (spatial[i] ?? 1) + index, 0);
    return isValueFirst ? channel * sizeOf(spatial) + flat : flat * channels + channel;
  };
  const window = everyIndex(kernel);
  const numbers = everyIndex(placesOf(x.shape, patches)).flatMap((place) => {
    const corner = place.map((index, i) => index * (strides[i] ?? 1));
    const cells = window.map((offset) => corner.map((index, i) => index + (offset[i] ?? 0)));
    const all = Array.from({ length: channels }, (_, channel) => channel);
    return dataFormat === 'channels_first'
      ? all.flatMap((channel) => cells.map((cell) => at(cell, channel)))
      : cells.flatMap((cell) => all.map((channel) => at(cell, channel)));
  });
  const shape = [sizeOf(placesOf(x.shape, patches)), window.length * channels];
  return bytesSource('int64', shape, new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer));
}

/** All indices of an array of the given shape, the last axis running fastest. */
function everyIndex(shape: readonly number[]): readonly (readonly number[])[] {
  return shape.reduce<readonly (readonly number[])[]>(
    (all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );
}

/** [...places, filters] as [filters, ...places]: where channels come first Keras reinterprets the numbers as they lie. */
function biasMaps(bias: TensorSource, dataFormat: DataFormat): TensorSource {
  const rank = bias.shape.length - 1;
  const moved = [rank, ...Array.from({ length: rank }, (_, axis) => axis)];
  return dataFormat === 'channels_first'
    ? reshaped(
        bias,
        moved.map((axis) => bias.shape[axis] ?? 1),
      )
    : permuted(bias, moved);
}

/** LocallyConnected1D over [N, steps, C]. */
export const locallyConnected1d = defineLocallyConnected(1, 'LocallyConnected1D');
/** LocallyConnected2D. */
export const locallyConnected2d = defineLocallyConnected(2, 'LocallyConnected2D');
