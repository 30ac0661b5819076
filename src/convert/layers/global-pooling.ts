import { defineLayer, type Layer } from '../layer.ts';
import { elementwise, kerasTensor } from '../layout.ts';
import { readDataFormat } from '../read.ts';
import { spatialAxes, spatialAxesIn } from '../window.ts';

/** One Reduce node, whatever the layout: [N, ...spatial, C] → [N, C], or with sizes of 1 where keepdims is set. */
function defineGlobalPooling(op: 'ReduceMax' | 'ReduceMean', name: string): Layer {
  return defineLayer({
    keras: [name],
    read: (config) => ({
      dataFormat: readDataFormat(config),
      keepDims: config.boolean('keepdims', false),
    }),
    weights: () => ({}),
    emit({ config, input, graph, layouts }) {
      const x = layouts.padded(input);
      const axes = spatialAxesIn(x, config.dataFormat);
      const value = graph.add(op, [x.value], { axes, keepdims: config.keepDims ? 1 : 0 });
      if (!config.keepDims) return kerasTensor(value);
      const reduced = new Set(spatialAxes(x.shape.length, config.dataFormat));
      const shape = x.shape.map((dim, axis) => (reduced.has(axis) ? 1 : dim));
      return { ...elementwise(x, value), shape };
    },
  });
}

/** GlobalMaxPooling1D, 2D and 3D. Source: keras/src/layers/pooling/base_global_pooling.py. */
export const globalMaxPooling1d = defineGlobalPooling('ReduceMax', 'GlobalMaxPooling1D');
export const globalMaxPooling2d = defineGlobalPooling('ReduceMax', 'GlobalMaxPooling2D');
export const globalMaxPooling3d = defineGlobalPooling('ReduceMax', 'GlobalMaxPooling3D');
/** GlobalAveragePooling1D, 2D and 3D. */
export const globalAveragePooling1d = defineGlobalPooling('ReduceMean', 'GlobalAveragePooling1D');
export const globalAveragePooling2d = defineGlobalPooling('ReduceMean', 'GlobalAveragePooling2D');
export const globalAveragePooling3d = defineGlobalPooling('ReduceMean', 'GlobalAveragePooling3D');
