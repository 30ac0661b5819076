import { defineLayer, type Layer, unsupported } from '../../layer.ts';
import { axisIn, elementwise, integers } from '../../layout.ts';
import { readDataFormat, readSides } from '../../read.ts';
import { spatialAxes, spatialAxesIn } from '../../window.ts';

function defineCropping(rank: number, name: string): Layer {
  return defineLayer({
    keras: [name],
    read: (config) => ({
      sides: readSides(config, 'cropping', rank),
      dataFormat: rank === 1 ? ('channels_last' as const) : readDataFormat(config),
    }),
    weights: () => ({}),
    emit({ config, input, graph, layouts, where }) {
      const x = layouts.padded(input);
      const axes = spatialAxes(x.shape.length, config.dataFormat);
      const shape = x.shape.map((dim, axis) => {
        const [before, after] = config.sides[axes.indexOf(axis)] ?? [0, 0];
        if (before + after === 0) return dim;
        if (typeof dim === 'string') return `${dim}-${before + after}`;
        if (dim > before + after) return dim - before - after;
        throw unsupported(
          `Cropping ${before} and ${after} needs a larger input size than ${dim}`,
          where,
          'Check that the file was saved by Keras and was not edited by hand.',
        );
      });
      const starts = config.sides.map(([before]) => before);
      const ends = axes.map((axis, i) => {
        const size = shape[axis];
        if (typeof size === 'number') return (starts[i] ?? 0) + size;
        // 0 would be the very beginning: "to the end" is a number that no size reaches.
        return -(config.sides[i]?.[1] ?? 0) || 2 ** 31 - 1;
      });
      const sliced = graph.add('Slice', [
        x.value,
        integers(graph, 'starts', starts),
        integers(graph, 'ends', ends),
        integers(graph, 'axes', spatialAxesIn(x, config.dataFormat)),
      ]);
      const order = shape.map((_, axis) => axisIn(x, axis));
      const dims = order.map((_, at) => shape[order.indexOf(at)] ?? 1);
      return { ...elementwise(x, graph.rename(sliced, sliced.name, dims)), shape };
    },
  });
}

/** Cropping1D over [N, steps, C]. */
export const cropping1d = defineCropping(1, 'Cropping1D');
/** Cropping2D. Source: keras/src/layers/reshaping/cropping2d.py. */
export const cropping2d = defineCropping(2, 'Cropping2D');
/** Cropping3D. */
export const cropping3d = defineCropping(3, 'Cropping3D');
