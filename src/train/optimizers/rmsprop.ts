import type { Value } from '../../tensor.ts';
import {
  type RuleSettings,
  type Rules,
  rootWith,
  slotsNamed,
  smoothed,
  squareOf,
} from './rules.ts';

/**
 * a ← ρ·a + (1-ρ)·g². Keras 1: p ← p - lr·g / (√a + ε). Keras 3: p ← p - lr·g / √(a + ε), where a loses the square of
 * the mean gradient when centered, and the step is smoothed by the momentum. Source: keras/src/optimizers/rmsprop.py.
 */
export function rmsprop(settings: RuleSettings): Rules {
  const { rho, centered, momentum, epsilon, keras } = settings;
  const names = ['velocity', ...(centered ? ['mean'] : []), ...(momentum > 0 ? ['momentum'] : [])];
  return {
    slots: slotsNamed(...names),
    update(graph, { parameter, gradient, slots: before, rate }) {
      const slot = (name: string): Value | undefined => before[names.indexOf(name)];
      const velocity = smoothed(graph, slot('velocity'), squareOf(graph, gradient), rho);
      const mean = slot('mean') && smoothed(graph, slot('mean'), gradient, rho);
      const spread = mean ? graph.add('Sub', [velocity, squareOf(graph, mean)]) : velocity;
      const root = rootWith(graph, spread, epsilon, keras === 1 ? 'outside' : 'inside');
      const step = graph.add('Div', [graph.add('Mul', [rate, gradient]), root]);
      const old = slot('momentum');
      const factor = graph.floats('momentum', [momentum]);
      const move = old && graph.add('Add', [graph.add('Mul', [factor, old]), step]);
      const after = [velocity, mean, move].filter((value) => value !== undefined);
      return { parameter: graph.add('Sub', [parameter, move ?? step]), slots: after };
    },
  };
}
