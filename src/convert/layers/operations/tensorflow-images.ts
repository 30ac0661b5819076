import { floatSource } from '../../../source.ts';
import type { DType, Value } from '../../../tensor.ts';
import {
  channelsFirstTensor,
  integers,
  isKnown,
  type KerasTensor,
  kerasTensor,
} from '../../layout.ts';
import { sizesOf } from '../../sizes.ts';
import { Algebra } from './algebra.ts';
import type { OperationCall } from './call.ts';
import type { Operation } from './elementwise.ts';
import { fromHsv, toHsv } from './hues.ts';
import { imageOperations } from './images.ts';
import { patchOperations } from './patches.ts';
import { pickingOperations } from './picking.ts';

/** The axis of the rows of [H, W, C] or [N, H, W, C]. */
function rowsAxis(x: Value, call: OperationCall): number {
  if (x.shape.length === 3 || x.shape.length === 4) return x.shape.length - 3;
  throw call.refused(`images of ${x.shape.length} axes`);
}

function whole(of: (x: Value, m: Algebra, call: OperationCall) => Value): Operation {
  return (call) => kerasTensor(of(call.kerasX, new Algebra(call.bench.graph), call));
}

function flip(offset: 0 | 1): Operation {
  return whole((x, m, call) => m.slice(x, rowsAxis(x, call) + offset, [-1, -(2 ** 31), -1]));
}

/** Channels mixed by a matrix. */
function mixed(matrix: readonly (readonly number[])[], name: string): Operation {
  return whole((x, m) => {
    const weight = m.graph.shared(name, () => floatSource([3, 3], matrix.flat()));
    return m.graph.add('MatMul', [x, weight]);
  });
}

interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

function sizesOfImage(x: Value, call: OperationCall): readonly [number, number] {
  const at = rowsAxis(x, call);
  const [rows, columns] = [x.shape[at], x.shape[at + 1]];
  if (isKnown(rows) && isKnown(columns)) return [rows, columns];
  throw call.refused('images of open size');
}

function cut(x: Value, { top, left, height, width }: Box, call: OperationCall): Value {
  const { graph } = call.bench;
  const at = rowsAxis(x, call);
  return graph.add('Slice', [
    x,
    integers(graph, 'starts', [top, left]),
    integers(graph, 'ends', [top + height, left + width]),
    integers(graph, 'axes', [at, at + 1]),
  ]);
}

function framedBy(x: Value, { top, left, height, width }: Box, call: OperationCall): Value {
  const { graph } = call.bench;
  const at = rowsAxis(x, call);
  const [rows, columns] = sizesOfImage(x, call);
  const lead = Array.from({ length: at }, () => 0);
  const pads = [...lead, top, left, 0, ...lead, height - rows - top, width - columns - left, 0];
  return graph.add('Pad', [x, integers(graph, 'pads', pads)], { mode: 'constant' });
}

function boxOf(call: OperationCall): Box {
  return {
    top: call.number(1, undefined, 'offset_height'),
    left: call.number(2, undefined, 'offset_width'),
    height: call.number(3, undefined, 'target_height'),
    width: call.number(4, undefined, 'target_width'),
  };
}

/** The middle, or the image in the middle of zeros. */
function cropOrPad(x: Value, _: Algebra, call: OperationCall): Value {
  const target = [
    call.number(1, undefined, 'target_height'),
    call.number(2, undefined, 'target_width'),
  ] as const;
  const size = sizesOfImage(x, call);
  const [height, width] = [Math.min(size[0], target[0]), Math.min(size[1], target[1])];
  const start = (i: 0 | 1): number => Math.max(Math.floor((size[i] - target[i]) / 2), 0);
  const middle = cut(x, { top: start(0), left: start(1), height, width }, call);
  const before = (i: 0 | 1): number => Math.max(Math.floor((target[i] - size[i]) / 2), 0);
  return framedBy(
    middle,
    { top: before(0), left: before(1), height: target[0], width: target[1] },
    call,
  );
}

function centralCrop(x: Value, _: Algebra, call: OperationCall): Value {
  const fraction = call.number(1, undefined, 'central_fraction');
  const [rows, columns] = sizesOfImage(x, call);
  const top = Math.trunc((rows - rows * fraction) / 2);
  const left = Math.trunc((columns - columns * fraction) / 2);
  return cut(x, { top, left, height: rows - 2 * top, width: columns - 2 * left }, call);
}

/** (x - mean) · factor + mean, of each channel of each image. */
function contrast(x: Value, m: Algebra, call: OperationCall): Value {
  const at = rowsAxis(x, call);
  const mean = m.mean(x, [at, at + 1], 1);
  return m.plus(m.times(m.minus(x, mean), call.number(1, undefined, 'contrast_factor')), mean);
}

/** One channel of hue, saturation and value changed. */
function adjusted(
  channel: 0 | 1,
  change: (x: Value, m: Algebra, call: OperationCall) => Value,
): Operation {
  return (call) => {
    const m = new Algebra(call.bench.graph);
    const maps = call.bench.layouts.padded(call.bench.layouts.channelsFirst(call.x)).value;
    if (maps.shape.length !== 4) throw call.refused(`images of ${maps.shape.length} axes`);
    const parts = [
      ...m.graph.addAll('Split', [toHsv(maps, m), integers(m.graph, 'split', [1, 1, 1])], {
        axis: 1,
      }),
    ];
    const own = parts[channel];
    if (!own) throw new Error('Bug: three channels stay three');
    return channelsFirstTensor(fromHsv(m.concat(parts.with(channel, change(own, m, call)), 1), m));
  };
}

