import { permuted, reshaped } from '../../../source.ts';
import type { TensorSource, Value } from '../../../tensor.ts';
import { activated } from '../../activated.ts';
import { type Bench, defineLayer, type Layer } from '../../layer.ts';
import { channelsFirstTensor, elementwise, type KerasTensor, kerasTensor } from '../../layout.ts';
import { readActivation } from '../../read.ts';
import { channelsFirstRows } from '../../weights.ts';

/**
 * Dense: y = activation(x · kernel + bias), over the last axis.
 *
 * x [..., in] → y [..., units]; kernel [in, units]; bias [units]. After maps that were flattened in ONNX's order, the
 * rows of the kernel are put into that order instead of the maps into Keras'; on maps it is a convolution with a
 * window of 1. Source: keras/src/layers/core/dense.py.
 */
export const dense: Layer = defineLayer({
  keras: ['Dense'],
  mask: 'passes',
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
    const bias = weights.bias && parameter('bias', weights.bias);
    // Behind a recurrent layer, the steps stay first.
    const x = input.layout.kind === 'directions' ? bench.layouts.timeFirst(input) : input;
    const product = productOf(x, { kernel: weights.kernel, bias, parameter }, bench);
    return activated(product, config.activation, bench);
  },
});

interface Factors {
  readonly kernel: TensorSource;
  readonly bias: Value | undefined;
  readonly parameter: (name: string, source: TensorSource, form?: string) => Value;
}

function productOf(input: KerasTensor, factors: Factors, bench: Bench): KerasTensor {
  const { graph, layouts } = bench;
  const { kernel, parameter } = factors;
  switch (input.layout.kind) {
    case 'channelsFirst':
      return asConvolution(layouts.padded(input), factors, bench);
    case 'flat': {
      const { from } = input.layout;
      const rows = parameter('kernel', channelsFirstRows(kernel, from), String(from));
      return gemm(input.value, rows, factors.bias, bench);
    }
    case 'timeFirst': {
      const y = onLastAxis(input.value, parameter('kernel', kernel), factors.bias, bench);
      // oxlint-disable-next-line unicorn/no-confusing-array-with -- the last axis, whatever the rank
      const shape = input.shape.with(-1, kernel.shape[1] ?? 1);
      return { ...elementwise(input, y), shape };
    }
    default: {
      const x = layouts.keras(input).value;
      const columns = parameter('kernel', kernel);
      return x.shape.length === 2
        ? gemm(x, columns, factors.bias, bench)
        : kerasTensor(onLastAxis(x, columns, factors.bias, { graph }));
    }
  }
}

function gemm(x: Value, kernel: Value, bias: Value | undefined, { graph }: Bench): KerasTensor {
  return kerasTensor(graph.add('Gemm', bias ? [x, kernel, bias] : [x, kernel], {}));
}

function onLastAxis(
  x: Value,
  kernel: Value,
  bias: Value | undefined,
  { graph }: Pick<Bench, 'graph'>,
): Value {
  const product = graph.add('MatMul', [x, kernel]);
  return bias ? graph.add('Add', [product, bias]) : product;
}

function asConvolution(
  { value }: KerasTensor,
  { kernel, bias, parameter }: Factors,
  { graph }: Bench,
): KerasTensor {
  const ones = value.shape.slice(2).map(() => 1);
  const [inputs = 1, units = 1] = kernel.shape;
  const source = reshaped(permuted(kernel, [1, 0]), [units, inputs, ...ones]);
  const weight = parameter('kernel', source, 'convolution');
  const window = {
    kernel_shape: ones,
    strides: ones,
    pads: [...ones, ...ones].map(() => 0),
    dilations: ones,
    group: 1,
  };
  return channelsFirstTensor(
    graph.add('Conv', bias ? [value, weight, bias] : [value, weight], window),
  );
}
