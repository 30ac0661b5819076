import type { GraphBuilder } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import type { Pooling } from './form.ts';
import { met, offsetsOf, paddedMaps, placed } from './geometry.ts';

/** dX of windows that do not overlap by the positions of the maxima: onnxruntime's MaxUnpool, which only its CPU has. */
export function unpooledGradient(
  graph: GraphBuilder,
  { window, x, dy, sizes, outSizes }: Pooling,
): Value {
  const { ceil_mode, ...plain } = window;
  const mode = ceil_mode === undefined ? {} : { ceil_mode };
  const [, indices] = graph.addAll('MaxPool', [x], { ...plain, ...mode, storage_order: 0 });
  if (!indices) throw new Error('Bug: MaxPool with a storage order puts out indices');
  const exact = outSizes.map(
    (out, i) =>
      (out - 1) * (window.strides[i] ?? 1) +
      (window.kernel_shape[i] ?? 1) -
      (window.pads[i] ?? 0) -
      (window.pads[i + outSizes.length] ?? 0),
  );
  if (exact.every((size, i) => size === sizes[i])) {
    return graph.add('MaxUnpool', [dy, indices], plain);
  }
  const sparse = graph.add('MaxUnpool', [dy, indices, graph.add('Shape', [x])], plain);
  return graph.rename(sparse, sparse.name, x.shape);
}

/** Whether `unpooledGradient` holds: MaxUnpool keeps one of the windows that chose the same number. */
export function isApart({ window }: Pooling): boolean {
  return window.kernel_shape.every((size, i) => size <= (window.strides[i] ?? 1));
}

/**
 * dX by comparing what each place of the window met with the maximum, the first of equal ones taking the gradient.
 *
 * Of operators that every provider has; right for windows that overlap, and for ties, as `unpooledGradient` is.
 */
export function comparedGradient(graph: GraphBuilder, pooling: Pooling): Value {
  const { window, x, y, dy, sizes, outSizes } = pooling;
  const rank = sizes.length;
  const reach = sizes.map((size, i) => {
    const before = window.pads[i] ?? 0;
    const last =
      ((outSizes[i] ?? 1) - 1) * (window.strides[i] ?? 1) + (window.kernel_shape[i] ?? 1);
    return { before, after: Math.max(0, last - before - size) };
  });
  const pads = [...reach.map(({ before }) => before), ...reach.map(({ after }) => after)];
  const padded = paddedMaps(graph, x, { pads }, { fill: -3.4e38 });
  let isFree: Value | undefined;
  let sum: Value | undefined;
  for (const offset of offsetsOf(window)) {
    const seen = met(graph, padded, { offset, strides: window.strides, counts: outSizes });
    const isMaximum = graph.add('Equal', [seen, y]);
    const isFirst = isFree ? graph.add('And', [isMaximum, isFree]) : isMaximum;
    const isOther = graph.add('Not', [isMaximum]);
    isFree = isFree ? graph.add('And', [isFree, isOther]) : isOther;
    const part = graph.add('Where', [isFirst, dy, graph.floats('zero', [0])]);
    const spread = placed(
      graph,
      part,
      Array.from({ length: rank }, (_, i) => ({
        axis: i + 2,
        start: offset[i] ?? 0,
        step: window.strides[i] ?? 1,
        size: Number(padded.shape[i + 2]),
      })),
    );
    sum = sum ? graph.add('Add', [sum, spread]) : spread;
  }
  if (!sum) throw new Error('Bug: a window has at least one place');
  const inside = reach.map(({ before }) => before);
  return met(graph, sum, { offset: inside, strides: inside.map(() => 1), counts: sizes });
}
