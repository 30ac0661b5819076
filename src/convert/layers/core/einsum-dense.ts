import { sizeOf } from '../../../tensor.ts';
import { activated } from '../../activated.ts';
import { defineLayer, type Layer } from '../../layer.ts';
import { kerasTensor } from '../../layout.ts';
import { readActivation } from '../../read.ts';

/**
 * EinsumDense: activation(einsum(equation, x, kernel) + bias).
 *
 * A MatMul where the equation is one. Source: keras/src/layers/core/einsum_dense.py.
 */
export const einsumDense: Layer = defineLayer({
  keras: ['EinsumDense'],
  read: (config, _, where) => ({
    equation: config.string('equation').replaceAll(' ', ''),
    hasBias: config.raw('bias_axes') != null,
    activation: readActivation(config, where),
  }),
  weights({ hasBias }, _, [kernel = [], bias = []]) {
    return { kernel, bias: hasBias ? bias : undefined };
  },
  emit({ config, input, weights, parameter, ...bench }) {
    const { graph, layouts } = bench;
    const x = layouts.keras(input).value;
    const kernel = parameter('kernel', weights.kernel);
    const product = isMatrixProduct(config.equation)
      ? graph.add('MatMul', [x, kernel])
      : graph.add('Einsum', [x, kernel], { equation: config.equation });
    const bias = weights.bias;
    const hasBias = bias !== undefined && sizeOf(bias.shape) > 0;
    const y = hasBias ? graph.add('Add', [product, parameter('bias', bias)]) : product;
    return activated(kerasTensor(y), config.activation, bench);
  },
});

/** Whether it says "the last axis of x times a matrix". */
function isMatrixProduct(equation: string): boolean {
  const [, x = '', kernel = '', y = ''] = /^(.+),(.+)->(.+)$/.exec(equation) ?? [];
  const [shared = '', units = ''] = kernel;
  return kernel.length === 2 && x.endsWith(shared) && y === `${x.slice(0, -1)}${units}`;
}
