import type { GraphBuilder } from '../../onnx/graph.ts';
import type { Shape, Value } from '../../tensor.ts';

/** A list for each spatial axis of what a convolution or a pooling says. */
export interface Window {
  readonly kernel_shape: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations?: readonly number[];
}

/** Where the window's numbers lie: for each place in the kernel, its offset along each spatial axis. */
export function offsetsOf({ kernel_shape, dilations }: Window): number[][] {
  return kernel_shape.reduce<number[][]>(
    (lists, size, axis) =>
      lists.flatMap((list) =>
        Array.from({ length: size }, (_, i) => [...list, i * (dilations?.[axis] ?? 1)]),
      ),
    [[]],
  );
}

/** x padded at its spatial axes, which start at `first`, so that a window reads inside; what it would not read stays. */
export function paddedMaps(
  graph: GraphBuilder,
  x: Value,
  { pads }: Pick<Window, 'pads'>,
  { first = 2, fill = 0 } = {},
): Value {
  if (pads.every((pad) => pad === 0)) return x;
  const rank = pads.length / 2;
  const none = x.shape.map(() => 0);
  const isSpatial = (axis: number): boolean => axis >= first && axis < first + rank;
  const before = none.map((_, axis) => (isSpatial(axis) ? (pads[axis - first] ?? 0) : 0));
  const after = none.map((_, axis) => (isSpatial(axis) ? (pads[axis - first + rank] ?? 0) : 0));
  const sizes = graph.integers('pads', [...before, ...after]);
  const inputs =
    fill === 0 ? ([x, sizes] as const) : ([x, sizes, graph.floats('fill', [fill])] as const);
  return graph.add('Pad', inputs, { mode: 'constant' });
}

/** The numbers that one place of the kernel meets: `count` of them along each spatial axis, from `offset` by `strides`. */
export function met(
  graph: GraphBuilder,
  x: Value,
  at: {
    readonly offset: readonly number[];
    readonly strides: readonly number[];
    readonly counts: readonly number[];
    /** Where the spatial axes start. */
    readonly first?: number;
  },
): Value {
  const { offset, strides, counts, first = 2 } = at;
  const ends = counts.map((count, i) => (offset[i] ?? 0) + (count - 1) * (strides[i] ?? 1) + 1);
  const isWhole = counts.every(
    (_, i) => offset[i] === 0 && strides[i] === 1 && ends[i] === x.shape[first + i],
  );
  if (isWhole) return x;
  const inputs = [
    x,
    graph.integers('starts', offset),
    graph.integers('ends', ends),
    graph.integers(
      'axes',
      counts.map((_, i) => first + i),
    ),
  ] as const;
  return strides.every((stride) => stride === 1)
    ? graph.add('Slice', [...inputs])
    : graph.add('Slice', [...inputs, graph.integers('steps', strides)]);
}

/** What lies along one axis of a larger tensor: numbers from `start` on, `step` apart, of `size` in all. */
export interface Placement {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
  readonly size: number;
}

/** The opposite of a Slice: a tensor of zeros in which the numbers of x lie where the slice took them. */
export function placed(graph: GraphBuilder, x: Value, places: readonly Placement[]): Value {
  const spread = apart(
    graph,
    x,
    places.filter(({ step }) => step > 1),
  );
  const sizeAt = (axis: number): number => Number(spread.shape[axis]);
  const rank = x.shape.length;
  const pads = Array.from({ length: 2 * rank }, () => 0);
  const cuts: { axis: number; end: number }[] = [];
  for (const { axis, start, size } of places) {
    const rest = size - start - sizeAt(axis);
    pads[axis] = start;
    if (rest >= 0) pads[axis + rank] = rest;
    else cuts.push({ axis, end: size - start });
  }
  const cut = cuts.length === 0 ? spread : shortened(graph, spread, cuts);
  if (pads.every((pad) => pad === 0)) return cut;
  return graph.add('Pad', [cut, graph.integers('pads', pads)], { mode: 'constant' });
}

/** Zeros after every number along some axes, so that the numbers lie `step` apart. */
function apart(graph: GraphBuilder, x: Value, places: readonly Placement[]): Value {
  if (places.length === 0) return x;
  const steps = new Map(places.map(({ axis, step }) => [axis, step]));
  const axes: number[] = [];
  const pads: number[] = [];
  const merged: Shape = x.shape.map((dim, axis) => {
    pads.push(0);
    const step = steps.get(axis);
    if (step === undefined) return dim;
    axes.push(pads.length);
    pads.push(step - 1);
    return Number(dim) * step;
  });
  const opened = graph.add('Unsqueeze', [x, graph.integers('axes', axes)]);
  const none = pads.map(() => 0);
  const padded = graph.add('Pad', [opened, graph.integers('pads', [...none, ...pads])], {
    mode: 'constant',
  });
  return graph.add('Reshape', [padded, shapeList(graph, merged)]);
}

function shortened(
  graph: GraphBuilder,
  x: Value,
  cuts: readonly { readonly axis: number; readonly end: number }[],
): Value {
  return graph.add('Slice', [
    x,
    graph.integers(
      'starts',
      cuts.map(() => 0),
    ),
    graph.integers(
      'ends',
      cuts.map(({ end }) => end),
    ),
    graph.integers(
      'axes',
      cuts.map(({ axis }) => axis),
    ),
  ]);
}

/** A target for Reshape; the one size that is only known at run time is what is left over. */
export function shapeList(graph: GraphBuilder, shape: Shape): Value {
  const open = shape.filter((dim) => typeof dim === 'string').length;
  if (open > 1) throw new Error(`Bug: [${shape.join(', ')}] has more than one open size`);
  return graph.integers(
    'shape',
    shape.map((dim) => (typeof dim === 'number' ? dim : -1)),
  );
}

/** The spatial sizes of maps; `undefined` where one is only known at run time. */
export function spatialSizes({ shape }: Value): number[] | undefined {
  const sizes = shape.slice(2).filter((dim) => typeof dim === 'number');
  return sizes.length === shape.length - 2 ? sizes : undefined;
}
