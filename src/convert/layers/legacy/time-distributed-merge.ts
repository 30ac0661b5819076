import { defineLayer, type Layer } from '../../layer.ts';
import { integers, kerasTensor } from '../../layout.ts';

/** TimeDistributedMerge: the sum, the mean or the product of all steps: [N, T, F] → [N, F]. Source: keras/layers/core.py of 0.3.3. */
export const timeDistributedMerge: Layer = defineLayer({
  keras: ['TimeDistributedMerge'],
  read: (config) => config.oneOf('mode', ['sum', 'ave', 'mul'], 'sum'),
  weights: () => ({}),
  emit({ config: mode, input, graph, layouts }) {
    const x = layouts.keras(input).value;
    if (mode === 'sum') {
      const axes = integers(graph, 'axes', [1]);
      return kerasTensor(graph.add('ReduceSum', [x, axes], { keepdims: 0 }));
    }
    const op = mode === 'ave' ? 'ReduceMean' : 'ReduceProd';
    return kerasTensor(graph.add(op, [x], { axes: [1], keepdims: 0 }));
  },
});
