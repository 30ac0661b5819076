import { defineLayer, type Layer, unsupported } from '../layer.ts';
import { readDataFormat, readTuple } from '../read.ts';
import { asMaps, fromMaps } from '../window.ts';

type Resize = { readonly mode: 'nearest' | 'linear'; readonly isHalfPixel: boolean };

function defineUpSampling(rank: number, name: string): Layer {
  return defineLayer({
    keras: [name],
    read(config, { generation }, where) {
      const mode = config.string('interpolation', 'nearest');
      if (mode !== 'nearest' && mode !== 'bilinear') {
        throw unsupported(
          `Interpolation "${mode}" cannot be converted`,
          where,
          'Interpolations that can: nearest, bilinear.',
        );
      }
      const resize: Resize = {
        mode: mode === 'nearest' ? 'nearest' : 'linear',
        // Keras 2 on TensorFlow 1 resized without half-pixel centres.
        isHalfPixel: mode === 'bilinear' && (generation === 'tf.keras' || generation === 'Keras 3'),
      };
      return {
        ...resize,
        factors: readTuple(config, 'size', { rank, byDefault: 2 }),
        dataFormat: rank === 1 ? ('channels_last' as const) : readDataFormat(config),
      };
    },
    weights: () => ({}),
    emit({ config, input, ...bench }) {
      const { graph, layouts } = bench;
      const maps = layouts.padded(asMaps(input, config.dataFormat, bench));
      const scales = [1, 1, ...config.factors];
      const value = graph.add(
        'Resize',
        [maps.value, undefined, graph.floats('scales', scales, [scales.length])],
        config.mode === 'nearest'
          ? { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }
          : {
              mode: 'linear',
              coordinate_transformation_mode: config.isHalfPixel ? 'half_pixel' : 'asymmetric',
            },
      );
      return fromMaps(value, config.dataFormat);
    },
  });
}

/** UpSampling1D repeats each step. */
export const upSampling1d = defineUpSampling(1, 'UpSampling1D');
/** UpSampling2D, nearest or bilinear. Source: keras/src/layers/reshaping/up_sampling2d.py. */
export const upSampling2d = defineUpSampling(2, 'UpSampling2D');
/** UpSampling3D repeats each voxel. */
export const upSampling3d = defineUpSampling(3, 'UpSampling3D');
