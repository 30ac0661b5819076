import type { GraphBuilder, Node } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import { shapeList } from '../lowering/geometry.ts';
import type { GradientRules } from './rule.ts';
import { knownSize, positiveAxis, unsupportedForm, zerosLike } from './rule.ts';

/** Gradients of the operators that pick numbers by their place: what was picked is added back where it came from. */
export const gathering = {
  Gather: (node, dy, graph) => [gatherGradient(node, dy, graph), undefined],
  GatherElements: ({ inputs: [x, indices], attributes: { axis } }, dy, graph) => [
    addedBack(graph, { x, indices, dy, axis }),
    undefined,
  ],
  TopK: ({ inputs: [x], outputs: [, indices], attributes: { axis } }, dy, graph) => {
    if (!indices) throw new Error('Bug: TopK puts out indices');
    return [addedBack(graph, { x, indices, dy, axis }), undefined];
  },
} satisfies GradientRules;

function addedBack(
  graph: GraphBuilder,
  {
    x,
    indices,
    dy,
    axis,
  }: { readonly x: Value; readonly indices: Value; readonly dy: Value; readonly axis: number },
): Value {
  return graph.add('ScatterElements', [zerosLike(graph, x), indices, dy], {
    axis,
    reduction: 'add',
  });
}

/** Slices that were taken along an axis are added back as rows [taken, rest], then moved to where they lay. */
function gatherGradient(node: Node<'Gather'>, dy: Value, graph: GraphBuilder): Value {
  const [x, indices] = node.inputs;
  const axis = positiveAxis(node.attributes.axis, x.shape.length);
  const count = knownSize(node, x, axis);
  const others = x.shape.toSpliced(axis, 1);
  const open = others.find((dim) => typeof dim === 'string');
  if (open !== undefined) return fromOpen(node, dy, { graph, axis, count });
  const rest = others.map(Number);
  const width = rest.reduce((product, dim) => product * dim, 1);
  const taken = graph.add('Reshape', [indices, graph.integers('shape', [-1, 1])]);
  const rows = graph.add('Reshape', [
    toFront(graph, dy, axis, indices.shape.length),
    graph.integers('shape', [-1, width]),
  ]);
  const like = graph.add('Less', [rows, rows]);
  const wide = graph.add('Where', [like, taken, taken]);
  const zeros = graph.add('Expand', [
    graph.floats('zero', [0]),
    graph.integers('shape', [count, width]),
  ]);
  const sum = graph.add('ScatterElements', [zeros, wide, rows], { axis: 0, reduction: 'add' });
  const spread = graph.add('Reshape', [sum, graph.integers('shape', [count, ...rest])]);
  return axis === 0 ? spread : fromFront(graph, spread, axis);
}

/** Where another size is only known at run time: a product with the one-hot matrix of the indices. */
function fromOpen(
  node: Node<'Gather'>,
  dy: Value,
  {
    graph,
    axis,
    count,
  }: { readonly graph: GraphBuilder; readonly axis: number; readonly count: number },
): Value {
  const [x, indices] = node.inputs;
  const picked = indices.constant;
  if (!picked) throw unsupportedForm(node, `from [${x.shape.join(', ')}]`);
  const places = picked.map((index) => (index < 0 ? index + count : index));
  const table = Array.from({ length: count }, (_, i) => places.map((place) => +(place === i)));
  const matrix = graph.floats('places', table.flat(), [count, places.length]);
  const rank = indices.shape.length;
  const front = toFront(graph, dy, axis, rank);
  const rest = x.shape.toSpliced(axis, 1);
  const rows = graph.add('Reshape', [front, shapeList(graph, [places.length, 'rest'])]);
  const sum = graph.add('MatMul', [matrix, rows]);
  const spread = graph.add('Reshape', [sum, shapeList(graph, [count, ...rest])]);
  return axis === 0 ? spread : fromFront(graph, spread, axis);
}

/** Moves `width` axes that begin at `axis` to the front. */
function toFront(graph: GraphBuilder, x: Value, axis: number, width: number): Value {
  if (axis === 0) return x;
  const all = x.shape.map((_, i) => i);
  const moved = all.slice(axis, axis + width);
  const perm = [...moved, ...all.filter((i) => !moved.includes(i))];
  return graph.add('Transpose', [x], { perm });
}

/** Moves the first axis to `axis`. */
function fromFront(graph: GraphBuilder, x: Value, axis: number): Value {
  const others = x.shape.slice(1).map((_, i) => i + 1);
  return graph.add('Transpose', [x], { perm: others.toSpliced(axis, 0, 0) });
}
