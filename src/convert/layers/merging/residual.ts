import { defineLayer, type Layer } from '../../layer.ts';
import { elementwise, inLayoutOf } from '../../layout.ts';
import { aligned } from '../../merging.ts';
import { broadcastAlong } from '../normalization/axes.ts';

/** LayerScale of ConvNeXt: x · gamma, along the last axis. Source: keras/src/applications/convnext.py. */
export const layerScale: Layer = defineLayer({
  keras: ['LayerScale'],
  read: (config) => config.integer('projection_dim'),
  weights: (size) => ({ gamma: [size] }),
  emit({ input, weights, parameter, graph, layouts }) {
    const x = input.layout.kind === 'flat' ? layouts.keras(input) : layouts.padded(input);
    const axes = [x.shape.length - 1];
    const gamma = parameter('gamma', broadcastAlong(weights.gamma, x, axes), x.layout.kind);
    return elementwise(x, graph.add('Mul', [x.value, gamma]));
  },
});

/** CustomScaleLayer of InceptionResNetV2: the first of two plus a multiple of the other. Source: keras/src/applications/inception_resnet_v2.py. */
export const customScaleLayer: Layer = defineLayer({
  keras: ['CustomScaleLayer'],
  inputs: 'many',
  read: (config) => config.number('scale'),
  weights: () => ({}),
  emit({ config: scale, inputs, graph, layouts }) {
    const [first, second = first] = aligned(inputs, layouts, 'element');
    const scaled = graph.add('Mul', [second.value, graph.floats('scale', [scale])]);
    return inLayoutOf(first, graph.add('Add', [first.value, scaled]));
  },
});
