import { table } from '../keras/config.ts';
import type { Generation } from '../keras/model.ts';
import type { GraphBuilder } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';
import { integers } from './layout.ts';
import { hardSigmoidSlope } from './origin.ts';
import { type Rectifier, rectified } from './rectifier.ts';

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
  hard_sigmoid: ({ x, graph, generation }) =>
    graph.add('HardSigmoid', [x], { alpha: hardSigmoidSlope(generation), beta: 0.5 }),
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
  celu: ({ x, graph }) => graph.add('Elu', [x], { alpha: 1 }),
  glu: ({ x, graph, lastAxis }) => {
    const half = Number(x.shape[lastAxis] ?? 2) / 2;
    const [a, b = a] = graph.addAll('Split', [x, integers(graph, 'split', [half, half])], {
      axis: lastAxis,
    });
    return graph.add('Mul', [a, graph.add('Sigmoid', [b])]);
  },
  squareplus: ({ x, graph }) => {
    const inner = graph.add('Add', [graph.add('Mul', [x, x]), graph.floats('four', [4])]);
    const sum = graph.add('Add', [x, graph.add('Sqrt', [inner])]);
    return graph.add('Mul', [sum, graph.floats('half', [0.5])]);
  },
  // 0 below -1, (x + 1)² / 4 up to 1, x above: x's part above 1, and a quarter of a square of the part within.
  sparse_plus: ({ x, graph }) => {
    const within = graph.add('Add', [clipped(x, graph), graph.floats('one', [1])]);
    const square = graph.add('Mul', [graph.add('Mul', [within, within]), quarter(graph)]);
    const above = graph.add('Relu', [graph.add('Sub', [x, graph.floats('one', [1])])]);
    return graph.add('Add', [square, above]);
  },
  sparse_sigmoid: ({ x, graph }) => graph.add('HardSigmoid', [x], { alpha: 0.5, beta: 0.5 }),
  soft_shrink: ({ x, graph }) =>
    graph.add('Sub', [
      x,
      graph.add('Clip', [x, graph.floats('minus_half', [-0.5]), graph.floats('half', [0.5])]),
    ]),
  hard_shrink: ({ x, graph }) => {
    const isLarge = graph.add('Greater', [graph.add('Abs', [x]), graph.floats('half', [0.5])]);
    return graph.add('Where', [isLarge, x, graph.floats('zero', [0])]);
  },
  sparsemax: (activation) => sparsemax(activation),
} as const satisfies Record<string, (activation: Activation) => Value>;

const six = (graph: GraphBuilder): Value => graph.floats('six', [6]);
const quarter = (graph: GraphBuilder): Value => graph.floats('quarter', [0.25]);

function clipped(x: Value, graph: GraphBuilder): Value {
  return graph.add('Clip', [x, graph.floats('minus_one', [-1]), graph.floats('one', [1])]);
}

/**
 * max(x - t, 0). In falling order the first k numbers count for which 1 + k · x_k is more than their sum.
 *
 * Keras takes for t the sum of the *running* sums of those, less 1, over k, where the published sparsemax takes the sum
 * of the numbers; the models were trained with Keras'. Source: sparsemax in keras/src/backend/tensorflow/nn.py.
 */
function sparsemax({ x, graph, lastAxis }: Activation): Value {
  const size = Number(x.shape[lastAxis] ?? 1);
  const [sorted] = graph.addAll('TopK', [x, integers(graph, 'k', [size])], {
    axis: lastAxis,
    largest: 1,
    sorted: 1,
  });
  const shape = x.shape.slice(lastAxis).map((_, i) => (i === 0 ? size : 1));
  const ranks = graph.floats(
    'ranks',
    Array.from({ length: size }, (_, i) => i + 1),
    shape,
  );
  const sums = graph.add('CumSum', [sorted, graph.integers('axis', [lastAxis], [])], {});
  const reach = graph.add('Add', [graph.add('Mul', [sorted, ranks]), graph.floats('one', [1])]);
  const counts = graph.add('Cast', [graph.add('Greater', [reach, sums])], { to: 'float32' });
  const axes = integers(graph, 'axes', [lastAxis]);
  const total = graph.add('ReduceSum', [graph.add('Mul', [sums, counts]), axes], { keepdims: 1 });
  const count = graph.add('ReduceSum', [counts, axes], { keepdims: 1 });
  const over = graph.add('Sub', [total, graph.floats('one', [1])]);
  return graph.add('Relu', [graph.add('Sub', [x, graph.add('Div', [over, count])])]);
}

export type ActivationName = keyof typeof activations;

/** An activation by its name, or a layer of activation with its own numbers, which files may hold in a name's place. */
export type ActivationSpec =
  | ActivationName
  | { readonly is: 'rectifier'; readonly rectifier: Rectifier }
  | { readonly is: 'elu'; readonly alpha: number };

/** Adds the nodes of an activation. */
export function activate(spec: ActivationSpec, activation: Activation): Value {
  if (typeof spec === 'string') return activations[spec](activation);
  const { x, graph } = activation;
  return spec.is === 'elu'
    ? graph.add('Elu', [x], { alpha: spec.alpha })
    : rectified(x, graph, spec.rectifier);
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.keys forgets the keys of a constant table
export const activationNames = Object.keys(activations) as ActivationName[];

/** Other spellings of the same. */
const aliases = table<ActivationName>({
  swish: 'silu',
  hard_swish: 'hard_silu',
  sparse_softmax: 'sparsemax',
  logsoftmax: 'log_softmax',
});

/** The row for a name as a file spells it; `undefined` when there is none. */
export function activationNamed(name: string): ActivationName | undefined {
  return activationNames.find((known) => known === name) ?? aliases[name];
}
