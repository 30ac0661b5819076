import type { Value } from '../../../tensor.ts';
import { type Bench, defineLayer, type Layer, unsupported } from '../../layer.ts';
import { integers, isKnown, type KerasTensor } from '../../layout.ts';
import { type DataFormat, readDataFormat } from '../../read.ts';
import { interpolations } from '../../resample.ts';
import { type Resizing, resizedImage } from '../../resize.ts';
import { sizeAlong } from '../../sizes.ts';
import { asMaps, fromMaps } from '../../window.ts';
import { Algebra } from '../operations/algebra.ts';

interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/**
 * Resizing: to a given size, in every interpolation; cropped or padded to the new aspect ratio before, where asked.
 *
 * Source: keras/src/layers/preprocessing/image_preprocessing/resizing.py, keras/src/backend/tensorflow/image.py.
 */
export const resizing: Layer = defineLayer({
  keras: ['Resizing'],
  read: (config) => ({
    height: config.integer('height'),
    width: config.integer('width'),
    method: config.oneOf('interpolation', interpolations, 'bilinear'),
    antialias: config.boolean('antialias', false),
    crops: config.boolean('crop_to_aspect_ratio', false),
    pads: config.boolean('pad_to_aspect_ratio', false),
    fill: config.number('fill_value', 0),
    dataFormat: readDataFormat(config),
  }),
  weights: () => ({}),
  emit({ config, input, ...bench }) {
    const { value: x } = imageOf(input, config.dataFormat, bench);
    const cropped = config.crops ? cut(x, aspectBox(x, config, bench), bench) : x;
    const ready = config.pads ? paddedToAspect(cropped, config, bench) : cropped;
    return fromMaps(resizedImage(ready, config, bench), config.dataFormat);
  },
});

function imageOf(input: KerasTensor, dataFormat: DataFormat, bench: Bench): KerasTensor {
  return bench.layouts.padded(asMaps(input, dataFormat, bench));
}

function sizeOfImage({ shape }: Value, { where }: Bench): readonly [number, number] {
  const [, , height, width] = shape;
  if (typeof height === 'number' && typeof width === 'number') return [height, width];
  throw unsupported(
    'Cropping or padding an image to an aspect ratio needs to know the input size, but it is open',
    where,
    'Save the model with a fixed input size.',
  );
}

type Target = Pick<Resizing, 'height' | 'width'>;

/** The largest box in the middle with the aspect ratio of the target. */
function aspectBox(x: Value, target: Target, bench: Bench): Box {
  const [rows, columns] = sizeOfImage(x, bench);
  // oxlint-disable-next-line unicorn/consistent-function-scoping -- read together with what it serves
  const side = (other: number, a: number, b: number, all: number): number =>
    Math.max(Math.min(all, Math.trunc((other * a) / b)), 1);
  const height = side(columns, target.height, target.width, rows);
  const width = side(rows, target.width, target.height, columns);
  return {
    top: Math.trunc((rows - height) / 2),
    left: Math.trunc((columns - width) / 2),
    height,
    width,
  };
}

function cut(x: Value, { top, left, height, width }: Box, { graph }: Bench): Value {
  if (x.shape[2] === height && x.shape[3] === width) return x;
  return graph.add('Slice', [
    x,
    integers(graph, 'starts', [top, left]),
    integers(graph, 'ends', [top + height, left + width]),
    integers(graph, 'axes', [2, 3]),
  ]);
}

function paddedToAspect(x: Value, target: Target & { readonly fill: number }, bench: Bench): Value {
  const { graph } = bench;
  const [rows, columns] = sizeOfImage(x, bench);
  // As much on either side, so that a border of odd size is one short. Source: resize in keras/src/backend.
  const top = Math.trunc(
    Math.max(Math.trunc((columns * target.height) / target.width) - rows, 0) / 2,
  );
  const left = Math.trunc(
    Math.max(Math.trunc((rows * target.width) / target.height) - columns, 0) / 2,
  );
  if (top === 0 && left === 0) return x;
  const pads = [0, 0, top, left, 0, 0, top, left];
  return graph.add('Pad', [x, integers(graph, 'pads', pads), graph.floats('fill', [target.fill])], {
    mode: 'constant',
  });
}

