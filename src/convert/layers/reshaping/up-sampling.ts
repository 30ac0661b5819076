import type { Value } from '../../../tensor.ts';
import { type Bench, defineLayer, type Layer, unsupported } from '../../layer.ts';
import { hasHalfPixelCentres } from '../../origin.ts';
import { readDataFormat, readTuple } from '../../read.ts';
import { type Interpolation, interpolations } from '../../resample.ts';
import { resizedImage } from '../../resize.ts';
import { asMaps, fromMaps } from '../../window.ts';

function defineUpSampling(rank: number, name: string): Layer {
  return defineLayer({
    keras: [name],
    read: (config) => ({
      method: config.oneOf('interpolation', interpolations, 'nearest'),
      factors: readTuple(config, 'size', { rank, byDefault: 2 }),
      dataFormat: rank === 1 ? ('channels_last' as const) : readDataFormat(config),
    }),
    weights: () => ({}),
    emit({ config, input, ...bench }) {
      const maps = bench.layouts.padded(asMaps(input, config.dataFormat, bench));
      return fromMaps(enlarged(maps.value, config, bench), config.dataFormat);
    },
  });
}

interface UpSampling {
  readonly method: Interpolation;
  readonly factors: readonly number[];
}

function enlarged(x: Value, { method, factors }: UpSampling, bench: Bench): Value {
  if (method !== 'nearest' && method !== 'bilinear') return byFilter(x, { method, factors }, bench);
  const { graph, origin } = bench;
  const scales = [1, 1, ...factors];
  const asked = [x, undefined, graph.floats('scales', scales, [scales.length])] as const;
  if (method === 'nearest') {
    return graph.add('Resize', asked, {
      mode: 'nearest',
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: 'floor',
    });
  }
  return graph.add('Resize', asked, {
    mode: 'linear',
    coordinate_transformation_mode: hasHalfPixelCentres(origin) ? 'half_pixel' : 'asymmetric',
  });
}

function byFilter(x: Value, { method, factors }: UpSampling, bench: Bench): Value {
  const [, , rows, columns] = x.shape;
  const [down = 1, across = 1] = factors;
  if (typeof rows === 'number' && typeof columns === 'number') {
    const size = { height: rows * down, width: columns * across };
    return resizedImage(x, { ...size, method, antialias: false }, bench);
  }
  throw unsupported(
    `Interpolation "${method}" needs to know the input size, but it is open`,
    bench.where,
    'Save the model with a fixed input size, or choose the interpolation nearest or bilinear.',
  );
}

/** UpSampling1D repeats each step. */
export const upSampling1d = defineUpSampling(1, 'UpSampling1D');
/** UpSampling2D, in every interpolation. Source: keras/src/layers/reshaping/up_sampling2d.py. */
export const upSampling2d = defineUpSampling(2, 'UpSampling2D');
/** UpSampling3D repeats each voxel. */
export const upSampling3d = defineUpSampling(3, 'UpSampling3D');
