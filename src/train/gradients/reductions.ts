import type { GraphBuilder } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import type { GradientRules } from './rule.ts';

/** Gradients of sums, means, products and maxima. Equal maxima share the gradient, as in TensorFlow. */
export const reductions = {
  ReduceSum: ({ inputs: [x, axes], attributes: { keepdims } }, dy, graph) => [
    spread(graph, kept(graph, dy, axes.constant ?? [], keepdims), x),
    undefined,
  ],
  ReduceMean: ({ inputs: [x], attributes: { axes, keepdims } }, dy, graph) => {
    const share = graph.add('Div', [dy, countAlong(graph, x, axes)]);
    return [spread(graph, kept(graph, share, axes, keepdims), x)];
  },
  ReduceMax: ({ inputs: [x], outputs: [y], attributes: { axes, keepdims } }, dy, graph) => [
    shareOfMaxima(graph, x, axes, {
      y: kept(graph, y, axes, keepdims),
      dy: kept(graph, dy, axes, keepdims),
    }),
  ],
  ReduceMin: ({ inputs: [x], outputs: [y], attributes: { axes, keepdims } }, dy, graph) => [
    shareOfMaxima(graph, x, axes, {
      y: kept(graph, y, axes, keepdims),
      dy: kept(graph, dy, axes, keepdims),
    }),
  ],
  ReduceProd: ({ inputs: [x], attributes: { axes, keepdims } }, dy, graph) => [
    productOfOthers(graph, x, axes, kept(graph, dy, axes, keepdims)),
  ],
  GlobalAveragePool: ({ inputs: [x] }, dy, graph) => {
    const share = graph.add('Div', [dy, countAlong(graph, x, spatialAxes(x))]);
    return [spread(graph, share, x)];
  },
  GlobalMaxPool: ({ inputs: [x], outputs: [y] }, dy, graph) => [
    shareOfMaxima(graph, x, spatialAxes(x), { y, dy }),
  ],
} satisfies GradientRules;

function spatialAxes(x: Value): number[] {
  return x.shape.flatMap((_, axis) => (axis < 2 ? [] : [axis]));
}

/** The reduced value with its reduced axes of size 1 restored. */
function kept(graph: GraphBuilder, value: Value, axes: readonly number[], keepdims: 0 | 1): Value {
  if (keepdims === 1) return value;
  return graph.add('Unsqueeze', [value, graph.integers('axes', axes)]);
}

/** The value stretched to the shape of x. */
function spread(graph: GraphBuilder, value: Value, x: Value): Value {
  const sizes = x.shape.filter((dim) => typeof dim === 'number');
  if (sizes.length === x.shape.length) {
    return graph.add('Expand', [value, graph.integers('shape', sizes)]);
  }
  // A choice between the value and itself has the shape of its condition, without anyone knowing that shape beforehand.
  return graph.add('Where', [graph.add('Less', [x, x]), value, value]);
}

/** How many numbers lie along some axes of x, as a float32 scalar; sizes only known at run time are read there. */
export function countAlong(graph: GraphBuilder, x: Value, axes: readonly number[]): Value {
  const dims = axes.map((axis) => [axis, x.shape.at(axis)] as const);
  const known = dims.reduce((n, [, dim]) => (typeof dim === 'number' ? n * dim : n), 1);
  let count = graph.floats('count', [known]);
  for (const [axis, dim] of dims) {
    if (typeof dim === 'number') continue;
    const at = graph.integers('axis', [axis < 0 ? axis + x.shape.length : axis], []);
    const size = graph.add('Gather', [graph.add('Shape', [x]), at], { axis: 0 });
    const float = graph.add('Cast', [size], { to: 'float32' });
    count = known === 1 && count.constant ? float : graph.add('Mul', [count, float]);
  }
  return count;
}

/**
 * dy times the product of the other numbers along the axes.
 *
 * That is the product of all that are not 0, divided by the number itself if it is not 0: as long as no other one is 0.
 */
function productOfOthers(graph: GraphBuilder, x: Value, axes: readonly number[], dy: Value): Value {
  const none = graph.floats('zero', [0]);
  const one = graph.floats('one', [1]);
  const isZero = graph.add('Equal', [x, none]);
  const factors = graph.add('Where', [isZero, one, x]);
  const product = graph.add('ReduceProd', [factors], { axes, keepdims: 1 });
  const zeros = graph.add('Cast', [isZero], { to: 'float32' });
  const all = graph.add('ReduceSum', [zeros, graph.integers('axes', axes)], { keepdims: 1 });
  const others = graph.add('Greater', [graph.add('Sub', [all, zeros]), none]);
  const share = graph.add('Div', [graph.add('Mul', [dy, product]), factors]);
  return graph.add('Where', [others, none, share]);
}

function shareOfMaxima(
  graph: GraphBuilder,
  x: Value,
  axes: readonly number[],
  { y, dy }: { readonly y: Value; readonly dy: Value },
): Value {
  const isMaximum = graph.add('Cast', [graph.add('Equal', [x, y])], { to: 'float32' });
  const ties = graph.add('ReduceSum', [isMaximum, graph.integers('axes', axes)], { keepdims: 1 });
  return graph.add('Mul', [isMaximum, graph.add('Div', [dy, ties])]);
}
