import { type Bench, defineLayer, type Layer } from '../../layer.ts';
import { elementwise, integers, type KerasTensor, kerasTensor, type Mask } from '../../layout.ts';
import { meansOverMask } from '../../origin.ts';
import { readDataFormat } from '../../read.ts';
import { spatialAxes, spatialAxesIn } from '../../window.ts';

/** One Reduce node, whatever the layout: [N, ...spatial, C] → [N, C], or with sizes of 1 where keepdims is set. */
function defineGlobalPooling(op: 'ReduceMax' | 'ReduceMean', name: string): Layer {
  return defineLayer({
    keras: [name],
    read: (config) => ({
      dataFormat: readDataFormat(config),
      keepDims: config.boolean('keepdims', false),
    }),
    weights: () => ({}),
    emit({ config, input, ...bench }) {
      const { graph, layouts } = bench;
      const mask =
        name === 'GlobalAveragePooling1D' && meansOverMask(bench.origin) ? input.mask : undefined;
      if (mask) return meanOfUnmasked(input, mask, { ...config, bench });
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

/** Σ x · m / Σ m over the steps. */
function meanOfUnmasked(
  input: KerasTensor,
  mask: Mask,
  {
    dataFormat,
    keepDims,
    bench: { graph, layouts },
  }: {
    readonly dataFormat: 'channels_first' | 'channels_last';
    readonly keepDims: boolean;
    readonly bench: Bench;
  },
): KerasTensor {
  const { value } = layouts.keras(input);
  const isFirst = dataFormat === 'channels_first';
  const counts = graph.add('Cast', [mask()], { to: 'float32' });
  const weights = graph.add('Unsqueeze', [counts, integers(graph, 'axes', [isFirst ? 1 : 2])]);
  const axes = integers(graph, 'axes', [isFirst ? 2 : 1]);
  const keep = { keepdims: keepDims ? 1 : 0 } as const;
  const sum = graph.add('ReduceSum', [graph.add('Mul', [value, weights]), axes], keep);
  return kerasTensor(graph.add('Div', [sum, graph.add('ReduceSum', [weights, axes], keep)]));
}

/** GlobalMaxPooling1D, 2D and 3D. Source: keras/src/layers/pooling/base_global_pooling.py. */
export const globalMaxPooling1d = defineGlobalPooling('ReduceMax', 'GlobalMaxPooling1D');
export const globalMaxPooling2d = defineGlobalPooling('ReduceMax', 'GlobalMaxPooling2D');
export const globalMaxPooling3d = defineGlobalPooling('ReduceMax', 'GlobalMaxPooling3D');
/** GlobalAveragePooling1D, 2D and 3D; the 1D one heeds a mask. */
export const globalAveragePooling1d = defineGlobalPooling('ReduceMean', 'GlobalAveragePooling1D');
export const globalAveragePooling2d = defineGlobalPooling('ReduceMean', 'GlobalAveragePooling2D');
export const globalAveragePooling3d = defineGlobalPooling('ReduceMean', 'GlobalAveragePooling3D');
