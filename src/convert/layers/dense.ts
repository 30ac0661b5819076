import { activated } from '../activated.ts';
import { defineLayer, type Layer } from '../layer.ts';
import { kerasTensor } from '../layout.ts';
import { readActivation } from '../read.ts';
import { channelsFirstRows } from '../weights.ts';

/**
 * Dense: y = activation(x · kernel + bias), over the last axis.
 *
 * x [..., in] → y [..., units]; kernel [in, units]; bias [units]. After maps that were flattened in ONNX's order, the
 * rows of the kernel are put into that order instead of the maps into Keras'.
 * Source: keras/src/layers/core/dense.py.
 */
export const dense: Layer = defineLayer({
  keras: ['Dense'],
  read: (config, _, where) => ({
    units: config.integer('units'),
    useBias: config.boolean('use_bias', true),
    activation: readActivation(config, where),
  }),
  weights: ({ units, useBias }, input) => ({
    kernel: [Number(input.at(-1) ?? 1), units],
    bias: useBias ? [units] : undefined,
  }),
  emit({ config, input, weights, parameter, ...bench }) {
    const { graph, layouts } = bench;
    const bias = weights.bias && parameter('bias', weights.bias);
    const { layout } = input;
    const x = layout.kind === 'flat' ? input : layouts.keras(input);
    const kernel =
      layout.kind === 'flat'
        ? parameter('kernel', channelsFirstRows(weights.kernel, layout.from), String(layout.from))
        : parameter('kernel', weights.kernel);
    if (x.shape.length === 2) {
      const y = graph.add('Gemm', bias ? [x.value, kernel, bias] : [x.value, kernel], {});
      return activated(kerasTensor(y), config.activation, bench);
    }
    const product = graph.add('MatMul', [x.value, kernel]);
    const y = bias ? graph.add('Add', [product, bias]) : product;
    return activated(kerasTensor(y), config.activation, bench);
  },
});
