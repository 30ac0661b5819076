import type { Generation } from '../keras/model.ts';
import type { GraphBuilder } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';

interface Activation {
  readonly x: Value;
  readonly graph: GraphBuilder;
  /** Axis of the value that is Keras' last. */
  readonly lastAxis: number;
  readonly generation: Generation;
}

/** Keras activation names and the ONNX nodes that compute them. Source: keras/src/activations/activations.py. */
export const activations = {
  linear: ({ x }) => x,
  relu: ({ x, graph }) => graph.add('Relu', [x]),
  relu6: ({ x, graph }) => graph.add('Clip', [x, graph.floats('zero', [0]), six(graph)]),
  softmax: ({ x, graph, lastAxis }) => graph.add('Softmax', [x], { axis: lastAxis }),
  log_softmax: ({ x, graph, lastAxis }) => graph.add('LogSoftmax', [x], { axis: lastAxis }),
  sigmoid: ({ x, graph }) => graph.add('Sigmoid', [x]),
  tanh: ({ x, graph }) => graph.add('Tanh', [x]),
  softplus: ({ x, graph }) => graph.add('Softplus', [x]),
  softsign: ({ x, graph }) => graph.add('Softsign', [x]),
  exponential: ({ x, graph }) => graph.add('Exp', [x]),
  elu: ({ x, graph }) => graph.add('Elu', [x], { alpha: 1 }),
  selu: ({ x, graph }) =>
    graph.add('Selu', [x], { alpha: 1.6732632423543772, gamma: 1.0507009873554805 }),
  // Keras 3 alone takes relu6(x + 3) / 6; the same name meant clip(0.2 x + 0.5, 0, 1) until tf.keras 2.15.
  hard_sigmoid: ({ x, graph, generation }) =>
    graph.add('HardSigmoid', [x], { alpha: generation === 'Keras 3' ? 1 / 6 : 0.2, beta: 0.5 }),
  silu: ({ x, graph }) => graph.add('Mul', [x, graph.add('Sigmoid', [x])]),
  hard_silu: ({ x, graph }) =>
    graph.add('Mul', [x, graph.add('HardSigmoid', [x], { alpha: 1 / 6, beta: 0.5 })]),
  gelu: ({ x, graph }) => {
    const scaled = graph.add('Mul', [x, graph.floats('half_root', [Math.SQRT1_2])]);
    const spread = graph.add('Add', [graph.add('Erf', [scaled]), graph.floats('one', [1])]);
    return graph.add('Mul', [graph.add('Mul', [x, graph.floats('half', [0.5])]), spread]);
  },
  mish: ({ x, graph }) => graph.add('Mul', [x, graph.add('Tanh', [graph.add('Softplus', [x])])]),
  leaky_relu: ({ x, graph }) => graph.add('LeakyRelu', [x], { alpha: 0.2 }),
  log_sigmoid: ({ x, graph }) => graph.add('Neg', [graph.add('Softplus', [graph.add('Neg', [x])])]),
  hard_tanh: ({ x, graph }) =>
    graph.add('Clip', [x, graph.floats('minus_one', [-1]), graph.floats('one', [1])]),
  tanh_shrink: ({ x, graph }) => graph.add('Sub', [x, graph.add('Tanh', [x])]),
} as const satisfies Record<string, (activation: Activation) => Value>;

const six = (graph: GraphBuilder): Value => graph.floats('six', [6]);

export type ActivationName = keyof typeof activations;

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.keys forgets the keys of a constant table
export const activationNames = Object.keys(activations) as ActivationName[];

/** Other spellings of the same. */
const aliases: Readonly<Record<string, ActivationName>> = {
  swish: 'silu',
  hard_swish: 'hard_silu',
  logsoftmax: 'log_softmax',
};

/** The row for a name as a file spells it; `undefined` when there is none. */
export function activationNamed(name: string): ActivationName | undefined {
  return activationNames.find((known) => known === name) ?? aliases[name];
}
