import type { GraphBuilder, Node } from '../../../onnx/graph.ts';
import type { RecurrentAttributes } from '../../../onnx/ops.ts';
import type { Value } from '../../../tensor.ts';
import { lowerings } from '../../lowering.ts';
import { activations as rules } from '../activations.ts';
import { unsupportedForm } from '../rule.ts';

/** What an activation makes of numbers. */
interface Activated {
  readonly y: Value;
  /** dy times the activation's slope. */
  readonly times: (dy: Value) => Value;
}

/** An activation of a recurrent operator. */
export type Activation = (graph: GraphBuilder, x: Value) => Activated;

/** The numbers that an activation is given: `undefined` for the default. */
interface Numbers {
  readonly alpha: number | undefined;
  readonly beta: number | undefined;
}

type Named = {
  /** Which of its numbers the lists of the operator hold. */
  readonly takes: '' | 'alpha' | 'alpha beta';
  readonly make: (numbers: Numbers) => Activation;
};

/** The activations that ONNX lists for LSTM, GRU and RNN, by name in lower case. Defaults: those of their operators. */
const table: Readonly<Record<string, Named>> = {
  tanh: plain('Tanh'),
  sigmoid: plain('Sigmoid'),
  relu: plain('Relu'),
  softsign: plain('Softsign'),
  softplus: plain('Softplus'),
  elu: withAlpha('Elu', 1),
  leakyrelu: withAlpha('LeakyRelu', 0.01),
  thresholdedrelu: withAlpha('ThresholdedRelu', 1),
  hardsigmoid: {
    takes: 'alpha beta',
    make:
      ({ alpha = 0.2, beta = 0.5 }) =>
      (graph, x) =>
        activated(graph, 'HardSigmoid', graph.add('HardSigmoid', [x], { alpha, beta })),
  },
  affine: {
    takes: 'alpha beta',
    make:
      ({ alpha = 1, beta = 0 }) =>
      (graph, x) => ({
        y: plus(graph, scaled(graph, x, alpha), beta),
        times: (dy) => scaled(graph, dy, alpha),
      }),
  },
  scaledtanh: {
    takes: 'alpha beta',
    make:
      ({ alpha = 1, beta = 1 }) =>
      (graph, x) => {
        const inner = activated(graph, 'Tanh', graph.add('Tanh', [scaled(graph, x, beta)]));
        return {
          y: scaled(graph, inner.y, alpha),
          times: (dy) => scaled(graph, inner.times(dy), alpha * beta),
        };
      },
  },
};

function plain(op: 'Tanh' | 'Sigmoid' | 'Relu' | 'Softsign' | 'Softplus'): Named {
  return { takes: '', make: () => (graph, x) => activated(graph, op, graph.add(op, [x])) };
}

function withAlpha(op: 'Elu' | 'LeakyRelu' | 'ThresholdedRelu', byDefault: number): Named {
  return {
    takes: 'alpha',
    make:
      ({ alpha = byDefault }) =>
      (graph, x) =>
        activated(graph, op, graph.add(op, [x], { alpha })),
  };
}

/** An activation whose slope the table of gradients knows. */
function activated(graph: GraphBuilder, op: keyof typeof rules, y: Value): Activated {
  const node = graph.nodes.at(-1);
  if (node?.outputs[0] !== y) throw new Error(`Bug: ${op} was not the last node`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the node was added with the operator of the rule
  const rule = rules[op] as (
    node: Node,
    dy: Value,
    graph: GraphBuilder,
    context: object,
  ) => readonly (Value | undefined)[];
  return { y, times: (dy) => rule(node, dy, graph, { dys: [dy], lower: lowerings.cpu })[0] ?? dy };
}

function scaled(graph: GraphBuilder, x: Value, by: number): Value {
  return by === 1 ? x : graph.add('Mul', [x, graph.floats('scale', [by])]);
}

function plus(graph: GraphBuilder, x: Value, more: number): Value {
  return more === 0 ? x : graph.add('Add', [x, graph.floats('shift', [more])]);
}

/**
 * The activations of a node in order: those of its one direction, then those of the other.
 *
 * Its lists of alpha and beta hold numbers for those that take any, as onnxruntime reads them. Throws GRADIENT_MISSING
 * for a name that ONNX does not list.
 */
export function activationsOf(
  node: Node,
  { activations, activation_alpha = [], activation_beta = [] }: RecurrentAttributes,
): readonly Activation[] {
  const [alphas, betas] = [[...activation_alpha], [...activation_beta]];
  return activations.map((name) => {
    const named = table[name.toLowerCase()];
    if (!named) throw unsupportedForm(node, `of activation ${name}`);
    const alpha = named.takes === '' ? undefined : alphas.shift();
    const beta = named.takes === 'alpha beta' ? betas.shift() : undefined;
    return named.make({ alpha, beta });
  });
}
