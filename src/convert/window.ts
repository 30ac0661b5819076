import type { Shape } from '../tensor.ts';
import type { Bench } from './layer.ts';
import { axisIn, channelsFirstTensor, type KerasTensor, kerasTensor } from './layout.ts';
import { keepsWholePools } from './origin.ts';
import { isCentredByEigen, type Padding, type Pads, padsOf, type Span } from './padding.ts';
import type { DataFormat } from './read.ts';

/** How a convolution or pooling window moves over its input. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly padding: Padding;
  readonly dataFormat: DataFormat;
  readonly kind: 'convolution' | 'max' | 'average';
}

/** The axes of a Keras shape that a window moves over. */
export function spatialAxes(rank: number, dataFormat: DataFormat): readonly number[] {
  const first = dataFormat === 'channels_first' ? 2 : 1;
  return Array.from({ length: rank - 2 }, (_, i) => i + first);
}

function channelAxis(rank: number, dataFormat: DataFormat): number {
  return dataFormat === 'channels_first' ? 1 : rank - 1;
}

/** The channels of a Keras shape; 1 where they are open, which no file with weights leaves. */
export function channelsOf(shape: Shape, dataFormat: DataFormat): number {
  return Number(shape[channelAxis(shape.length, dataFormat)] ?? 1);
}

/** The input as [N, C, ...spatial], whatever Keras calls it. Pending zeros stay pending. */
export function asMaps(
  input: KerasTensor,
  dataFormat: DataFormat,
  { layouts }: Bench,
): KerasTensor {
  if (dataFormat === 'channels_last') return layouts.channelsFirst(input);
  return input.layout.kind === 'keras' ? input : layouts.keras(input);
}

/** A value [N, C, ...spatial] as the tensor that Keras calls it. */
export function fromMaps(value: KerasTensor['value'], dataFormat: DataFormat): KerasTensor {
  return dataFormat === 'channels_last' ? channelsFirstTensor(value) : kerasTensor(value);
}

/**
 * The input maps of a window and the ONNX attributes for what is added around them.
 *
 * Zeros that a ZeroPadding layer left pending become pads of a "valid" convolution; otherwise they are added by a
 * node: a pooling window would not see zeros in its pads, and "same" counts from the padded size.
 */
export function windowed(
  input: KerasTensor,
  window: Window,
  bench: Bench,
): { readonly maps: KerasTensor; readonly around: Pads } {
  const maps = asMaps(input, window.dataFormat, bench);
  const fused = fusedPads(maps, window);
  if (fused) return { maps, around: { pads: fused } };
  return {
    maps: window.kind === 'max' ? bench.layouts.paddedForMaxPool(maps) : bench.layouts.padded(maps),
    around: rulePads(maps.shape, window, bench),
  };
}

function fusedPads({ shape, pending }: KerasTensor, window: Window): readonly number[] | undefined {
  if (!pending || window.padding !== 'valid' || window.kind !== 'convolution') return undefined;
  const axes = spatialAxes(shape.length, window.dataFormat);
  const isOnlySpatial = shape.every(
    (_, axis) =>
      axes.includes(axis) || ((pending.begin[axis] ?? 0) === 0 && (pending.end[axis] ?? 0) === 0),
  );
  if (!isOnlySpatial) return undefined;
  return [pending.begin, pending.end].flatMap((side) => axes.map((axis) => side[axis] ?? 0));
}

function rulePads(shape: Shape, window: Window, bench: Bench): Pads {
  const { origin, where } = bench;
  const spans = spatialAxes(shape.length, window.dataFormat).map((axis, i) => ({
    size: shape[axis] ?? 1,
    kernel: window.kernel[i] ?? 1,
    stride: window.strides[i] ?? 1,
    dilation: window.dilations[i] ?? 1,
  }));
  warnOfCentring(spans, window, bench);
  return padsOf(
    spans,
    {
      padding: window.padding,
      kernels: origin.kernels,
      isPooling: window.kind !== 'convolution',
      isWhole: keepsWholePools(origin, spans.length),
    },
    where,
  );
}

/**
 * 3-D windows of TensorFlow 2.13 to 2.21 on a CPU depend on whether oneDNN is on, which no file says. We do as oneDNN
 * (its default on Linux, x86), XLA, TensorFlow 1.15 and windows of fewer axes.
 */
function warnOfCentring(
  spans: readonly Span[],
  { padding }: Window,
  { origin, warn }: Bench,
): void {
  const isSame3d = spans.length === 3 && padding === 'same' && origin.kernels === 'tensorflow';
  if (!isSame3d || !spans.some(isCentredByEigen)) return;
  warn(
    'its windows are shorter than their strides, and TensorFlow on a CPU without oneDNN (TF_ENABLE_ONEDNN_OPTS=0) places them elsewhere than TensorFlow with it, as which this model computes',
  );
}

/** Axes of the value for the spatial axes of the Keras shape. */
export function spatialAxesIn(input: KerasTensor, dataFormat: DataFormat): readonly number[] {
  return spatialAxes(input.shape.length, dataFormat).map((axis) => axisIn(input, axis));
}
