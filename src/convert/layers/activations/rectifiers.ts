import type { GraphBuilder } from '../../../onnx/graph.ts';
import type { Value } from '../../../tensor.ts';
import { type Bench, defineLayer, type Layer } from '../../layer.ts';
import { elementwise, type KerasTensor } from '../../layout.ts';
import { type Rectifier, rectified } from '../../rectifier.ts';

function applied(
  input: KerasTensor,
  { graph, layouts }: Bench,
  emit: (x: Value, graph: GraphBuilder) => Value,
): KerasTensor {
  const x = layouts.padded(input);
  return elementwise(x, emit(x.value, graph));
}

/**
 * ReLU: max_value above it, x above the threshold, and negative_slope · (x - threshold) below.
 * Source: keras/src/layers/activations/relu.py.
 */
export const relu: Layer = defineLayer({
  keras: ['ReLU'],
  mask: 'passes',
  read(config): Rectifier {
    return {
      ceiling: config.raw('max_value') == null ? undefined : config.number('max_value'),
      slope: config.number('negative_slope', 0),
      threshold: config.number('threshold', 0),
    };
  },
  weights: () => ({}),
  emit: ({ config, input, ...bench }) =>
    applied(input, bench, (x, graph) => rectified(x, graph, config)),
});

/** LeakyReLU: x, or negative_slope · x below 0; 0.3 in every generation. Source: keras/src/layers/activations/leaky_relu.py. */
export const leakyRelu: Layer = defineLayer({
  keras: ['LeakyReLU'],
  mask: 'passes',
  read: (config) => config.number('negative_slope', 0.3),
  weights: () => ({}),
  emit: ({ config: alpha, input, ...bench }) =>
    applied(input, bench, (x, graph) => graph.add('LeakyRelu', [x], { alpha })),
});

/** ELU: x, or alpha · (exp(x) - 1) below 0. Source: keras/src/layers/activations/elu.py. */
export const elu: Layer = defineLayer({
  keras: ['ELU'],
  mask: 'passes',
  read: (config) => config.number('alpha', 1),
  weights: () => ({}),
  emit: ({ config: alpha, input, ...bench }) =>
    applied(input, bench, (x, graph) => graph.add('Elu', [x], { alpha })),
});

/** ThresholdedReLU: x above theta, else 0. Source: keras/layers/advanced_activations.py of Keras 2. */
export const thresholdedRelu: Layer = defineLayer({
  keras: ['ThresholdedReLU'],
  mask: 'passes',
  read: (config) => config.number('theta', 1),
  weights: () => ({}),
  emit: ({ config: alpha, input, ...bench }) =>
    applied(input, bench, (x, graph) => graph.add('ThresholdedRelu', [x], { alpha })),
});

/** ThresholdedLinear: 0 nearer to 0 than theta, else x. Source: keras/layers/advanced_activations.py of Keras 0.3. */
export const thresholdedLinear: Layer = defineLayer({
  keras: ['ThresholdedLinear'],
  mask: 'passes',
  read: (config) => config.number('theta', 1),
  weights: () => ({}),
  emit: ({ config: theta, input, ...bench }) =>
    applied(input, bench, (x, graph) => {
      const isSmall = graph.add('Less', [graph.add('Abs', [x]), graph.floats('theta', [theta])]);
      return graph.add('Where', [isSmall, graph.floats('zero', [0]), x]);
    }),
});
