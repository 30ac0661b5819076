import type { Value } from '../../tensor.ts';
import {
  type ArrayStep,
  arrayOf,
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
    apply(step) {
      if (names.length === 1) plain(settings, step);
      else general(settings, step, names);
    },
  };
}

function plain({ rho, epsilon, keras }: RuleSettings, step: ArrayStep): void {
  const { parameter, gradient, rate, shrink } = step;
  const velocity = arrayOf(step.slots, 0);
  const inside = keras === 1 ? 0 : epsilon;
  const outside = keras === 1 ? epsilon : 0;
  const count = parameter.length;
  for (let i = 0; i < count; i++) {
    const g = gradient[i] ?? 0;
    const a = rho * (velocity[i] ?? 0) + (1 - rho) * g * g;
    velocity[i] = a;
    parameter[i] = (parameter[i] ?? 0) * shrink - (rate * g) / (Math.sqrt(a + inside) + outside);
  }
}

function general(
  { rho, epsilon, centered, momentum }: RuleSettings,
  step: ArrayStep,
  names: readonly string[],
): void {
  const { parameter, gradient, rate, shrink, slots } = step;
  const velocity = arrayOf(slots, 0);
  const mean = centered ? arrayOf(slots, 1) : undefined;
  const speed = momentum > 0 ? arrayOf(slots, names.length - 1) : undefined;
  const count = parameter.length;
  for (let i = 0; i < count; i++) {
    const g = gradient[i] ?? 0;
    const a = rho * (velocity[i] ?? 0) + (1 - rho) * g * g;
    velocity[i] = a;
    let spread = a;
    if (mean) {
      const m = rho * (mean[i] ?? 0) + (1 - rho) * g;
      mean[i] = m;
      spread -= m * m;
    }
    let move = (rate * g) / Math.sqrt(spread + epsilon);
    if (speed) {
      move += momentum * (speed[i] ?? 0);
      speed[i] = move;
    }
    parameter[i] = (parameter[i] ?? 0) * shrink - move;
  }
}
