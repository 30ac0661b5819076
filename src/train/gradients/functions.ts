import type { GraphBuilder } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import type { GradientRules } from './rule.ts';
import { one, where } from './rule.ts';

/** Gradients of the functions of one number that are neither arithmetic nor activations. */
export const functions = {
  Reciprocal: ({ outputs: [y] }, dy, graph) => [
    graph.add('Neg', [graph.add('Mul', [dy, graph.add('Mul', [y, y])])]),
  ],
  Sin: ({ inputs: [x] }, dy, graph) => [graph.add('Mul', [dy, graph.add('Cos', [x])])],
  Cos: ({ inputs: [x] }, dy, graph) => [
    graph.add('Neg', [graph.add('Mul', [dy, graph.add('Sin', [x])])]),
  ],
  Tan: ({ outputs: [y] }, dy, graph) => [graph.add('Mul', [dy, onePlusSquare(graph, y)])],
  Asin: ({ inputs: [x] }, dy, graph) => [graph.add('Div', [dy, root(graph, oneLess(graph, x))])],
  Acos: ({ inputs: [x] }, dy, graph) => [
    graph.add('Neg', [graph.add('Div', [dy, root(graph, oneLess(graph, x))])]),
  ],
  Atan: ({ inputs: [x] }, dy, graph) => [graph.add('Div', [dy, onePlusSquare(graph, x)])],
  Sinh: ({ inputs: [x] }, dy, graph) => [graph.add('Mul', [dy, graph.add('Cosh', [x])])],
  Cosh: ({ inputs: [x] }, dy, graph) => [graph.add('Mul', [dy, graph.add('Sinh', [x])])],
  Asinh: ({ inputs: [x] }, dy, graph) => [
    graph.add('Div', [dy, root(graph, onePlusSquare(graph, x))]),
  ],
  Acosh: ({ inputs: [x] }, dy, graph) => [
    graph.add('Div', [dy, root(graph, graph.add('Sub', [square(graph, x), one(graph)]))]),
  ],
  Atanh: ({ inputs: [x] }, dy, graph) => [graph.add('Div', [dy, oneLess(graph, x)])],
  // a - b · q, where q is the whole part of a / b: no gradient flows through q.
  Mod: ({ inputs: [a, b], attributes: { fmod } }, dy, graph) => {
    const quotient = graph.add('Div', [a, b]);
    const floor = graph.add('Floor', [quotient]);
    const isPositive = graph.add('Greater', [quotient, graph.floats('zero', [0])]);
    const whole =
      fmod === 0 ? floor : graph.add('Where', [isPositive, floor, graph.add('Ceil', [quotient])]);
    return [dy, graph.add('Neg', [graph.add('Mul', [dy, whole])])];
  },
  ReduceL2: ({ inputs: [x], outputs: [y], attributes: { axes, keepdims } }, dy, graph) => {
    const kept = (value: Value): Value =>
      keepdims === 1 ? value : graph.add('Unsqueeze', [value, graph.integers('axes', axes)]);
    const isLong = graph.add('Greater', [kept(y), graph.floats('zero', [0])]);
    return [graph.add('Mul', [x, where(graph, isLong, graph.add('Div', [kept(dy), kept(y)]))])];
  },
  ReduceLogSumExp: ({ inputs: [x], outputs: [y], attributes: { axes, keepdims } }, dy, graph) => {
    const kept = (value: Value): Value =>
      keepdims === 1 ? value : graph.add('Unsqueeze', [value, graph.integers('axes', axes)]);
    const share = graph.add('Exp', [graph.add('Sub', [x, kept(y)])]);
    return [graph.add('Mul', [share, kept(dy)])];
  },
} satisfies GradientRules;

function square(graph: GraphBuilder, x: Value): Value {
  return graph.add('Mul', [x, x]);
}

function onePlusSquare(graph: GraphBuilder, x: Value): Value {
  return graph.add('Add', [one(graph), square(graph, x)]);
}

function oneLess(graph: GraphBuilder, x: Value): Value {
  return graph.add('Sub', [one(graph), square(graph, x)]);
}

function root(graph: GraphBuilder, x: Value): Value {
  return graph.add('Sqrt', [x]);
}