/**
 * CenterCrop: the middle of an image; one that is smaller is cropped to the aspect ratio and resized.
 *
 * Source: keras/src/layers/preprocessing/image_preprocessing/center_crop.py.
 */
export const centerCrop: Layer = defineLayer({
  keras: ['CenterCrop'],
  read: (config) => ({
    height: config.integer('height'),
    width: config.integer('width'),
    dataFormat: readDataFormat(config),
  }),
  weights: () => ({}),
  emit({ config, input, ...bench }) {
    const { value: x } = imageOf(input, config.dataFormat, bench);
    if (!isKnown(x.shape[2]) || !isKnown(x.shape[3])) {
      return fromMaps(openCrop(x, config, bench), config.dataFormat);
    }
    const [rows, columns] = sizeOfImage(x, bench);
    const isLargeEnough = rows >= config.height && columns >= config.width;
    const value = isLargeEnough ? middle(x, config, bench) : smartlyResized(x, config, bench);
    return fromMaps(value, config.dataFormat);
  },
});

/**
 * The same of an image of open size, by whole numbers that are worked out when the graph runs: a box in the middle, of
 * the target's size or of its aspect ratio, and a Resize, which leaves a box of the target's size as it is.
 */
function openCrop(x: Value, { height, width }: Target, bench: Bench): Value {
  const { graph } = bench;
  const m = new Algebra(graph);
  const size = (axis: number): Value => sizeAlong(graph, x, axis);
  const [rows, columns] = [size(2), size(3)];
  const isLarge = m.both(
    m.join('GreaterOrEqual', rows, height),
    m.join('GreaterOrEqual', columns, width),
  );
  const side = (all: Value, other: Value, [own, across]: readonly [number, number]): Value => {
    const wanted = m.over(m.times(other, own), across);
    const within = m.join('Max', m.join('Min', all, wanted), 1);
    return m.where(isLarge, own, within);
  };
  const box = [side(rows, columns, [height, width]), side(columns, rows, [width, height])];
  const starts = box.map((own, i) => m.over(m.minus(i === 0 ? rows : columns, own), 2));
  const ends = starts.map((start, i) => m.plus(start, box[i] ?? start));
  const part = graph.add('Slice', [
    x,
    m.concat(starts, 0),
    m.concat(ends, 0),
    integers(graph, 'axes', [2, 3]),
  ]);
  return resizedImage(part, { height, width, method: 'bilinear', antialias: false }, bench);
}

function middle(x: Value, { height, width }: Target, bench: Bench): Value {
  const [rows, columns] = sizeOfImage(x, bench);
  const top = Math.trunc((rows - height) / 2);
  const left = Math.trunc((columns - width) / 2);
  return cut(x, { top, left, height, width }, bench);
}

function smartlyResized(x: Value, target: Target, bench: Bench): Value {
  const cropped = cut(x, aspectBox(x, target, bench), bench);
  return resizedImage(cropped, { ...target, method: 'bilinear', antialias: false }, bench);
}

/**
 * RandomCrop: in tf.keras images are cropped to the aspect ratio and resized when it does not train.
 *
 * Keras 3 did so at first and later left them alone, so there it is converted only where that is the same.
 */
export const randomCrop: Layer = defineLayer({
  keras: ['RandomCrop'],
  read: (config) => ({
    height: config.integer('height'),
    width: config.integer('width'),
    dataFormat: readDataFormat(config),
  }),
  weights: () => ({}),
  emit({ config, input, ...bench }) {
    const { value: x } = imageOf(input, config.dataFormat, bench);
    const [rows, columns] = sizeOfImage(x, bench);
    if (rows === config.height && columns === config.width) return input;
    if (bench.origin.generation !== 'Keras 3') {
      return fromMaps(smartlyResized(x, config, bench), config.dataFormat);
    }
    throw unsupported(
      'What RandomCrop does when it does not train differs between versions of Keras 3',
      bench.where,
      'Build the model with CenterCrop or Resizing instead.',
    );
  },
});
