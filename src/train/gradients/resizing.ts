import type { GraphBuilder, Node } from '../../onnx/graph.ts';
import { floatSource } from '../../source.ts';
import type { Value } from '../../tensor.ts';
import { shapeList } from '../lowering/geometry.ts';
import type { GradientRules } from './rule.ts';
import { knownSize, positiveAxis, unsupportedForm } from './rule.ts';

/** Gradients of the operators that make maps larger or smaller by mixing their numbers along one axis after the other. */
export const resizing = {
  Resize: (node, dy, graph) => [
    resizeGradient(node, dy, graph),
    undefined,
    undefined,
    undefined,
    undefined,
  ],
  // What padding with zeros added is cut off; what mirrored or repeated numbers got is added back to them.
  Pad: (node, dy, graph) => {
    const sizes = node.inputs[1].constant;
    if (!sizes) throw unsupportedForm(node, 'by sizes that are only known at run time');
    const back =
      node.attributes.mode === 'constant'
        ? cut(graph, node, { dy, sizes })
        : folded(graph, node, { dy, sizes });
    return [back, undefined, undefined];
  },
} satisfies GradientRules;

function resizeGradient(node: Node<'Resize'>, dy: Value, graph: GraphBuilder): Value {
  const [x] = node.inputs;
  return x.shape.reduce((value, dim, axis) => {
    const out = dy.shape[axis];
    if (dim === out) return value;
    const [from, to] = [knownSize(node, x, axis), knownSize(node, dy, axis)];
    const factor = to / from;
    if (isRepeat(node, factor)) return summedRuns(graph, value, { axis, from, factor });
    return throughAxis(graph, value, axis, resizeMatrix(node, { from, to }));
  }, dy);
}

/** Whether each number is repeated a whole number of times: the modes differ at other factors only. */
function isRepeat({ attributes }: Node<'Resize'>, factor: number): boolean {
  if (attributes.mode !== 'nearest' || !Number.isInteger(factor)) return false;
  return attributes.coordinate_transformation_mode === 'asymmetric'
    ? attributes.nearest_mode === 'floor'
    : attributes.coordinate_transformation_mode === 'half_pixel';
}

function summedRuns(
  graph: GraphBuilder,
  value: Value,
  { axis, from, factor }: { readonly axis: number; readonly from: number; readonly factor: number },
): Value {
  const split = value.shape.toSpliced(axis, 1, from, factor);
  const runs = graph.add('Reshape', [value, shapeList(graph, split)]);
  return graph.add('ReduceSum', [runs, graph.integers('axes', [axis + 1])], { keepdims: 0 });
}

interface Sizes {
  readonly from: number;
  readonly to: number;
}

/** [to, from]: the share of each number in each number of the result. Source: the ONNX operator Resize. */
function resizeMatrix(node: Node<'Resize'>, { from, to }: Sizes): number[][] {
  const { mode, coordinate_transformation_mode: coordinates } = node.attributes;
  return Array.from({ length: to }, (_, i) => {
    const place = placeOf(i, coordinates, { from, to });
    const row = Array.from({ length: from }, () => 0);
    const add = (at: number, share: number): void => {
      const inside = Math.min(from - 1, Math.max(0, at));
      row[inside] = (row[inside] ?? 0) + share;
    };
    if (mode === 'nearest') add(nearest(place, node.attributes.nearest_mode), 1);
    else if (mode === 'cubic') {
      for (const { at, share } of cubicShares(node, place, from)) add(at, share);
    } else {
      const low = Math.floor(place);
      add(low, 1 - (place - low));
      add(low + 1, place - low);
    }
    return row;
  });
}

