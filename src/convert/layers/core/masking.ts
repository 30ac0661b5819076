import { defineLayer, type Layer } from '../../layer.ts';
import { axisIn, elementwise, integers, once } from '../../layout.ts';

/**
 * Masking: steps all of whose features are mask_value do not count, and become zeros.
 *
 * x [N, T, F] → [N, T, F]. Source: keras/src/layers/core/masking.py.
 */
export const masking: Layer = defineLayer({
  keras: ['Masking'],
  mask: 'set by the rule',
  read: (config) => config.number('mask_value', 0),
  weights: () => ({}),
  emit({ config: value, input, graph, layouts, layer }) {
    const x = input.layout.kind === 'timeFirst' ? layouts.padded(input) : layouts.keras(input);
    const last = axisIn(x, -1);
    const isLeftOut = graph.add('Equal', [x.value, graph.floats('mask_value', [value])]);
    const differs = graph.add('Cast', [graph.add('Not', [isLeftOut])], { to: 'float32' });
    const counts = graph.add('ReduceMax', [differs], { axes: [last], keepdims: 1 });
    const mask = once(() =>
      graph.within(layer, () => {
        const flat = graph.add('Squeeze', [counts, integers(graph, 'axes', [last])]);
        const isOn = graph.add('Cast', [flat], { to: 'bool' });
        const isMoved = x.layout.kind === 'timeFirst';
        return isMoved ? graph.add('Transpose', [isOn], { perm: [1, 0] }) : isOn;
      }),
    );
    return { ...elementwise(x, graph.add('Mul', [x.value, counts])), mask };
  },
});
