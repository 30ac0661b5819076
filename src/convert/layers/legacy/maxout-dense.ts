import { permuted, reshaped } from '../../../source.ts';
import { defineLayer, type Layer } from '../../layer.ts';
import { integers, kerasTensor } from '../../layout.ts';

/**
 * MaxoutDense: the largest of several linear functions: max over f of x · W[f] + b[f].
 *
 * x [N, in] → [N, units]; kernel [nb_feature, in, units]; bias [nb_feature, units]. Source: keras/layers/core.py of
 * 0.3.3 and 1.2.2.
 */
export const maxoutDense: Layer = defineLayer({
  keras: ['MaxoutDense'],
  read: (config) => ({
    units: config.integer('units'),
    features: config.integer('nb_feature', 4),
    useBias: config.boolean('use_bias', true),
  }),
  weights: ({ units, features, useBias }, input) => ({
    kernel: [features, Number(input.at(-1) ?? 1), units],
    bias: useBias ? [features, units] : undefined,
  }),
  emit({ config: { units, features }, input, weights, parameter, graph, layouts }) {
    const x = layouts.keras(input).value;
    const [, inputs = 1] = weights.kernel.shape;
    const all = features * units;
    const kernel = parameter(
      'kernel',
      reshaped(permuted(weights.kernel, [1, 0, 2]), [inputs, all]),
    );
    const bias = weights.bias && parameter('bias', reshaped(weights.bias, [all]));
    const product = graph.add('Gemm', bias ? [x, kernel, bias] : [x, kernel], {});
    const split = graph.add('Reshape', [product, integers(graph, 'shape', [0, features, units])]);
    return kerasTensor(graph.add('ReduceMax', [split], { axes: [1], keepdims: 0 }));
  },
});
