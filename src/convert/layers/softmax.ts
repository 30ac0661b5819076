import { defineLayer, type Layer, unsupported } from '../layer.ts';
import { axisIn, elementwise } from '../layout.ts';
import { readIntegers } from '../read.ts';

/** Softmax over one axis of the Keras tensor, the last by default. Source: keras/src/layers/activations/softmax.py. */
export const softmax: Layer = defineLayer({
  keras: ['Softmax'],
  read(config, _, where) {
    const [axis = -1, ...others] = readIntegers(config, 'axis', [-1]);
    if (others.length === 0) return axis;
    throw unsupported('Softmax over several axes cannot be converted', where, 'Use one axis.');
  },
  weights: () => ({}),
  emit({ config: axis, input, graph, layouts }) {
    const x = layouts.padded(input);
    return elementwise(x, graph.add('Softmax', [x.value], { axis: axisIn(x, axis) }));
  },
});
