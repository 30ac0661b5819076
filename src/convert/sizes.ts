import type { GraphBuilder } from '../onnx/graph.ts';
import type { Dim, Value } from '../tensor.ts';
import { integers } from './layout.ts';

/** The size of an axis as an int64 list of one: a constant where it is known, else found out when the graph runs. */
export function sizeAlong(graph: GraphBuilder, value: Value, axis: number): Value {
  const size = value.shape[axis] ?? 1;
  if (typeof size === 'number') return integers(graph, 'size', [size]);
  return graph.add('Gather', [graph.add('Shape', [value]), integers(graph, 'indices', [axis])], {
    axis: 0,
  });
}

/** An int64 list of sizes; those that are open are looked up, by their names, in the shapes of `sources`. */
export function sizesOf(
  graph: GraphBuilder,
  dims: readonly Dim[],
  sources: readonly Value[],
): Value {
  if (dims.every((dim) => typeof dim === 'number')) return integers(graph, 'shape', dims);
  const [first, ...others] = dims.map((dim) => {
    if (typeof dim === 'number') return integers(graph, 'size', [dim]);
    const source = sources.find(({ shape }) => shape.includes(dim));
    return source
      ? sizeAlong(graph, source, source.shape.indexOf(dim))
      : integers(graph, 'size', [-1]);
  });
  return first
    ? graph.add('Concat', [first, ...others], { axis: 0 })
    : integers(graph, 'shape', []);
}

/**
 * `x` in the shape `dims`.
 *
 * One Reshape with a constant where at most one open size has moved; otherwise sizes are looked up by name in `x` and
 * `sources`, and at most one that is found nowhere is what is left.
 */
export function reshapeTo(
  graph: GraphBuilder,
  x: Value,
  dims: readonly Dim[],
  sources: readonly Value[] = [],
): Value {
  const moved = dims.filter((dim, axis) => typeof dim === 'string' && x.shape[axis] !== dim);
  const target =
    moved.length <= 1
      ? integers(
          graph,
          'shape',
          dims.map((dim, axis) => {
            if (typeof dim === 'number') return dim;
            return x.shape[axis] === dim ? 0 : -1;
          }),
        )
      : sizesOf(graph, dims, [x, ...sources]);
  const value = graph.add('Reshape', [x, target]);
  return graph.rename(value, value.name, dims);
}

/** The product of sizes, as a size. */
export function productOf(dims: readonly Dim[]): Dim {
  const numbers = dims.reduce<number>((n, dim) => (typeof dim === 'number' ? n * dim : n), 1);
  const names = dims.filter((dim) => typeof dim === 'string');
  if (names.length === 0) return numbers;
  return [...names, ...(numbers === 1 ? [] : [numbers])].join('*');
}
