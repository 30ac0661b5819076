import { floatSource } from '../../../source.ts';
import type { Value } from '../../../tensor.ts';
import {
  channelsFirstTensor,
  integers,
  isKnown,
  type KerasTensor,
  kerasTensor,
} from '../../layout.ts';
import type { DataFormat } from '../../read.ts';
import { asMaps, fromMaps } from '../../window.ts';
import { depthwiseConv2d } from '../convolution/depthwise.ts';
import { resizing } from '../preprocessing/resizing.ts';
import { Algebra } from './algebra.ts';
import { byLayer } from './by-layer.ts';
import type { OperationCall } from './call.ts';
import type { Operation } from './elementwise.ts';
import { fromHsv, toHsv } from './hues.ts';

function formatOf(call: OperationCall, position = Number.POSITIVE_INFINITY): DataFormat {
  return call.raw(position, 'data_format') === 'channels_first'
    ? 'channels_first'
    : 'channels_last';
}

/** Images [N, C, H, W]. */
function mapsOf(call: OperationCall, format: DataFormat): Value {
  if (call.x.shape.length !== 4) throw call.refused(`images of ${call.x.shape.length} axes`);
  return call.bench.layouts.padded(asMaps(call.x, format, call.bench)).value;
}

/** Images of another size, as the layer Resizing does it. */
function resize(call: OperationCall): KerasTensor {
  const [height, width] = sizeAsked(call);
  const interpolation = call.raw(2, 'interpolation', 'method') ?? 'bilinear';
  const isKeras3 = call.bench.origin.generation === 'Keras 3';
  return byLayer(
    resizing,
    {
      config: {
        height,
        width,
        interpolation: typeof interpolation === 'string' ? interpolation : 'unknown',
        antialias: isKeras3 ? call.flag(3, 'antialias') : call.flag(4, 'antialias'),
        crop_to_aspect_ratio: isKeras3 && call.flag(4, 'crop_to_aspect_ratio'),
        pad_to_aspect_ratio: isKeras3 && call.flag(5, 'pad_to_aspect_ratio'),
        fill_value: call.number(7, 0, 'fill_value'),
        data_format: formatOf(call, 8),
      },
    },
    call,
  );
}

/** As large as it becomes; where TensorFlow keeps the aspect ratio, what fits. */
function sizeAsked(call: OperationCall): readonly [number, number] {
  const [height, width = height] = call.integers(1, 'size') ?? [];
  if (height === undefined || width === undefined) throw call.refused('a size that is computed');
  if (!call.flag(Number.POSITIVE_INFINITY, 'preserve_aspect_ratio')) return [height, width];
  const [, rows, columns] = call.x.shape;
  if (!isKnown(rows) || !isKnown(columns)) throw call.refused('images of open size');
  const scale = Math.min(height / rows, width / columns);
  return [Math.round(rows * scale), Math.round(columns * scale)];
}

interface Margins {
  readonly before: readonly [number, number];
  readonly after: readonly [number, number];
  readonly target: readonly [number, number];
}

/** Two of three are said for each axis: how much before, how much after, how much in all. */
function marginsOf(
  call: OperationCall,
  x: Value,
  [word, sign]: readonly ['cropping' | 'padding', 1 | -1],
): Margins {
  const number = (position: number, name: string): number | undefined => {
    const value = call.raw(position, name);
    return typeof value === 'number' ? value : undefined;
  };
  const axis = (
    first: number,
    names: readonly [string, string, string],
    size: unknown,
  ): readonly [number, number, number] => {
    const [before, after, target] = [
      number(first, names[0]),
      number(first + 2, names[1]),
      number(first === 1 ? 5 : 6, names[2]),
    ];
    if (typeof size !== 'number') throw call.refused('images of open size');
    const all = target ?? size + sign * ((before ?? 0) + (after ?? 0));
    const change = sign * (all - size);
    const start = before ?? change - (after ?? 0);
    return [start, change - start, all];
  };
  const rows = axis(1, [`top_${word}`, `bottom_${word}`, 'target_height'], x.shape[2]);
  const columns = axis(2, [`left_${word}`, `right_${word}`, 'target_width'], x.shape[3]);
  return {
    before: [rows[0], columns[0]],
    after: [rows[1], columns[1]],
    target: [rows[2], columns[2]],
  };
}

function crop(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const format = formatOf(call, 7);
  const x = mapsOf(call, format);
  const { before, target } = marginsOf(call, x, ['cropping', -1]);
  const ends = before.map((start, i) => start + (target[i] ?? 0));
  const parts = [
    integers(graph, 'starts', before),
    integers(graph, 'ends', ends),
    integers(graph, 'axes', [2, 3]),
  ] as const;
  return fromMaps(graph.add('Slice', [x, ...parts]), format);
}

function pad(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const format = formatOf(call, 7);
  const x = mapsOf(call, format);
  const { before, after } = marginsOf(call, x, ['padding', 1]);
  const pads = integers(graph, 'pads', [0, 0, ...before, 0, 0, ...after]);
  return fromMaps(graph.add('Pad', [x, pads], { mode: 'constant' }), format);
}

function grayscale(weights: readonly [number, number, number]): Operation {
  return (call) => {
    const m = new Algebra(call.bench.graph);
    const format = formatOf(call, 1);
    const x = mapsOf(call, format);
    if (x.shape[1] === 1) return call.x;
    if (x.shape[1] !== 3) throw call.refused(`images of ${x.shape[1]} channels`);
    const factors = m.graph.floats('luma', weights, [3, 1, 1]);
    return fromMaps(m.sum(m.graph.add('Mul', [x, factors]), [1], 1), format);
  };
}

