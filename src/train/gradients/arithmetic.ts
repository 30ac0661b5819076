import type { DType } from '../../tensor.ts';
import type { GradientRules } from './rule.ts';
import { where, whereNot, zero } from './rule.ts';

const floats: ReadonlySet<DType> = new Set<DType>(['float32', 'float64', 'float16', 'bfloat16']);

/** Gradients of the operators that work number by number, without being activations. */
export const arithmetic = {
  Add: (_, dy) => [dy, dy],
  Sub: (_, dy, graph) => [dy, graph.add('Neg', [dy])],
  Mul: ({ inputs: [a, b] }, dy, graph) => [graph.add('Mul', [dy, b]), graph.add('Mul', [dy, a])],
  Div: ({ inputs: [, b], outputs: [y] }, dy, graph) => {
    const da = graph.add('Div', [dy, b]);
    return [da, graph.add('Neg', [graph.add('Mul', [da, y])])];
  },
  Pow: ({ inputs: [a, b], outputs: [y] }, dy, graph) => {
    const lower = graph.add('Pow', [a, graph.add('Sub', [b, graph.floats('one', [1])])]);
    const da = graph.add('Mul', [dy, graph.add('Mul', [b, lower])]);
    // TensorFlow too lets no gradient reach the exponent of a base that has no logarithm.
    const log = where(graph, graph.add('Greater', [a, zero(graph)]), graph.add('Log', [a]));
    return [da, graph.add('Mul', [dy, graph.add('Mul', [y, log])])];
  },
  // Of two equal numbers the first gets the gradient, as in TensorFlow.
  Max: ({ inputs: [a, b] }, dy, graph) => {
    const less = graph.add('Less', [a, b]);
    return [whereNot(graph, less, dy), where(graph, less, dy)];
  },
  Min: ({ inputs: [a, b] }, dy, graph) => {
    const greater = graph.add('Greater', [a, b]);
    return [whereNot(graph, greater, dy), where(graph, greater, dy)];
  },
  Neg: (_, dy, graph) => [graph.add('Neg', [dy])],
  Abs: ({ inputs: [x] }, dy, graph) => {
    const positive = where(graph, graph.add('Greater', [x, zero(graph)]), dy);
    const negative = where(graph, graph.add('Less', [x, zero(graph)]), dy);
    return [graph.add('Sub', [positive, negative])];
  },
  Exp: ({ outputs: [y] }, dy, graph) => [graph.add('Mul', [dy, y])],
  Log: ({ inputs: [x] }, dy, graph) => [graph.add('Div', [dy, x])],
  Sqrt: ({ outputs: [y] }, dy, graph) => [
    graph.add('Div', [dy, graph.add('Mul', [graph.floats('two', [2]), y])]),
  ],
  Erf: ({ inputs: [x] }, dy, graph) => {
    const bell = graph.add('Exp', [graph.add('Neg', [graph.add('Mul', [x, x])])]);
    const slope = graph.floats('two_over_sqrt_pi', [2 / Math.sqrt(Math.PI)]);
    return [graph.add('Mul', [dy, graph.add('Mul', [slope, bell])])];
  },
  // At the bounds themselves the gradient passes, as in TensorFlow and Theano.
  Clip: ({ inputs: [x, low, high] }, dy, graph) => {
    const below = graph.add('Less', [x, low]);
    const above = graph.add('Greater', [x, high]);
    return [
      whereNot(graph, below, whereNot(graph, above, dy)),
      where(graph, below, dy),
      where(graph, above, dy),
    ];
  },
  Identity: (_, dy) => [dy],
  Cast: ({ inputs: [x], attributes: { to } }, dy, graph) => {
    if (!floats.has(x.dtype) || !floats.has(to)) return [undefined];
    return [graph.add('Cast', [dy], { to: x.dtype })];
  },
  Where: ({ inputs: [condition] }, dy, graph) => [
    undefined,
    where(graph, condition, dy),
    whereNot(graph, condition, dy),
  ],
} satisfies GradientRules;
