import { defineLayer, type Layer } from '../../layer.ts';
import { axisIn, elementwise } from '../../layout.ts';
import { readIntegers } from '../../read.ts';
import { axesOf, broadcastAlong } from './axes.ts';

/**
 * RMSNormalization: scale · x / sqrt(mean(x²) + epsilon) along some axes.
 *
 * Source: keras/src/layers/normalization/rms_normalization.py.
 */
export const rmsNormalization: Layer = defineLayer({
  keras: ['RMSNormalization'],
  mask: 'passes',
  read: (config) => ({
    axes: readIntegers(config, 'axis', [-1]),
    epsilon: config.number('epsilon', 1e-6),
  }),
  weights: ({ axes }, input) => ({
    scale: axesOf(axes, input.length).map((axis) => Number(input[axis] ?? 1)),
  }),
  emit({ config, input, weights, parameter, graph, layouts }) {
    const axes = axesOf(config.axes, input.shape.length);
    const isOneAxis = axes.length === 1 && input.layout.kind !== 'flat';
    const x = isOneAxis ? layouts.padded(input) : layouts.keras(input);
    const over = { axes: axes.map((axis) => axisIn(x, axis)), keepdims: 1 } as const;
    const squares = graph.add('ReduceMean', [graph.add('Mul', [x.value, x.value])], over);
    const sum = graph.add('Add', [squares, graph.floats('epsilon', [config.epsilon])]);
    const normal = graph.add('Div', [x.value, graph.add('Sqrt', [sum])]);
    const scale = parameter('scale', broadcastAlong(weights.scale, x, axes), x.layout.kind);
    return elementwise(x, graph.add('Mul', [normal, scale]));
  },
});

/**
 * UnitNormalization: x / sqrt(max(Σx², 1e-12)) along some axes.
 *
 * Source: keras/src/layers/normalization/unit_normalization.py.
 */
export const unitNormalization: Layer = defineLayer({
  keras: ['UnitNormalization'],
  mask: 'passes',
  read: (config) => readIntegers(config, 'axis', [-1]),
  weights: () => ({}),
  emit({ config, input, graph, layouts }) {
    const x = input.layout.kind === 'flat' ? layouts.keras(input) : layouts.padded(input);
    const axes = axesOf(config, x.shape.length).map((axis) => axisIn(x, axis));
    const length = graph.add('ReduceL2', [x.value], { axes, keepdims: 1 });
    const floor = graph.add('Max', [length, graph.floats('smallest', [1e-6])]);
    return elementwise(x, graph.add('Div', [x.value, floor]));
  },
});

/**
 * SpectralNormalization: the layer that it wraps, whose kernel was divided by its largest singular value in training.
 *
 * Source: keras/src/layers/normalization/spectral_normalization.py.
 */
export const spectralNormalization: Layer = defineLayer({
  keras: ['SpectralNormalization'],
  mask: 'passes',
  wraps: 'layers',
  read: () => undefined,
  weights: (_, __, found) => Object.fromEntries(found.map((shape, i) => [`${i}`, shape])),
  emit({ input, wrapped, apply }) {
    const [layer] = wrapped;
    if (!layer) throw new Error('Bug: SpectralNormalization wraps a layer');
    return apply(layer, [input]);
  },
});