/** As TensorFlow 1 placed the pixels: by their corners, or by the first and the last. */
function resizedByCorners(kind: 'linear' | 'nearest', flagAt = 2): Operation {
  return (call) => {
    const { graph, layouts } = call.bench;
    const [height, width] = call.integers(1, 'size') ?? [];
    if (height === undefined || width === undefined) throw call.refused('a size that is computed');
    const isByEnds = call.flag(flagAt, 'align_corners');
    const isHalf = call.flag(Number.POSITIVE_INFINITY, 'half_pixel_centers');
    const x = layouts.padded(layouts.channelsFirst(call.x)).value;
    const dims = [x.shape[0] ?? 1, x.shape[1] ?? 1, height, width];
    const value = graph.add('Resize', [x, undefined, undefined, sizesOf(graph, dims, [x])], {
      mode: kind,
      coordinate_transformation_mode: isByEnds
        ? 'align_corners'
        : isHalf
          ? 'half_pixel'
          : 'asymmetric',
      ...(kind === 'nearest' ? { nearest_mode: isByEnds ? 'round_prefer_ceil' : 'floor' } : {}),
    });
    return channelsFirstTensor(graph.rename(value, value.name, dims));
  };
}

/** The method is a number, or a word. */
function resizedByMethod(call: OperationCall): ReturnType<Operation> {
  const said = call.raw(2, 'method') ?? 0;
  if (said === 0 || said === 'bilinear') return resizedByCorners('linear', 3)(call);
  if (said === 1 || said === 'nearest') return resizedByCorners('nearest', 3)(call);
  throw call.refused(`the method ${JSON.stringify(said)}`);
}

const largest: Readonly<Partial<Record<DType, number>>> = {
  uint8: 255,
  int8: 127,
  int32: 2 ** 31 - 1,
};

/** Whole numbers as parts of their largest. */
function toFloats(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = call.kerasX;
  const to = call.dtype('dtype', 1);
  if (to === 'float32' && x.dtype === 'float32') return call.x;
  const limit = largest[x.dtype];
  if (to !== 'float32' || limit === undefined) throw call.refused(`images of ${x.dtype} as ${to}`);
  return kerasTensor(m.times(m.cast(x, 'float32'), 1 / limit));
}

function row(
  name: string,
  table: Readonly<Record<string, Operation>> = imageOperations,
): Operation {
  const operation = table[name];
  if (!operation) throw new Error(`Bug: no operation "${name}"`);
  return operation;
}

/** tf.image. Source: tensorflow/python/ops/image_ops_impl.py. */
export const imageFunctions: Readonly<Record<string, Operation>> = {
  'image.resize': row('resize'),
  'image.per_image_standardization': row('per_image_standardization'),
  'image.rgb_to_grayscale': row('rgb_to_grayscale'),
  'image.rgb_to_hsv': row('rgb_to_hsv'),
  'image.hsv_to_rgb': row('hsv_to_rgb'),
  'image.resize_bilinear': resizedByCorners('linear'),
  'image.resize_nearest_neighbor': resizedByCorners('nearest'),
  'image.resize_images': resizedByMethod,
  'image.grayscale_to_rgb': whole((x, m) => {
    const repeats = x.shape.map((_, axis) => (axis === x.shape.length - 1 ? 3 : 1));
    return m.graph.add('Tile', [x, integers(m.graph, 'repeats', repeats)]);
  }),
  'image.rgb_to_yuv': mixed(
    [
      [0.299, -0.14714119, 0.61497538],
      [0.587, -0.28886916, -0.51496512],
      [0.114, 0.43601035, -0.10001026],
    ],
    'rgb_to_yuv',
  ),
  'image.yuv_to_rgb': mixed(
    [
      [1, 1, 1],
      [0, -0.394642334, 2.03206185],
      [1.13988303, -0.58062185, 0],
    ],
    'yuv_to_rgb',
  ),
  'image.rgb_to_yiq': mixed(
    [
      [0.299, 0.59590059, 0.2115],
      [0.587, -0.27455667, -0.52273617],
      [0.114, -0.32134392, 0.31119955],
    ],
    'rgb_to_yiq',
  ),
  'image.flip_left_right': flip(1),
  'image.flip_up_down': flip(0),
  'image.rot90': (call) =>
    row(
      'rot90',
      pickingOperations,
    )(call.renamed({}, { axes: [rowsAxis(call.kerasX, call), rowsAxis(call.kerasX, call) + 1] })),
  'image.transpose': whole((x, m, call) => {
    const at = rowsAxis(x, call);
    return m.transpose(
      x,
      x.shape.map((_, axis) => (axis === at ? at + 1 : axis === at + 1 ? at : axis)),
    );
  }),
  'image.central_crop': whole(centralCrop),
  'image.crop_to_bounding_box': whole((x, _, call) => cut(x, boxOf(call), call)),
  'image.pad_to_bounding_box': whole((x, _, call) => framedBy(x, boxOf(call), call)),
  'image.resize_with_crop_or_pad': whole(cropOrPad),
  'image.adjust_brightness': whole((x, m, call) => m.plus(x, call.number(1, undefined, 'delta'))),
  'image.adjust_contrast': whole(contrast),
  'image.adjust_gamma': whole((x, m, call) =>
    m.times(m.join('Pow', x, call.number(1, 1, 'gamma')), call.number(2, 1, 'gain')),
  ),
  'image.adjust_saturation': adjusted(1, (x, m, call) =>
    m.join('Min', m.join('Max', m.times(x, call.number(1, undefined, 'saturation_factor')), 0), 1),
  ),
  'image.adjust_hue': adjusted(0, (x, m, call) => {
    const turned = m.plus(x, call.number(1, undefined, 'delta'));
    return m.minus(turned, m.of('Floor', turned));
  }),
  'image.convert_image_dtype': toFloats,
  'image.extract_patches': row('extract_patches', patchOperations),
};
