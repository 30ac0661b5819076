import type { GraphBuilder, Node } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import type { GradientRules } from './rule.ts';
import { unsupportedForm } from './rule.ts';

/** Gradients of the operators that only move numbers: each is undone by its opposite. */
export const shapes = {
  Reshape: (node, dy, graph) => [shapedLike(graph, node, dy), undefined],
  Flatten: (node, dy, graph) => [shapedLike(graph, node, dy)],
  Unsqueeze: ({ inputs: [, axes] }, dy, graph) => [graph.add('Squeeze', [dy, axes]), undefined],
  Squeeze: ({ inputs: [, axes] }, dy, graph) => [graph.add('Unsqueeze', [dy, axes]), undefined],
  Transpose: ({ attributes: { perm } }, dy, graph) => [
    graph.add('Transpose', [dy], { perm: perm.map((_, axis) => perm.indexOf(axis)) }),
  ],
  Expand: (_, dy) => [dy, undefined],
  Concat: (node, dy, graph) => {
    const [first, ...others] = node.inputs;
    const axis = positiveAxis(node.attributes.axis, first.shape.length);
    let start = 0;
    const part = (input: Value): Value => {
      const from = start;
      start += knownSize(node, input, axis);
      const range = [graph.integers('start', [from]), graph.integers('end', [start])] as const;
      return graph.add('Slice', [dy, ...range, graph.integers('axes', [axis])]);
    };
    return [part(first), ...others.map(part)];
  },
  Slice: (node, dy, graph) => [
    sliceGradient(node, dy, graph),
    undefined,
    undefined,
    undefined,
    undefined,
  ],
  // Padding with what was cut off, or cutting off what was padded, is a padding by the opposite sizes.
  Pad: (node, dy, graph) => {
    const sizes = node.inputs[1].constant;
    if (node.attributes.mode !== 'constant' || !sizes) {
      throw unsupportedForm(node, `of mode ${node.attributes.mode}`);
    }
    const back = graph.integers('pads', sizes.map(negative));
    return [graph.add('Pad', [dy, back], { mode: 'constant' }), undefined, undefined];
  },
  Gather: (node, dy, graph) => [gatherGradient(node, dy, graph), undefined],
} satisfies GradientRules;

// -0 would become another constant than 0.
const negative = (size: number): number => (size === 0 ? 0 : -size);

function positiveAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

function knownSize(node: Node, value: Value, axis: number): number {
  const size = value.shape[axis];
  if (typeof size === 'number') return size;
  throw unsupportedForm(node, `along axis ${axis}, whose size is only known at run time,`);
}

/** dy in the shape of the node's first input; at most one size may be unknown that dy does not have in the same place. */
function shapedLike(graph: GraphBuilder, node: Node, dy: Value): Value {
  const { shape } = node.inputs[0];
  let isOpen = false;
  const target = shape.map((dim, axis) => {
    if (typeof dim === 'number') return dim;
    if (dy.shape[axis] === dim) return 0;
    if (isOpen) throw unsupportedForm(node, `from [${shape.join(', ')}]`);
    isOpen = true;
    return -1;
  });
  return graph.add('Reshape', [dy, graph.integers('shape', target)]);
}

function sliceGradient(node: Node<'Slice'>, dy: Value, graph: GraphBuilder): Value {
  const [x, starts, ends, axes, steps] = node.inputs;
  const rank = x.shape.length;
  const pads: number[] = Array.from({ length: 2 * rank }, () => 0);
  const reversed: number[] = [];
  const from = starts.constant;
  const to = ends.constant;
  if (!from || !to) throw unsupportedForm(node, 'with bounds that are only known at run time');
  from.forEach((start, i) => {
    const axis = positiveAxis(axes?.constant?.[i] ?? i, rank);
    const step = steps?.constant?.[i] ?? 1;
    if (Math.abs(step) !== 1) throw unsupportedForm(node, `with step ${step}`);
    const size = knownSize(node, x, axis);
    const [low, high] = sliceBounds(size, { start, end: to[i] ?? size, step });
    pads[axis] = low;
    pads[axis + rank] = size - high;
    if (step < 0) reversed.push(axis);
  });
  const ordered = reversed.length === 0 ? dy : flipped(graph, dy, reversed);
  return graph.add('Pad', [ordered, graph.integers('pads', pads)], { mode: 'constant' });
}

interface SliceRange {
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** First and one past the last index that a slice takes, counted forwards. */
function sliceBounds(size: number, { start, end, step }: SliceRange): [number, number] {
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? size : size - 1;
  const clamp = (at: number): number => Math.min(high, at < 0 ? Math.max(at + size, low) : at);
  const [a, b] = [clamp(start), clamp(end)];
  return step > 0 ? [a, Math.max(a, b)] : [Math.min(a, b) + 1, a + 1];
}

function flipped(graph: GraphBuilder, x: Value, axes: readonly number[]): Value {
  const all = (number: number): number[] => axes.map(() => number);
  const lowest = -(2 ** 31);
  return graph.add('Slice', [
    x,
    graph.integers('starts', all(-1)),
    graph.integers('ends', all(lowest)),
    graph.integers('axes', axes),
    graph.integers('steps', all(-1)),
  ]);
}

/** Rows that were taken are added back where they came from: a product with the one-hot matrix [rows, taken]. */
function gatherGradient(node: Node<'Gather'>, dy: Value, graph: GraphBuilder): Value {
  const [x, indices] = node.inputs;
  if (node.attributes.axis !== 0) throw unsupportedForm(node, `along axis ${node.attributes.axis}`);
  const count = knownSize(node, x, 0);
  const width = x.shape.slice(1).map((_, axis) => knownSize(node, x, axis + 1));
  const size = width.reduce((product, dim) => product * dim, 1);
  const taken = graph.add('Reshape', [indices, graph.integers('shape', [1, -1])]);
  const isNegative = graph.add('Less', [taken, graph.integers('zero', [0], [])]);
  const wrapped = graph.add('Add', [taken, graph.integers('count', [count], [])]);
  const places = graph.add('Where', [isNegative, wrapped, taken]);
  const numbers = Array.from({ length: count }, (_, i) => i);
  const oneHot = graph.add('Equal', [graph.integers('numbers', numbers, [count, 1]), places]);
  const weights = graph.add('Cast', [oneHot], { to: 'float32' });
  const rows = graph.add('Reshape', [dy, graph.integers('shape', [-1, size])]);
  const sum = graph.add('MatMul', [weights, rows]);
  return graph.add('Reshape', [sum, graph.integers('shape', [count, ...width])]);
}
