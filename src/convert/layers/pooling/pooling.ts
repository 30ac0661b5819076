import { defineLayer, type Layer } from '../../layer.ts';
import { countsPadding } from '../../origin.ts';
import { readDataFormat, readPadding, readTuple } from '../../read.ts';
import { fromMaps, windowed } from '../../window.ts';

/** The zeros around maps count neither for the maximum nor for the mean. */
function definePooling(rank: number, op: 'MaxPool' | 'AveragePool', name: string): Layer {
  return defineLayer({
    keras: [name],
    read(config) {
      const kernel = readTuple(config, 'pool_size', { rank, byDefault: 2 });
      return {
        kind: op === 'MaxPool' ? ('max' as const) : ('average' as const),
        kernel,
        strides: config.raw('strides') == null ? kernel : readTuple(config, 'strides', { rank }),
        dilations: kernel.map(() => 1),
        padding: readPadding(config),
        dataFormat: readDataFormat(config),
      };
    },
    weights: () => ({}),
    emit({ input, config, ...bench }) {
      const { maps, around } = windowed(input, config, bench);
      const window = { kernel_shape: config.kernel, strides: config.strides, ...around };
      const value =
        op === 'MaxPool'
          ? bench.graph.add('MaxPool', [maps.value], window)
          : bench.graph.add('AveragePool', [maps.value], {
              ...window,
              count_include_pad:
                countsPadding(bench.origin, rank) && config.padding === 'same' ? 1 : 0,
            });
      return fromMaps(value, config.dataFormat);
    },
  });
}

/** MaxPooling1D, 2D and 3D. Source: keras/src/layers/pooling/base_pooling.py. */
export const maxPooling1d = definePooling(1, 'MaxPool', 'MaxPooling1D');
export const maxPooling2d = definePooling(2, 'MaxPool', 'MaxPooling2D');
export const maxPooling3d = definePooling(3, 'MaxPool', 'MaxPooling3D');
/** AveragePooling1D, 2D and 3D. */
export const averagePooling1d = definePooling(1, 'AveragePool', 'AveragePooling1D');
export const averagePooling2d = definePooling(2, 'AveragePool', 'AveragePooling2D');
export const averagePooling3d = definePooling(3, 'AveragePool', 'AveragePooling3D');