/** Colours changed pixel by pixel. */
function recoloured(change: (x: Value, m: Algebra) => Value): Operation {
  return (call) => {
    const format = formatOf(call, 1);
    return fromMaps(change(mapsOf(call, format), new Algebra(call.bench.graph)), format);
  };
}

function gaussian(size: number, sigma: number): readonly number[] {
  const all = Array.from({ length: size }, (_, i) =>
    Math.exp(-0.5 * ((i - (size - 1) / 2) / sigma) ** 2),
  );
  const sum = all.reduce((a, b) => a + b, 0);
  return all.map((part) => part / sum);
}

/** Each channel by itself with a bell of its own width along each axis. */
function blur(call: OperationCall): KerasTensor {
  const [rows = 3, columns = rows] = call.integers(1, 'kernel_size') ?? [3, 3];
  const sigma = call.raw(2, 'sigma') ?? [1, 1];
  const list: readonly unknown[] = Array.isArray(sigma) ? sigma : [sigma, sigma];
  // Keras makes of the first size the bell along the columns, and reshapes where they differ. Source: gaussian_blur in keras/src/backend/tensorflow/image.py.
  const across = gaussian(rows, Number(list[0]));
  const down = gaussian(columns, Number(list[1] ?? list[0]));
  const cells = down.flatMap((y) => across.map((x) => x * y));
  const format = formatOf(call, 3);
  const count = Number(call.x.shape[format === 'channels_first' ? 1 : 3]);
  if (Number.isNaN(count)) throw call.refused('an open number of channels');
  const kernel = floatSource(
    [rows, columns, count, 1],
    cells.flatMap((cell) => Array.from({ length: count }, () => cell)),
  );
  return byLayer(
    depthwiseConv2d,
    {
      config: {
        kernel_size: [rows, columns],
        depth_multiplier: 1,
        padding: 'same',
        use_bias: false,
        data_format: format,
      },
      weights: [kernel],
    },
    call,
  );
}

/** Slopes down and across, of images mirrored at their edges: a last axis of 2. */
function sobel(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const m = new Algebra(graph);
  if (formatOf(call, 1) === 'channels_first') throw call.refused('channels first');
  const x = mapsOf(call, 'channels_last');
  const count = x.shape[1];
  if (!isKnown(count)) throw call.refused('an open number of channels');
  const down = [-1, -2, -1, 0, 0, 0, 1, 2, 1];
  const across = [-1, 0, 1, -2, 0, 2, -1, 0, 1];
  const numbers = Array.from({ length: count }, () => [...down, ...across]).flat();
  const kernel = graph.initializer(
    `${call.bench.layer}/sobel`,
    floatSource([count * 2, 1, 3, 3], numbers),
  );
  const wide = graph.add('Pad', [x, integers(graph, 'pads', [0, 0, 1, 1, 0, 0, 1, 1])], {
    mode: 'reflect',
  });
  const slopes = graph.add('Conv', [wide, kernel], {
    kernel_shape: [3, 3],
    strides: [1, 1],
    pads: [0, 0, 0, 0],
    dilations: [1, 1],
    group: count,
  });
  const [, , rows = 1, columns = 1] = x.shape;
  if (!isKnown(rows) || !isKnown(columns)) throw call.refused('images of open size');
  // [N, C · 2, H, W] → [N, C, 2, H, W] → [N, H, W, C, 2]
  return kerasTensor(
    m.transpose(m.reshape(slopes, [-1, count, 2, rows, columns]), [0, 3, 4, 1, 2]),
  );
}

/** (x - mean) / max(deviation, 1 / sqrt(numbers)) of each image. */
function perImageStandardization(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = m.cast(call.kerasX, 'float32');
  const axes = [1, 2, 3];
  const sizes = axes.map((axis) => x.shape[axis]);
  if (x.shape.length !== 4 || !sizes.every(isKnown)) throw call.refused('images of open size');
  const centred = m.minus(x, m.mean(x, axes, 1));
  const deviation = m.of('Sqrt', m.mean(m.times(centred, centred), axes, 1));
  const least = 1 / Math.sqrt(sizes.reduce((a, b) => a * b, 1));
  return kerasTensor(m.over(centred, m.join('Max', deviation, least)));
}

function blocks(op: 'SpaceToDepth' | 'DepthToSpace'): Operation {
  return (call) => {
    const { graph, layouts } = call.bench;
    const blocksize = call.number(1, undefined, 'block_size');
    const said = call.raw(2, 'data_format');
    const isFirst = said === 'channels_first' || said === 'NCHW';
    const x = isFirst ? call.kerasX : layouts.padded(layouts.channelsFirst(call.x)).value;
    const value =
      op === 'SpaceToDepth'
        ? graph.add('SpaceToDepth', [x], { blocksize })
        : graph.add('DepthToSpace', [x], { blocksize, mode: 'DCR' });
    return isFirst ? kerasTensor(value) : channelsFirstTensor(value);
  };
}

/** Operations on images. Source: keras/src/ops/image.py, keras/src/backend/tensorflow/image.py. */
export const imageOperations: Readonly<Record<string, Operation>> = {
  resize,
  crop_images: crop,
  pad_images: pad,
  rgb_to_grayscale: grayscale([0.2989, 0.587, 0.114]),
  rgb_to_hsv: recoloured(toHsv),
  hsv_to_rgb: recoloured(fromHsv),
  gaussian_blur: blur,
  sobel_edges: sobel,
  per_image_standardization: perImageStandardization,
  space_to_depth: blocks('SpaceToDepth'),
  depth_to_space: blocks('DepthToSpace'),
};
