import type { Value } from '../../../tensor.ts';
import { type Bench, defineLayer, type Layer, unsupported } from '../../layer.ts';
import { integers } from '../../layout.ts';
import { readDataFormat, readTuple } from '../../read.ts';
import { asMaps, fromMaps, spatialAxes } from '../../window.ts';

/**
 * Adaptive pooling to a given number of places: place i takes from floor(i · in / out) to ceil((i + 1) · in / out).
 *
 * One pooling node where all windows are alike, else one axis after the other. Source:
 * keras/src/layers/pooling/base_adaptive_pooling.py.
 */
function defineAdaptive(rank: number, op: 'MaxPool' | 'AveragePool', name: string): Layer {
  return defineLayer({
    keras: [name],
    read: (config) => ({
      sizes: readTuple(config, 'output_size', { rank }),
      dataFormat: readDataFormat(config),
    }),
    weights: () => ({}),
    emit({ config, input, ...bench }) {
      const x = bench.layouts.padded(asMaps(input, config.dataFormat, bench));
      const spatial = spatialAxes(x.shape.length, config.dataFormat).map((at) => x.shape[at] ?? 1);
      const known = spatial.filter((dim) => typeof dim === 'number');
      if (known.length < rank) {
        throw unsupported(
          'Adaptive pooling needs to know the input size, but it is open',
          bench.where,
          'Save the model with a fixed input size.',
        );
      }
      const isRegular = known.every((size, i) => size % (config.sizes[i] ?? 1) === 0);
      const value = isRegular
        ? regular(x.value, { op, known, sizes: config.sizes }, bench)
        : irregular(x.value, { op, known, sizes: config.sizes }, bench);
      return fromMaps(value, config.dataFormat);
    },
  });
}

interface Places {
  readonly op: 'MaxPool' | 'AveragePool';
  readonly known: readonly number[];
  readonly sizes: readonly number[];
}

function regular(x: Value, { op, known, sizes }: Places, { graph }: Bench): Value {
  const kernel = known.map((size, i) => size / (sizes[i] ?? 1));
  const window = {
    kernel_shape: kernel,
    strides: kernel,
    pads: [...kernel, ...kernel].map(() => 0),
  };
  return op === 'MaxPool'
    ? graph.add('MaxPool', [x], window)
    : graph.add('AveragePool', [x], { ...window, count_include_pad: 0 });
}

function irregular(x: Value, { op, known, sizes }: Places, { graph }: Bench): Value {
  return sizes.reduce((value, size, i) => {
    const all = known[i] ?? 1;
    const axis = i + 2;
    const parts = Array.from({ length: size }, (_, at) => {
      const slice = graph.add('Slice', [
        value,
        integers(graph, 'starts', [Math.floor((at * all) / size)]),
        integers(graph, 'ends', [Math.ceil(((at + 1) * all) / size)]),
        integers(graph, 'axes', [axis]),
      ]);
      const over = { axes: [axis], keepdims: 1 } as const;
      return graph.add(op === 'MaxPool' ? 'ReduceMax' : 'ReduceMean', [slice], over);
    });
    const [first = value, ...others] = parts;
    return graph.add('Concat', [first, ...others], { axis });
  }, x);
}

/** AdaptiveMaxPooling1D, 2D and 3D. */
export const adaptiveMaxPooling1d = defineAdaptive(1, 'MaxPool', 'AdaptiveMaxPooling1D');
export const adaptiveMaxPooling2d = defineAdaptive(2, 'MaxPool', 'AdaptiveMaxPooling2D');
export const adaptiveMaxPooling3d = defineAdaptive(3, 'MaxPool', 'AdaptiveMaxPooling3D');
/** AdaptiveAveragePooling1D, 2D and 3D. */
export const adaptiveAveragePooling1d = defineAdaptive(
  1,
  'AveragePool',
  'AdaptiveAveragePooling1D',
);
export const adaptiveAveragePooling2d = defineAdaptive(
  2,
  'AveragePool',
  'AdaptiveAveragePooling2D',
);
export const adaptiveAveragePooling3d = defineAdaptive(
  3,
  'AveragePool',
  'AdaptiveAveragePooling3D',
);
