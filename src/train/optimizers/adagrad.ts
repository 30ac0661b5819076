import {
  type RuleSettings,
  type Rules,
  rootWith,
  slotsNamed,
  smoothed,
  squareOf,
} from './rules.ts';

/**
 * a ← a + g². Keras 1: a starts at 0, p ← p - lr·g / (√a + ε). Keras 3: a starts at 0.1, p ← p - lr·g / √(a + ε).
 * Source: keras/src/optimizers/adagrad.py.
 */
export function adagrad({ keras, epsilon }: RuleSettings): Rules {
  const place = keras === 1 ? 'outside' : 'inside';
  return {
    slots: [{ name: 'accumulator', start: keras === 1 ? 0 : 0.1 }],
    update(graph, { parameter, gradient, slots: [before], rate }) {
      if (!before) throw new Error('Bug: a slot of the optimizer was not given');
      const sum = graph.add('Add', [before, squareOf(graph, gradient)]);
      const root = rootWith(graph, sum, epsilon, place);
      const step = graph.add('Div', [graph.add('Mul', [rate, gradient]), root]);
      return { parameter: graph.add('Sub', [parameter, step]), slots: [sum] };
    },
  };
}

/**
 * a ← ρ·a + (1-ρ)·g²; u = g·√(d + ε)/√(a + ε); p ← p - lr·u; d ← ρ·d + (1-ρ)·u².
 * Source: keras/src/optimizers/adadelta.py.
 */
export function adadelta({ rho, epsilon }: RuleSettings): Rules {
  return {
    slots: slotsNamed('accumulator', 'delta'),
    update(graph, { parameter, gradient, slots: [oldSum, oldDelta], rate }) {
      if (!oldDelta) throw new Error('Bug: a slot of the optimizer was not given');
      const sum = smoothed(graph, oldSum, squareOf(graph, gradient), rho);
      const grown = graph.add('Mul', [gradient, rootWith(graph, oldDelta, epsilon, 'inside')]);
      const move = graph.add('Div', [grown, rootWith(graph, sum, epsilon, 'inside')]);
      const delta = smoothed(graph, oldDelta, squareOf(graph, move), rho);
      const step = graph.add('Mul', [rate, move]);
      return { parameter: graph.add('Sub', [parameter, step]), slots: [sum, delta] };
    },
  };
}
