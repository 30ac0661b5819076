import { floatSource } from '../source.ts';
import type { Value } from '../tensor.ts';
import { type Bench, unsupported } from './layer.ts';
import { isKnown } from './layout.ts';
import { type Interpolation, resizeMatrix } from './resample.ts';
import { sizesOf } from './sizes.ts';

/** How the two spatial axes of an image [N, C, H, W] get other sizes. */
export interface Resizing {
  readonly height: number;
  readonly width: number;
  readonly method: Interpolation;
  readonly antialias: boolean;
}

/**
 * An image resized as TensorFlow 2 does it, with half-pixel centres.
 *
 * One Resize node where ONNX has the method; others are a matrix for each axis, for which the size must be known:
 * KERAS_LAYER_UNSUPPORTED else.
 */
export function resizedImage(x: Value, resizing: Resizing, bench: Bench): Value {
  const { height, width, method, antialias } = resizing;
  const [, , rows, columns] = x.shape;
  if (rows === height && columns === width) return x;
  const isOwn = method === 'nearest' || (method === 'bilinear' && !antialias);
  if (isOwn) return byOperator(x, resizing, bench);
  if (isKnown(rows) && isKnown(columns)) return byMatrices(x, resizing, bench);
  throw unsupported(
    `Interpolation "${method}" needs to know the input size, but it is open`,
    bench.where,
    'Save the model with a fixed input size, or choose the interpolation nearest or bilinear.',
  );
}

function byOperator(x: Value, { height, width, method }: Resizing, { graph }: Bench): Value {
  const { shape } = x;
  const sizes = sizesOf(graph, [shape[0] ?? 1, shape[1] ?? 1, height, width], [x]);
  const half = { coordinate_transformation_mode: 'half_pixel' } as const;
  const resized = graph.add(
    'Resize',
    [x, undefined, undefined, sizes],
    method === 'nearest'
      ? { ...half, mode: 'nearest', nearest_mode: 'round_prefer_ceil' }
      : { ...half, mode: 'linear' },
  );
  return graph.rename(resized, resized.name, [...shape.slice(0, 2), height, width]);
}

/** rows · x · columns, with a matrix from the left and one from the right. */
function byMatrices(x: Value, { height, width, method, antialias }: Resizing, bench: Bench): Value {
  const { graph, layer } = bench;
  if (method === 'nearest') throw new Error('Bug: ONNX resizes to the nearest');
  const [, , rows = 1, columns = 1] = x.shape;
  const matrix = (from: number, to: number) => resizeMatrix(method, { from, to, antialias });
  const left = matrix(Number(rows), height);
  const right = matrix(Number(columns), width);
  const transposed = Array.from({ length: Number(columns) }, (_, i) =>
    right.map((row) => row[i] ?? 0),
  );
  const add = (name: string, numbers: readonly (readonly number[])[]): Value =>
    graph.initializer(
      `${layer}/${name}`,
      floatSource([numbers.length, numbers[0]?.length ?? 0], numbers.flat()),
    );
  const wide = columns === width ? x : graph.add('MatMul', [x, add('columns', transposed)]);
  return rows === height ? wide : graph.add('MatMul', [add('rows', left), wide]);
}
