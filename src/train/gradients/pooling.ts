import type { GraphBuilder, Node } from '../../onnx/graph.ts';
import { floatSource } from '../../source.ts';
import { sizeOf, type Value } from '../../tensor.ts';
import { placed, spatialSizes } from '../lowering/geometry.ts';
import type { GradientRules } from './rule.ts';
import { unsupportedForm } from './rule.ts';

/** Gradients of the poolings by windows. */
export const pooling = {
  MaxPool: (node, dy, graph, { lower }) => {
    const { storage_order: _, ...window } = node.attributes;
    const [x] = node.inputs;
    return [lower.maxPool(graph, { window, x, y: node.outputs[0], dy, ...sizesOf(node, dy) })];
  },
  AveragePool: (node, dy, graph) => {
    const { kernel_shape, strides, pads } = node.attributes;
    const [x] = node.inputs;
    const { sizes, outSizes } = sizesOf(node, dy);
    const share = shared(graph, node, { dy, sizes, outSizes });
    const isTiled =
      pads.every((pad) => pad === 0) && kernel_shape.every((size, i) => size === strides[i]);
    return [
      isTiled ? repeated(graph, share, { kernel_shape, sizes }) : spread(graph, node, { share, x }),
    ];
  },
} satisfies GradientRules;

interface Sizes {
  readonly sizes: readonly number[];
  readonly outSizes: readonly number[];
}

function sizesOf(node: Node, dy: Value): Sizes {
  const sizes = spatialSizes(node.inputs[0]);
  const outSizes = spatialSizes(dy);
  if (sizes && outSizes) return { sizes, outSizes };
  throw unsupportedForm(node, `over [${node.inputs[0].shape.join(', ')}]`);
}

/** dy divided by how many numbers each mean was taken of, which is less where a window reaches over the edge. */
function shared(
  graph: GraphBuilder,
  { attributes }: Node<'AveragePool'>,
  { dy, sizes, outSizes }: Sizes & { readonly dy: Value },
): Value {
  const { kernel_shape, strides, pads, count_include_pad } = attributes;
  const rank = sizes.length;
  const countsOf = (axis: number): number[] =>
    Array.from({ length: outSizes[axis] ?? 1 }, (_, i) => {
      const before = pads[axis] ?? 0;
      const start = i * (strides[axis] ?? 1) - before;
      const [low, high] =
        count_include_pad === 1
          ? [-before, (sizes[axis] ?? 1) + (pads[axis + rank] ?? 0)]
          : [0, sizes[axis] ?? 1];
      return Math.min(start + (kernel_shape[axis] ?? 1), high) - Math.max(start, low);
    });
  const counts = outSizes.reduce<number[]>(
    (all, _, axis) => all.flatMap((count) => countsOf(axis).map((each) => count * each)),
    [1],
  );
  const all = sizeOf(kernel_shape);
  if (counts.every((count) => count === all)) {
    return graph.add('Div', [dy, graph.floats('count', [all])]);
  }
  const table = graph.initializer('counts', floatSource([1, 1, ...outSizes], counts));
  return graph.add('Div', [dy, table]);
}

/** Windows that lie side by side: every number gets its window's share. */
function repeated(
  graph: GraphBuilder,
  share: Value,
  {
    kernel_shape,
    sizes,
  }: { readonly kernel_shape: readonly number[]; readonly sizes: readonly number[] },
): Value {
  const scales = graph.floats('scales', [1, 1, ...kernel_shape], [kernel_shape.length + 2]);
  const large = graph.add('Resize', [share, undefined, scales], {
    mode: 'nearest',
    coordinate_transformation_mode: 'asymmetric',
    nearest_mode: 'floor',
  });
  const places = sizes.map((size, i) => ({ axis: i + 2, start: 0, step: 1, size }));
  return placed(graph, large, places);
}

/** Windows that overlap or reach over the edge: each channel's transposed convolution by ones. */
function spread(
  graph: GraphBuilder,
  node: Node<'AveragePool'>,
  { share, x }: { readonly share: Value; readonly x: Value },
): Value {
  const { kernel_shape, strides } = node.attributes;
  const channels = x.shape[1];
  if (typeof channels !== 'number') throw unsupportedForm(node, 'of an unknown number of channels');
  const shape = [channels, 1, ...kernel_shape];
  const ones = graph.initializer(
    'ones',
    floatSource(shape, new Float32Array(sizeOf(shape)).fill(1)),
  );
  const none = kernel_shape.flatMap(() => [0, 0]);
  const whole = graph.add('ConvTranspose', [share, ones], {
    kernel_shape,
    strides,
    pads: none,
    dilations: kernel_shape.map(() => 1),
    group: channels,
  });
  return inside(graph, node, whole);
}

/** What of the maps with their pads is x itself. */
function inside(
  graph: GraphBuilder,
  { inputs: [x], attributes }: Node<'AveragePool'>,
  whole: Value,
): Value {
  const { pads } = attributes;
  const sizes = x.shape.slice(2).map(Number);
  const axes = sizes.map((_, i) => i + 2);
  const starts = sizes.map((_, i) => pads[i] ?? 0);
  const cut = graph.add('Slice', [
    whole,
    graph.integers('starts', starts),
    graph.integers(
      'ends',
      starts.map((start, i) => start + (sizes[i] ?? 1)),
    ),
    graph.integers('axes', axes),
  ]);
  return placed(
    graph,
    cut,
    axes.map((axis, i) => ({ axis, start: 0, step: 1, size: sizes[i] ?? 1 })),
  );
}
