import type { Dim } from '../../../tensor.ts';
import { defineLayer, type Layer } from '../../layer.ts';
import { isKnown } from '../../layout.ts';
import { readDataFormat, readSides } from '../../read.ts';
import { spatialAxes } from '../../window.ts';

/** The sum of a size and zeros around it. */
function grown(dim: Dim, extra: number): Dim {
  if (extra === 0) return dim;
  return isKnown(dim) ? dim + extra : `${dim}+${extra}`;
}

function defineZeroPadding(rank: number, name: string): Layer {
  return defineLayer({
    keras: [name],
    read: (config) => ({
      sides: readSides(config, 'padding', rank),
      dataFormat: rank === 1 ? ('channels_last' as const) : readDataFormat(config),
    }),
    weights: () => ({}),
    emit({ config, input: given, layer, layouts }) {
      const input = given.layout.kind === 'perStep' ? layouts.keras(given) : given;
      const axes = spatialAxes(input.shape.length, config.dataFormat);
      const added = (side: 0 | 1) =>
        input.shape.map((_, axis) => config.sides[axes.indexOf(axis)]?.[side] ?? 0);
      const [begin, end] = [added(0), added(1)];
      const before = input.pending;
      return {
        ...input,
        shape: input.shape.map((dim, axis) => grown(dim, (begin[axis] ?? 0) + (end[axis] ?? 0))),
        pending: {
          begin: begin.map((size, axis) => size + (before?.begin[axis] ?? 0)),
          end: end.map((size, axis) => size + (before?.end[axis] ?? 0)),
          layer,
        },
      };
    },
  });
}

/** ZeroPadding1D over [N, steps, C]. */
export const zeroPadding1d = defineZeroPadding(1, 'ZeroPadding1D');
/**
 * ZeroPadding2D: no node of its own where a "valid" convolution follows, which takes the zeros in as its pads.
 * Source: keras/src/layers/reshaping/zero_padding2d.py.
 */
export const zeroPadding2d = defineZeroPadding(2, 'ZeroPadding2D');
/** ZeroPadding3D. */
export const zeroPadding3d = defineZeroPadding(3, 'ZeroPadding3D');
