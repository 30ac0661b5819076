import type { GraphBuilder } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import {
  type RuleSettings,
  type Rules,
  remainder,
  rootWith,
  slotsNamed,
  smoothed,
  squareOf,
} from './rules.ts';

/**
 * m ← β1·m + (1-β1)·g; v ← β2·v + (1-β2)·g²; p ← p - lr·√(1-β2ᵗ)/(1-β1ᵗ) · m / (√v + ε), for AMSGrad with the highest
 * v so far. Source: keras/src/optimizers/adam.py; AdamW is this with weight decay.
 */
export function adam({ beta1, beta2, amsgrad, epsilon }: RuleSettings): Rules {
  return {
    slots: slotsNamed('mean', 'velocity', ...(amsgrad ? ['highest'] : [])),
    update(graph, { parameter, gradient, slots: [oldMean, oldVelocity, oldHighest], rate, count }) {
      const mean = smoothed(graph, oldMean, gradient, beta1);
      const velocity = smoothed(graph, oldVelocity, squareOf(graph, gradient), beta2);
      const highest = oldHighest && graph.add('Max', [oldHighest, velocity]);
      const correction = graph.add('Div', [
        graph.add('Sqrt', [remainder(graph, beta2, count)]),
        remainder(graph, beta1, count),
      ]);
      const root = rootWith(graph, highest ?? velocity, epsilon, 'outside');
      const size = graph.add('Mul', [rate, correction]);
      const step = graph.add('Div', [graph.add('Mul', [size, mean]), root]);
      const slots = highest ? [mean, velocity, highest] : [mean, velocity];
      return { parameter: graph.add('Sub', [parameter, step]), slots };
    },
  };
}

/** u ← max(β2·u, |g|); p ← p - lr/(1-β1ᵗ) · m / (u + ε). Source: keras/src/optimizers/adamax.py. */
export function adamax({ beta1, beta2, epsilon }: RuleSettings): Rules {
  return {
    slots: slotsNamed('mean', 'norm'),
    update(graph, { parameter, gradient, slots: [oldMean, oldNorm], rate, count }) {
      if (!oldNorm) throw new Error('Bug: a slot of the optimizer was not given');
      const mean = smoothed(graph, oldMean, gradient, beta1);
      const faded = graph.add('Mul', [graph.floats('beta2', [beta2]), oldNorm]);
      const norm = graph.add('Max', [faded, graph.add('Abs', [gradient])]);
      const size = graph.add('Div', [rate, remainder(graph, beta1, count)]);
      const safe = graph.add('Add', [norm, graph.floats('epsilon', [epsilon])]);
      const step = graph.add('Div', [graph.add('Mul', [size, mean]), safe]);
      return { parameter: graph.add('Sub', [parameter, step]), slots: [mean, norm] };
    },
  };
}

/**
 * Adam with Nesterov's momentum: μₜ = β1·(1 - 0.96^(t·s)/2) with s = 1, or 0.004 in Keras 1; Π = μ₁·…·μₜ;
 * p ← p - lr · (μₜ₊₁·m/(1-Π·μₜ₊₁) + (1-μₜ)·g/(1-Π)) / (√(v/(1-β2ᵗ)) + ε). Source: keras/src/optimizers/nadam.py.
 *
 * Π is kept in a slot, the same number in every place.
 */
export function nadam({ beta1, beta2, epsilon, keras }: RuleSettings): Rules {
  const pace = keras === 1 ? 0.004 : 1;
  return {
    slots: [...slotsNamed('mean', 'velocity'), { name: 'schedule', start: 1 }],
    update(graph, step) {
      const { parameter, gradient, slots, rate, count } = step;
      const [oldMean, oldVelocity, before] = slots;
      if (!before) throw new Error('Bug: a slot of the optimizer was not given');
      const one = graph.floats('one', [1]);
      const now = momentum(graph, { beta1, pace }, count);
      const next = momentum(graph, { beta1, pace }, graph.add('Add', [count, one]));
      const schedule = graph.add('Mul', [before, now]);
      const mean = smoothed(graph, oldMean, gradient, beta1);
      const velocity = smoothed(graph, oldVelocity, squareOf(graph, gradient), beta2);
      const ahead = graph.add('Sub', [one, graph.add('Mul', [schedule, next])]);
      const first = graph.add('Div', [graph.add('Mul', [next, mean]), ahead]);
      const share = graph.add('Mul', [graph.add('Sub', [one, now]), gradient]);
      const second = graph.add('Div', [share, graph.add('Sub', [one, schedule])]);
      const even = graph.add('Div', [velocity, remainder(graph, beta2, count)]);
      const root = rootWith(graph, even, epsilon, 'outside');
      const move = graph.add('Mul', [rate, graph.add('Add', [first, second])]);
      const moved = graph.add('Sub', [parameter, graph.add('Div', [move, root])]);
      return { parameter: moved, slots: [mean, velocity, schedule] };
    },
  };
}

function momentum(
  graph: GraphBuilder,
  { beta1, pace }: { readonly beta1: number; readonly pace: number },
  count: Value,
): Value {
  const steps = graph.add('Mul', [count, graph.floats('pace', [pace])]);
  const faded = graph.add('Pow', [graph.floats('schedule_decay', [0.96]), steps]);
  const half = graph.add('Mul', [graph.floats('half_beta1', [beta1 / 2]), faded]);
  return graph.add('Sub', [graph.floats('beta1', [beta1]), half]);
}
