import { type RuleSettings, type Rules, slotsNamed } from './rules.ts';

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
  };
}
