import { type ArrayStep, arrayOf, type RuleSettings, type Rules, slotsNamed } from './rules.ts';

/** v ← μ·v - lr·g; p ← p + v, or with Nesterov's momentum p ← p + μ·v - lr·g. Source: keras/src/optimizers/sgd.py. */
export function sgd({ momentum, nesterov }: RuleSettings): Rules {
  return {
    slots: momentum === 0 ? [] : slotsNamed('momentum'),
    update(graph, { parameter, gradient, slots: [before], rate }) {
      const step = graph.add('Mul', [rate, gradient]);
      if (!before) return { parameter: graph.add('Sub', [parameter, step]), slots: [] };
      const factor = graph.floats('momentum', [momentum]);
      const velocity = graph.add('Sub', [graph.add('Mul', [factor, before]), step]);
      const move = nesterov
        ? graph.add('Sub', [graph.add('Mul', [factor, velocity]), step])
        : velocity;
      return { parameter: graph.add('Add', [parameter, move]), slots: [velocity] };
    },
    apply(step) {
      if (momentum === 0) descend(step);
      else if (nesterov) moveAhead(step, momentum);
      else move(step, momentum);
    },
  };
}

function descend({ parameter, gradient, rate, shrink }: ArrayStep): void {
  const count = parameter.length;
  for (let i = 0; i < count; i++) {
    parameter[i] = (parameter[i] ?? 0) * shrink - rate * (gradient[i] ?? 0);
  }
}

function move({ parameter, gradient, rate, shrink, slots }: ArrayStep, momentum: number): void {
  const velocity = arrayOf(slots, 0);
  const count = parameter.length;
  for (let i = 0; i < count; i++) {
    const v = momentum * (velocity[i] ?? 0) - rate * (gradient[i] ?? 0);
    velocity[i] = v;
    parameter[i] = (parameter[i] ?? 0) * shrink + v;
  }
}

function moveAhead(
  { parameter, gradient, rate, shrink, slots }: ArrayStep,
  momentum: number,
): void {
  const velocity = arrayOf(slots, 0);
  const count = parameter.length;
  for (let i = 0; i < count; i++) {
    const step = rate * (gradient[i] ?? 0);
    const v = momentum * (velocity[i] ?? 0) - step;
    velocity[i] = v;
    parameter[i] = (parameter[i] ?? 0) * shrink + momentum * v - step;
  }
}
