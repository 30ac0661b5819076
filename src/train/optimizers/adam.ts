import type { GraphBuilder } from '../../onnx/graph.ts';
import type { Value } from '../../tensor.ts';
import {
  type ArrayStep,
  arrayOf,
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
    apply(step) {
      const { rate, count } = step;
      const size = (rate * Math.sqrt(1 - beta2 ** count)) / (1 - beta1 ** count);
      const numbers = { size, beta1, beta2, epsilon };
      if (amsgrad) moveByHighest(step, numbers);
      else move(step, numbers);
    },
  };
}

interface Numbers {
  readonly size: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

// Everything in the loops is a local number or array: looked up in an object or a closure they take half as long again.
function move({ parameter, gradient, shrink, slots }: ArrayStep, numbers: Numbers): void {
  const { size, beta1, beta2, epsilon } = numbers;
  const [rest1, rest2] = [1 - beta1, 1 - beta2];
  const mean = arrayOf(slots, 0);
  const velocity = arrayOf(slots, 1);
  const count = parameter.length;
  for (let i = 0; i < count; i++) {
    const g = gradient[i] ?? 0;
    const m = beta1 * (mean[i] ?? 0) + rest1 * g;
    const v = beta2 * (velocity[i] ?? 0) + rest2 * g * g;
    mean[i] = m;
    velocity[i] = v;
    parameter[i] = (parameter[i] ?? 0) * shrink - (size * m) / (Math.sqrt(v) + epsilon);
  }
}

function moveByHighest({ parameter, gradient, shrink, slots }: ArrayStep, numbers: Numbers): void {
  const { size, beta1, beta2, epsilon } = numbers;
  const [rest1, rest2] = [1 - beta1, 1 - beta2];
  const mean = arrayOf(slots, 0);
  const velocity = arrayOf(slots, 1);
  const highest = arrayOf(slots, 2);
  const count = parameter.length;
  for (let i = 0; i < count; i++) {
    const g = gradient[i] ?? 0;
    const m = beta1 * (mean[i] ?? 0) + rest1 * g;
    const v = beta2 * (velocity[i] ?? 0) + rest2 * g * g;
    const top = Math.max(highest[i] ?? 0, v);
    mean[i] = m;
    velocity[i] = v;
    highest[i] = top;
    parameter[i] = (parameter[i] ?? 0) * shrink - (size * m) / (Math.sqrt(top) + epsilon);
  }
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
    apply(step) {
      const { parameter, gradient, rate, count, shrink, slots } = step;
      const [mean, norm] = [arrayOf(slots, 0), arrayOf(slots, 1)];
      const size = rate / (1 - beta1 ** count);
      for (let i = 0; i < parameter.length; i++) {
        const g = gradient[i] ?? 0;
        const m = beta1 * (mean[i] ?? 0) + (1 - beta1) * g;
        const u = Math.max(beta2 * (norm[i] ?? 0), Math.abs(g));
        mean[i] = m;
        norm[i] = u;
        parameter[i] = (parameter[i] ?? 0) * shrink - (size * m) / (u + epsilon);
      }
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
  const momentumAt = (count: number): number => beta1 * (1 - 0.5 * 0.96 ** (count * pace));
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
    apply(step) {
      const { parameter, gradient, rate, count, shrink, slots } = step;
      const [mean, velocity, schedule] = [arrayOf(slots, 0), arrayOf(slots, 1), arrayOf(slots, 2)];
      const [now, next] = [momentumAt(count), momentumAt(count + 1)];
      const product = (schedule[0] ?? 1) * now;
      schedule.fill(product);
      const even = 1 - beta2 ** count;
      for (let i = 0; i < parameter.length; i++) {
        const g = gradient[i] ?? 0;
        const m = beta1 * (mean[i] ?? 0) + (1 - beta1) * g;
        const v = beta2 * (velocity[i] ?? 0) + (1 - beta2) * g * g;
        mean[i] = m;
        velocity[i] = v;
        const ahead = (next * m) / (1 - product * next) + ((1 - now) * g) / (1 - product);
        const move = (rate * ahead) / (Math.sqrt(v / even) + epsilon);
        parameter[i] = (parameter[i] ?? 0) * shrink - move;
      }
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
