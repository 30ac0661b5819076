import type { GraphBuilder } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import type { Convolution } from './form.ts';
import { shapeList } from './geometry.ts';

/**
 * dX as the transposed convolution of dy by the same kernel; what the stride left over is padded.
 *
 * It holds for every stride, dilation, padding and number of groups.
 */
export function transposedConvolution(
  graph: GraphBuilder,
  { window, x, w, dy, sizes, outSizes }: Convolution,
): Value {
  const { kernel_shape, strides, pads, dilations, group } = window;
  const output_padding = sizes.map((size, i) => {
    const kernel = ((kernel_shape[i] ?? 1) - 1) * (dilations[i] ?? 1) + 1;
    const padded = size + (pads[i] ?? 0) + (pads[i + sizes.length] ?? 0);
    return padded - ((outSizes[i] ?? 1) - 1) * (strides[i] ?? 1) - kernel;
  });
  // A kernel that steps over what is left at the end never saw it; onnxruntime refuses more padding than stride.
  const excess = output_padding.map((extra, i) => Math.max(0, extra - (strides[i] ?? 1) + 1));
  const small = graph.add('ConvTranspose', [dy, w], {
    kernel_shape,
    strides,
    pads,
    dilations,
    group,
    output_padding: output_padding.map((extra, i) => extra - (excess[i] ?? 0)),
  });
  if (excess.every((extra) => extra === 0)) return small;
  const none = x.shape.map(() => 0);
  return graph.add('Pad', [small, graph.integers('pads', [...none, 0, 0, ...excess])], {
    mode: 'constant',
  });
}

/** dX of stride 1 as a convolution of dy by the kernel turned round, with input and output channels exchanged. */
export function flippedConvolution(
  graph: GraphBuilder,
  { window, w, dy, sizes }: Convolution,
): Value {
  const { kernel_shape, strides, pads, dilations, group } = window;
  const reach = kernel_shape.map((size, i) => (size - 1) * (dilations[i] ?? 1));
  const around = pads.map((pad, i) => (reach[i % sizes.length] ?? 0) - pad);
  const kernel = turned(graph, exchanged(graph, w, group), kernel_shape);
  return graph.add('Conv', [dy, kernel], { kernel_shape, strides, pads: around, dilations, group });
}

/** Whether `flippedConvolution` holds: stride 1, and no more padding than the kernel reaches. */
export function isFlippable({ window }: Convolution): boolean {
  const { kernel_shape, strides, pads, dilations } = window;
  const rank = kernel_shape.length;
  return (
    strides.every((stride) => stride === 1) &&
    pads.every((pad, i) => pad <= ((kernel_shape[i % rank] ?? 1) - 1) * (dilations[i % rank] ?? 1))
  );
}

/** [M, C/g, ...] → [C, M/g, ...], group by group. */
function exchanged(graph: GraphBuilder, w: Value, group: number): Value {
  const [outputs = 1, inputs = 1, ...kernel] = w.shape.map(Number);
  if (group === 1) {
    const perm = w.shape.map((_, axis) => (axis < 2 ? 1 - axis : axis));
    return graph.add('Transpose', [w], { perm });
  }
  if (inputs === 1 && outputs === group) return w;
  const split = shapeList(graph, [group, outputs / group, inputs, ...kernel]);
  const perm = [0, 2, 1, ...kernel.map((_, i) => i + 3)];
  const swapped = graph.add('Transpose', [graph.add('Reshape', [w, split])], { perm });
  return graph.add('Reshape', [
    swapped,
    shapeList(graph, [group * inputs, outputs / group, ...kernel]),
  ]);
}

function turned(graph: GraphBuilder, w: Value, kernel: readonly number[]): Value {
  const axes = kernel.flatMap((size, i) => (size > 1 ? [i + 2] : []));
  if (axes.length === 0) return w;
  const all = (number: number): number[] => axes.map(() => number);
  return graph.add('Slice', [
    w,
    graph.integers('starts', all(-1)),
    graph.integers('ends', all(-(2 ** 31))),
    graph.integers('axes', axes),
    graph.integers('steps', all(-1)),
  ]);
}
