import type { GraphBuilder, Node } from '../../onnx/graph.ts';
import type { Dim, Value } from '../../tensor.ts';
import { type Placement, placed, shapeList } from '../lowering/geometry.ts';
import type { GradientRules } from './rule.ts';
import { knownSize, positiveAxis, unsupportedForm, zerosLike } from './rule.ts';

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
  Split: ({ outputs, attributes: { axis } }, _, graph, { dys }) => {
    const [first, ...others] = outputs.map((output, i) => dys[i] ?? zerosLike(graph, output));
    if (!first) throw new Error('Bug: a Split puts out at least one part');
    return [graph.add('Concat', [first, ...others], { axis }), undefined];
  },
  Tile: (node, dy, graph) => [tileGradient(node, dy, graph), undefined],
  CumSum: ({ inputs: [, axis], attributes: { exclusive = 0, reverse = 0 } }, dy, graph) => [
    graph.add('CumSum', [dy, axis], { exclusive, reverse: reverse === 1 ? 0 : 1 }),
    undefined,
  ],
  Trilu: ({ inputs: [, diagonal], attributes: { upper } }, dy, graph) => [
    graph.add('Trilu', diagonal ? [dy, diagonal] : [dy], { upper }),
    undefined,
  ],
  SpaceToDepth: ({ attributes: { blocksize } }, dy, graph) => [
    graph.add('DepthToSpace', [dy], { blocksize, mode: 'DCR' }),
  ],
  DepthToSpace: ({ inputs: [x], attributes: { blocksize, mode } }, dy, graph) => {
    const blocks = graph.add('SpaceToDepth', [dy], { blocksize });
    if (mode === 'DCR') return [blocks];
    // SpaceToDepth puts the place in the block before the channel, the mode CRD after it.
    const [, channels = 1, ...space] = x.shape;
    const places = blocksize ** 2;
    const split = ['n', places, Number(channels) / places, ...space];
    const apart = graph.add('Reshape', [blocks, shapeList(graph, split)]);
    const turned = graph.add('Transpose', [apart], { perm: [0, 2, 1, 3, 4] });
    return [graph.add('Reshape', [turned, shapeList(graph, x.shape)])];
  },
} satisfies GradientRules;

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
  const from = starts.constant;
  const to = ends.constant;
  if (!from || !to) throw unsupportedForm(node, 'with bounds that are only known at run time');
  const reversed: number[] = [];
  const places = from.flatMap((start, i): Placement[] => {
    const axis = positiveAxis(axes?.constant?.[i] ?? i, x.shape.length);
    const step = steps?.constant?.[i] ?? 1;
    const end = to[i] ?? largest;
    if (start === 0 && step === 1 && end >= largest) return [];
    if (step < 0) reversed.push(axis);
    const size = knownSize(node, x, axis);
    return [{ axis, step: Math.abs(step), size, start: firstOf({ start, step, size }, dy, axis) }];
  });
  const ordered = reversed.length === 0 ? dy : flipped(graph, dy, reversed);
  return placed(graph, ordered, places);
}

/** Ends from here on mean the end of the axis. */
const largest = 2 ** 31 - 1;

/** The lowest index that a slice took. */
function firstOf(
  { start, step, size }: { readonly start: number; readonly step: number; readonly size: number },
  dy: Value,
  axis: number,
): number {
  const high = step > 0 ? size : size - 1;
  const first = Math.min(high, Math.max(0, start < 0 ? start + size : start));
  return step > 0 ? first : first + step * (Number(dy.shape[axis]) - 1);
}

/** A value the other way round along some axes. */
export function flipped(graph: GraphBuilder, x: Value, axes: readonly number[]): Value {
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

/** The sum over the repetitions. */
function tileGradient(node: Node<'Tile'>, dy: Value, graph: GraphBuilder): Value {
  const [x, repeats] = node.inputs;
  const counts = repeats.constant;
  if (!counts) throw unsupportedForm(node, 'a number of times that is only known at run time');
  const axes: number[] = [];
  const split: Dim[] = [];
  x.shape.forEach((dim, axis) => {
    const count = counts[axis] ?? 1;
    if (count > 1) {
      axes.push(split.length);
      split.push(count);
    }
    split.push(dim);
  });
  if (axes.length === 0) return dy;
  const apart = graph.add('Reshape', [dy, shapeList(graph, split)]);
  return graph.add('ReduceSum', [apart, graph.integers('axes', axes)], { keepdims: 0 });
}
