import { activated } from '../../activated.ts';
import { defineLayer, type Layer } from '../../layer.ts';
import { kerasTensor } from '../../layout.ts';
import { readActivation } from '../../read.ts';

/**
 * Highway: t · activation(x · W + b) + (1 - t) · x, with t = sigmoid(x · W_carry + b_carry).
 *
 * x [N, F]; kernels [F, F]. Source: keras/layers/core.py of 0.3.3 and 1.2.2.
 */
export const highway: Layer = defineLayer({
  keras: ['Highway'],
  read: (config, _, where) => ({
    useBias: config.boolean('use_bias', true),
    activation: readActivation(config, where),
  }),
  weights({ useBias }, input, [, second]) {
    const features = Number(input.at(-1) ?? 1);
    const bias = useBias ? [features] : undefined;
    const kernel = [features, features];
    // Up to 1.0 each kernel is followed by its bias, later both kernels come first.
    const inPairs = second?.length === 1;
    return {
      kernel,
      first_bias: inPairs ? bias : undefined,
      carry_kernel: kernel,
      bias: inPairs ? undefined : bias,
      carry_bias: bias,
    };
  },
  emit({ config, input, weights, parameter, ...bench }) {
    const { graph, layouts } = bench;
    const x = layouts.keras(input).value;
    const own = weights.bias ?? weights.first_bias;
    const bias = own && parameter('bias', own);
    const carryBias = weights.carry_bias && parameter('carry_bias', weights.carry_bias);
    const kernel = parameter('kernel', weights.kernel);
    const carryKernel = parameter('carry_kernel', weights.carry_kernel);
    const product = graph.add('Gemm', bias ? [x, kernel, bias] : [x, kernel], {});
    const gate = graph.add('Gemm', carryBias ? [x, carryKernel, carryBias] : [x, carryKernel], {});
    const t = graph.add('Sigmoid', [gate]);
    const { value: y } = activated(kerasTensor(product), config.activation, bench);
    // t · y + (1 - t) · x = t · (y - x) + x
    const kept = graph.add('Mul', [t, graph.add('Sub', [y, x])]);
    return kerasTensor(graph.add('Add', [kept, x]));
  },
});
