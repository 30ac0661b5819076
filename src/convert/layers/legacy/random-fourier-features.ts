import { defineLayer, type Layer } from '../../layer.ts';
import { kerasTensor } from '../../layout.ts';
import { computed, numbersOf } from '../../weights.ts';

/**
 * RandomFourierFeatures: cos(x · unscaled_kernel / kernel_scale + bias), of vectors.
 *
 * Source: keras/layers/kernelized.py of 2.15.
 */
export const randomFourierFeatures: Layer = defineLayer({
  keras: ['RandomFourierFeatures'],
  read: (config) => config.integer('output_dim'),
  weights: (units, input) => ({
    kernel_scale: [1],
    unscaled_kernel: [Number(input.at(-1) ?? 1), units],
    bias: [units],
  }),
  emit({ input, weights, parameter, graph, layouts }) {
    const x = layouts.keras(input).value;
    const kernel = graph.add('MatMul', [x, parameter('unscaled_kernel', weights.unscaled_kernel)]);
    const inverse = computed([1], () => numbersOf(weights.kernel_scale).map((scale) => 1 / scale));
    const scaled = graph.add('Mul', [kernel, parameter('inverse_scale', inverse)]);
    return kerasTensor(
      graph.add('Cos', [graph.add('Add', [scaled, parameter('bias', weights.bias)])]),
    );
  },
});
