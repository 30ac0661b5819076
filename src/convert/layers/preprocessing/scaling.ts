import type { ConfigReader } from '../../../keras/config.ts';
import { floatSource } from '../../../source.ts';
import type { Value } from '../../../tensor.ts';
import { type Bench, defineLayer, type Layer } from '../../layer.ts';
import { axisIn, elementwise, type KerasTensor } from '../../layout.ts';
import { numbersOf } from '../../weights.ts';
import { axesOf } from '../normalization/axes.ts';

function numbersIn(config: ConfigReader, key: string, byDefault: number): readonly number[] {
  const value = config.raw(key) ?? byDefault;
  const all = flat(value);
  if (all.length > 0 && all.every((part): part is number => typeof part === 'number')) return all;
  throw config.wrong(key, 'a number or a list of numbers');
}

function flat(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value.flatMap(flat) : [value];
}

/** Numbers along some axes of the Keras shape, in a shape that broadcasts against the value. */
function along(
  x: KerasTensor,
  numbers: readonly number[],
  {
    axes,
    bench,
    name,
  }: { readonly axes: readonly number[]; readonly bench: Bench; readonly name: string },
): Value {
  const { graph } = bench;
  if (numbers.length === 1) return graph.floats(name, numbers);
  const places = axes.map((axis) => axisIn(x, axis));
  const first = Math.min(...places);
  const shape = x.value.shape
    .slice(first)
    .map((dim, i) => (places.includes(i + first) ? Number(dim) : 1));
  return graph.initializer(`${bench.layer}/${name}`, floatSource(shape, numbers));
}

/** Rescaling: x · scale + offset, each a number or one for each channel. Source: keras/src/layers/preprocessing/rescaling.py. */
export const rescaling: Layer = defineLayer({
  keras: ['Rescaling'],
  mask: 'passes',
  read: (config) => ({
    scale: numbersIn(config, 'scale', 1),
    offset: numbersIn(config, 'offset', 0),
  }),
  weights: () => ({}),
  emit({ config, input, ...bench }) {
    const { graph, layouts } = bench;
    const x = inFloats(
      input.layout.kind === 'flat' ? layouts.keras(input) : layouts.padded(input),
      bench,
    );
    const axes = [x.shape.length - 1];
    const scale = along(x, config.scale, { axes, bench, name: 'scale' });
    const scaled = graph.add('Mul', [x.value, scale]);
    if (config.offset.every((number) => number === 0)) return elementwise(x, scaled);
    const offset = along(x, config.offset, { axes, bench, name: 'offset' });
    return elementwise(x, graph.add('Add', [scaled, offset]));
  },
});

/** Layers that compute in float32 take whole numbers too. */
function inFloats(x: KerasTensor, { graph }: Bench): KerasTensor {
  if (x.value.dtype === 'float32') return x;
  return elementwise(x, graph.add('Cast', [x.value], { to: 'float32' }));
}

/**
 * Normalization: (x - mean) / max(sqrt(variance), 1e-7), or its inverse.
 *
 * Mean and variance are in the config, or are weights [mean, variance, count] that adapt() found. Source:
 * keras/src/layers/preprocessing/normalization.py.
 */
export const normalization: Layer = defineLayer({
  keras: ['Normalization'],
  mask: 'passes',
  read: (config) => ({
    axes: config.raw('axis') === null ? [] : wholeNumbers(config),
    isInverse: config.boolean('invert', false),
    mean: config.raw('mean') == null ? undefined : numbersIn(config, 'mean', 0),
    variance: config.raw('variance') == null ? undefined : numbersIn(config, 'variance', 1),
  }),
  weights: ({ mean }, _, [own = [], other = [], count]) => ({
    mean: mean ? undefined : own,
    variance: mean ? undefined : other,
    count: mean ? undefined : count,
  }),
  emit({ config, input, weights, ...bench }) {
    const { graph, layouts } = bench;
    const x = inFloats(
      input.layout.kind === 'flat' ? layouts.keras(input) : layouts.padded(input),
      bench,
    );
    const axes = axesOf(config.axes, x.shape.length);
    const mean = config.mean ?? (weights.mean ? numbersOf(weights.mean) : [0]);
    const variance = config.variance ?? (weights.variance ? numbersOf(weights.variance) : [1]);
    const spread = variance.map((number) => Math.max(Math.sqrt(number), 1e-7));
    const centre = along(x, mean, { axes, bench, name: 'mean' });
    const unit = along(x, spread, { axes, bench, name: 'std' });
    const value = config.isInverse
      ? graph.add('Add', [graph.add('Mul', [x.value, unit]), centre])
      : graph.add('Div', [graph.add('Sub', [x.value, centre]), unit]);
    return elementwise(x, value);
  },
});

function wholeNumbers(config: ConfigReader): readonly number[] {
  return numbersIn(config, 'axis', -1);
}
