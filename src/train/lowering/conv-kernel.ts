import type { GraphBuilder } from '../../onnx/graph.ts';
import { sizeOf, type Value } from '../../tensor.ts';
import type { Convolution } from './form.ts';
import { met, offsetsOf, paddedMaps, shapeList } from './geometry.ts';

/**
 * dW as products of matrices, one for each place in the kernel: [C, N·P] · [N·P, M], channels last.
 *
 * P is the number of places of dy. One transpose of x and one of dy; each Slice is what a place of the kernel met.
 */
export function productsByPlace(graph: GraphBuilder, conv: Convolution): Value {
  const { window, outSizes } = conv;
  const [outputs = 1, inputs = 1] = conv.w.shape.map(Number);
  const x = paddedMaps(graph, channelsLast(graph, conv.x), window, { first: 1 });
  const dy = rows(graph, channelsLast(graph, conv.dy), outputs);
  const parts = offsetsOf(window).map((offset) => {
    const seen = met(graph, x, { offset, strides: window.strides, counts: outSizes, first: 1 });
    return graph.add('Gemm', [rows(graph, seen, inputs), dy], { transA: 1 });
  });
  return kernelOf(graph, stacked(graph, parts, 0), [...window.kernel_shape, inputs, outputs]);
}

/** dW as one product of matrices [k·C, N·P] · [N·P, M] of all that the kernel met: for few channels. */
export function productOfColumns(graph: GraphBuilder, conv: Convolution): Value {
  const { window, outSizes } = conv;
  const [outputs = 1, inputs = 1] = conv.w.shape.map(Number);
  const x = paddedMaps(graph, channelsLast(graph, conv.x), window, { first: 1 });
  const dy = rows(graph, channelsLast(graph, conv.dy), outputs);
  const seen = offsetsOf(window).map((offset) =>
    met(graph, x, { offset, strides: window.strides, counts: outSizes, first: 1 }),
  );
  const columns = rows(graph, stacked(graph, seen, conv.x.shape.length - 1), seen.length * inputs);
  const product = graph.add('Gemm', [columns, dy], { transA: 1 });
  return kernelOf(graph, product, [...window.kernel_shape, inputs, outputs]);
}

/** dW of a convolution in groups: for each place in the kernel a product [N, g, M/g, P] · [N, g, P, C/g], summed over N. */
export function productsByGroup(graph: GraphBuilder, conv: Convolution): Value {
  const { window, outSizes } = conv;
  const { group, kernel_shape } = window;
  const [outputs = 1, inputs = 1] = conv.w.shape.map(Number);
  const places = sizeOf(outSizes);
  const x = paddedMaps(graph, conv.x, window);
  const dy = graph.add('Reshape', [
    conv.dy,
    shapeList(graph, ['n', group, outputs / group, places]),
  ]);
  const parts = offsetsOf(window).map((offset) => {
    const seen = met(graph, x, { offset, strides: window.strides, counts: outSizes });
    const split = graph.add('Reshape', [seen, shapeList(graph, ['n', group, inputs, places])]);
    const product = graph.add('MatMul', [
      dy,
      graph.add('Transpose', [split], { perm: [0, 1, 3, 2] }),
    ]);
    const sum = graph.add('ReduceSum', [product, graph.integers('axes', [0])], { keepdims: 1 });
    return graph.add('Reshape', [sum, shapeList(graph, [1, outputs, inputs])]);
  });
  const all = stacked(graph, parts, 0);
  const last = graph.add('Transpose', [all], { perm: [1, 2, 0] });
  return graph.add('Reshape', [last, shapeList(graph, [outputs, inputs, ...kernel_shape])]);
}

/** dW as a convolution: x by dy, batch and channels exchanged, stride and dilation too; the overhang is cut off. */
export function exchangedConvolution(graph: GraphBuilder, conv: Convolution): Value {
  const { window, outSizes } = conv;
  const perm = conv.x.shape.map((_, axis) => (axis < 2 ? 1 - axis : axis));
  const exchanged = (value: Value): Value => graph.add('Transpose', [value], { perm });
  const product = graph.add('Conv', [exchanged(conv.x), exchanged(conv.dy)], {
    kernel_shape: outSizes,
    strides: window.dilations,
    dilations: window.strides,
    pads: window.pads,
    group: 1,
  });
  const zeros = window.kernel_shape.map(() => 0);
  const ones = window.kernel_shape.map(() => 1);
  const at = { offset: zeros, strides: ones, counts: window.kernel_shape };
  return exchanged(met(graph, product, at));
}

function channelsLast(graph: GraphBuilder, x: Value): Value {
  const spatial = x.shape.slice(2).map((_, i) => i + 2);
  return graph.add('Transpose', [x], { perm: [0, ...spatial, 1] });
}

function rows(graph: GraphBuilder, x: Value, width: number): Value {
  return graph.add('Reshape', [x, graph.integers('shape', [-1, width])]);
}

function stacked(graph: GraphBuilder, parts: readonly Value[], axis: number): Value {
  const [first, ...others] = parts;
  if (!first) throw new Error('Bug: a kernel has at least one place');
  return others.length === 0 ? first : graph.add('Concat', [first, ...others], { axis });
}

/** [k·C, M] → [M, C, ...k]. */
function kernelOf(graph: GraphBuilder, product: Value, shape: readonly number[]): Value {
  const rank = shape.length;
  const spread = graph.add('Reshape', [product, shapeList(graph, shape)]);
  const perm = [rank - 1, rank - 2, ...Array.from({ length: rank - 2 }, (_, i) => i)];
  return graph.add('Transpose', [spread], { perm });
}
