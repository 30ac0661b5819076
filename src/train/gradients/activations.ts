import type { GraphBuilder } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import type { GradientRules } from './rule.ts';
import { where, whereNot, zero } from './rule.ts';

/** Gradients of the activations. Where one depends on the sign, 0 counts as not positive, as in TensorFlow. */
export const activations = {
  // By the output, not the input, so that the input need not be kept.
  Relu: ({ outputs: [y] }, dy, graph) => [where(graph, positive(graph, y), dy)],
  Sigmoid: ({ outputs: [y] }, dy, graph) => {
    const rest = graph.add('Sub', [graph.floats('one', [1]), y]);
    return [graph.add('Mul', [dy, graph.add('Mul', [y, rest])])];
  },
  Tanh: ({ outputs: [y] }, dy, graph) => {
    const rest = graph.add('Sub', [graph.floats('one', [1]), graph.add('Mul', [y, y])]);
    return [graph.add('Mul', [dy, rest])];
  },
  Softplus: ({ inputs: [x] }, dy, graph) => [graph.add('Mul', [dy, graph.add('Sigmoid', [x])])],
  Softsign: ({ inputs: [x] }, dy, graph) => {
    const root = graph.add('Add', [graph.floats('one', [1]), graph.add('Abs', [x])]);
    return [graph.add('Div', [dy, graph.add('Mul', [root, root])])];
  },
  Elu: ({ inputs: [x], outputs: [y], attributes: { alpha } }, dy, graph) => {
    const slope = graph.add('Add', [y, graph.floats('alpha', [alpha])]);
    return [graph.add('Where', [positive(graph, x), dy, graph.add('Mul', [dy, slope])])];
  },
  Selu: ({ inputs: [x], outputs: [y], attributes: { alpha, gamma } }, dy, graph) => {
    const right = graph.add('Mul', [dy, graph.floats('gamma', [gamma])]);
    const slope = graph.add('Add', [y, graph.floats('alpha_gamma', [alpha * gamma])]);
    return [graph.add('Where', [positive(graph, x), right, graph.add('Mul', [dy, slope])])];
  },
  LeakyRelu: ({ inputs: [x], attributes: { alpha } }, dy, graph) => {
    const left = graph.add('Mul', [dy, graph.floats('alpha', [alpha])]);
    return [graph.add('Where', [positive(graph, x), dy, left])];
  },
  ThresholdedRelu: ({ inputs: [x], attributes: { alpha } }, dy, graph) => [
    where(graph, graph.add('Greater', [x, graph.floats('alpha', [alpha])]), dy),
  ],
  HardSigmoid: ({ outputs: [y], attributes: { alpha } }, dy, graph) => {
    const below = graph.add('Less', [y, graph.floats('one', [1])]);
    const inside = graph.add('And', [positive(graph, y), below]);
    return [where(graph, inside, graph.add('Mul', [dy, graph.floats('alpha', [alpha])]))];
  },
  PRelu: ({ inputs: [x, slope] }, dy, graph) => {
    const right = positive(graph, x);
    return [
      graph.add('Where', [right, dy, graph.add('Mul', [dy, slope])]),
      whereNot(graph, right, graph.add('Mul', [dy, x])),
    ];
  },
  Softmax: ({ outputs: [y], attributes: { axis } }, dy, graph) => {
    const product = graph.add('Mul', [dy, y]);
    const sum = graph.add('ReduceSum', [product, graph.integers('axes', [axis])], { keepdims: 1 });
    return [graph.add('Sub', [product, graph.add('Mul', [y, sum])])];
  },
  LogSoftmax: ({ outputs: [y], attributes: { axis } }, dy, graph) => {
    const sum = graph.add('ReduceSum', [dy, graph.integers('axes', [axis])], { keepdims: 1 });
    return [graph.add('Sub', [dy, graph.add('Mul', [graph.add('Exp', [y]), sum])])];
  },
} satisfies GradientRules;

function positive(graph: GraphBuilder, x: Value): Value {
  return graph.add('Greater', [x, zero(graph)]);
}