/** The four numbers around a place by the cubic convolution; those outside count as the edge, or not at all. */
function cubicShares(
  { attributes: { cubic_coeff_a: a = -0.75, exclude_outside: isInsideOnly = 0 } }: Node<'Resize'>,
  place: number,
  size: number,
): readonly { readonly at: number; readonly share: number }[] {
  const low = Math.floor(place);
  const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d: number): number => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  const all = [-1, 0, 1, 2].map((offset) => {
    const distance = Math.abs(place - low - offset);
    return { at: low + offset, share: distance <= 1 ? near(distance) : far(distance) };
  });
  if (isInsideOnly === 0) return all;
  const inside = all.filter(({ at }) => at >= 0 && at < size);
  const sum = inside.reduce((total, { share }) => total + share, 0);
  return inside.map(({ at, share }) => ({ at, share: share / sum }));
}

function placeOf(i: number, coordinates: string, { from, to }: Sizes): number {
  const scale = to / from;
  if (coordinates === 'align_corners') return to === 1 ? 0 : (i * (from - 1)) / (to - 1);
  return coordinates === 'asymmetric' ? i / scale : (i + 0.5) / scale - 0.5;
}

function nearest(place: number, mode = 'round_prefer_floor'): number {
  if (mode === 'floor') return Math.floor(place);
  return mode === 'round_prefer_ceil' ? Math.floor(place + 0.5) : Math.ceil(place - 0.5);
}

/** The gradient by x of y = matrix · x along an axis. */
function throughAxis(graph: GraphBuilder, dy: Value, axis: number, matrix: number[][]): Value {
  const shape = [matrix.length, matrix[0]?.length ?? 1];
  const table = graph.initializer('shares', floatSource(shape, matrix.flat()));
  const last = dy.shape.length - 1;
  const perm = dy.shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
  const moved = axis === last ? dy : graph.add('Transpose', [dy], { perm });
  const product = graph.add('MatMul', [moved, table]);
  return axis === last ? product : graph.add('Transpose', [product], { perm });
}

interface Padding {
  readonly dy: Value;
  readonly sizes: readonly number[];
}

function cut(graph: GraphBuilder, { inputs: [x] }: Node<'Pad'>, { dy, sizes }: Padding): Value {
  const rank = x.shape.length;
  const axes = x.shape.flatMap((_, axis) =>
    (sizes[axis] ?? 0) === 0 && (sizes[axis + rank] ?? 0) === 0 ? [] : [axis],
  );
  if (axes.length === 0) return dy;
  if (sizes.some((size) => size < 0)) {
    const back = sizes.map((size) => (size === 0 ? 0 : -size));
    return graph.add('Pad', [dy, graph.integers('pads', back)], { mode: 'constant' });
  }
  const last = 2 ** 31 - 1;
  const ends = axes.map((axis) => (sizes[axis + rank] ? -(sizes[axis + rank] ?? 0) : last));
  const sliced = graph.add('Slice', [
    dy,
    graph.integers(
      'starts',
      axes.map((axis) => sizes[axis] ?? 0),
    ),
    graph.integers('ends', ends),
    graph.integers('axes', axes),
  ]);
  return graph.rename(sliced, sliced.name, x.shape);
}

function folded(graph: GraphBuilder, node: Node<'Pad'>, { dy, sizes }: Padding): Value {
  const [x] = node.inputs;
  const rank = x.shape.length;
  return x.shape.reduce<Value>((value, _, axis) => {
    const [before, after] = [sizes[axis] ?? 0, sizes[axis + rank] ?? 0];
    if (before === 0 && after === 0) return value;
    const size = knownSize(node, x, positiveAxis(axis, rank));
    const matrix = Array.from({ length: before + size + after }, (__, i) => {
      const from = sourceOf(i - before, size, node.attributes.mode);
      return Array.from({ length: size }, (___, j) => +(j === from));
    });
    return throughAxis(graph, value, axis, matrix);
  }, dy);
}

/** Where the number at a place beside the map comes from. */
function sourceOf(place: number, size: number, mode: string): number {
  if (mode === 'edge') return Math.min(size - 1, Math.max(0, place));
  const period = Math.max(1, 2 * (size - 1));
  const inside = ((place % period) + period) % period;
  return inside < size ? inside : period - inside;
}
