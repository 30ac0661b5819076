import { permuted } from '../../../source.ts';
import type { TensorSource } from '../../../tensor.ts';
import { defineLayer, type Layer } from '../../layer.ts';
import { elementwise, type KerasTensor } from '../../layout.ts';
import { channelsFirstRows } from '../../weights.ts';

/**
 * PReLU: x, or alpha · x below 0.
 *
 * alpha has the input's shape without the batch, 1 along shared axes. Keras 1 forgets to save which axes are shared,
 * so the weight's own shape tells. Source: keras/src/layers/activations/prelu.py.
 */
export const prelu: Layer = defineLayer({
  keras: ['PReLU'],
  mask: 'passes',
  read: () => undefined,
  weights: (_, input, [found = []]) => ({
    alpha: input.slice(1).map((dim, axis) => (found[axis] === 1 ? 1 : Number(dim))),
  }),
  emit({ input, weights, parameter, graph, layouts }) {
    const x = layouts.padded(input);
    const alpha = parameter('alpha', laidOut(weights.alpha, x), x.layout.kind);
    return elementwise(x, graph.add('PRelu', [x.value, alpha]));
  },
});

function laidOut(alpha: TensorSource, { layout }: KerasTensor): TensorSource {
  const last = alpha.shape.length - 1;
  if (layout.kind === 'flat')
    return alpha.shape[0] === 1 ? alpha : channelsFirstRows(alpha, layout.from);
  if (layout.kind === 'keras') return alpha;
  return permuted(alpha, [last, ...alpha.shape.slice(0, -1).map((_, axis) => axis)]);
}
