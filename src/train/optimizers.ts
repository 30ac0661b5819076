import { ToolkitError } from '../errors.ts';
import type { GraphBuilder } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';

/** Whose update rules are followed: those of Keras 1 (1.2.2), or of Keras 3. */
type KerasRules = 1 | 3;

/** How an optimizer is set; what is left out has Keras' default of the generation. */
export interface OptimizerOptions {
  readonly name: OptimizerName;
  readonly keras?: KerasRules | undefined;
  readonly learningRate?: number | undefined;
  /** The rate of iteration i, counted in batches from 0, is learningRate / (1 + decay · i). */
  readonly decay?: number | undefined;
  /** SGD, and RMSprop of Keras 3. */
  readonly momentum?: number | undefined;
  /** SGD. */
  readonly nesterov?: boolean | undefined;
  /** RMSprop. */
  readonly rho?: number | undefined;
  /** RMSprop of Keras 3: divides by the deviation instead of the root of the mean square. */
  readonly centered?: boolean | undefined;
  /** Adam. */
  readonly beta1?: number | undefined;
  /** Adam. */
  readonly beta2?: number | undefined;
  /** Adam of Keras 3. */
  readonly amsgrad?: boolean | undefined;
  readonly epsilon?: number | undefined;
  /** Largest L2 norm of the gradient: of all parameters together in Keras 1, of each parameter in Keras 3. */
  readonly clipnorm?: number | undefined;
  /** Largest absolute value of a number of the gradient. */
  readonly clipvalue?: number | undefined;
}

/** An optimizer with all its numbers. */
export interface Optimizer {
  readonly name: OptimizerName;
  readonly keras: KerasRules;
  readonly learningRate: number;
  readonly decay: number;
  readonly clipnorm: number | undefined;
  readonly clipvalue: number | undefined;
  /** Names of the tensors kept for each parameter, in its shape and at first 0. */
  readonly slots: readonly string[];
  readonly update: (graph: GraphBuilder, step: ParameterStep) => ParameterUpdate;
}

/** What the update of one parameter is made from. */
interface ParameterStep {
  readonly parameter: Value;
  readonly gradient: Value;
  readonly slots: readonly Value[];
  /** Scalar: the rate after decay. */
  readonly rate: Value;
  /** Scalar float32: number of this update, from 1. */
  readonly count: Value;
}

interface ParameterUpdate {
  readonly parameter: Value;
  readonly slots: readonly Value[];
}

type Rules = Pick<Optimizer, 'slots' | 'update'>;

interface Row {
  readonly learningRate: number;
  /** What can be set of it besides what all optimizers have. */
  readonly takes: readonly Special[];
  /** Of these, what Keras 1 did not have. */
  readonly later: readonly Special[];
  /** The update rules; `epsilon` is Keras' default of the generation where none was given. */
  readonly make: (options: OptimizerOptions, epsilon: number, keras: KerasRules) => Rules;
}

/** Settings that only some optimizers have. */
const special = [
  'momentum',
  'nesterov',
  'rho',
  'centered',
  'beta1',
  'beta2',
  'amsgrad',
] as const satisfies readonly (keyof OptimizerOptions)[];

type Special = (typeof special)[number];

/** The optimizers, one row a kind. Formulas: keras 1.2.2 keras/optimizers.py, keras 3 keras/src/optimizers. */
export const optimizers = {
  sgd: { learningRate: 0.01, takes: ['momentum', 'nesterov'], later: [], make: sgd },
  rmsprop: {
    learningRate: 0.001,
    takes: ['rho', 'momentum', 'centered'],
    later: ['momentum', 'centered'],
    make: rmsprop,
  },
  adam: {
    learningRate: 0.001,
    takes: ['beta1', 'beta2', 'amsgrad'],
    later: ['amsgrad'],
    make: adam,
  },
} as const satisfies Readonly<Record<string, Row>>;

type OptimizerName = keyof typeof optimizers;

/**
 * Fills in Keras' defaults.
 *
 * Throws OPTION_INVALID for a setting that the optimizer does not have, for a momentum outside 0..1, and for two kinds
 * of clipping under Keras 3, which knows only one at a time.
 */
export function makeOptimizer(options: OptimizerOptions): Optimizer {
  const { name, keras = 3, clipnorm, clipvalue } = options;
  if (keras === 3 && clipnorm !== undefined && clipvalue !== undefined) {
    throw new ToolkitError(
      'OPTION_INVALID',
      `Keras 3 clips by norm or by value, but clipnorm ${clipnorm} and clipvalue ${clipvalue} were given`,
      { hint: 'Give one of them, or take the rules of Keras 1.' },
    );
  }
  const row: Row = optimizers[name];
  checkSpecial(options, row);
  const epsilon = options.epsilon ?? (keras === 1 ? 1e-8 : 1e-7);
  return {
    name,
    keras,
    learningRate: options.learningRate ?? row.learningRate,
    decay: options.decay ?? 0,
    clipnorm,
    clipvalue,
    ...row.make(options, epsilon, keras),
  };
}

/** A setting that would change nothing is a mistake of the caller. */
function checkSpecial(options: OptimizerOptions, { takes, later }: Row): void {
  const { name, keras = 3, momentum = 0 } = options;
  const known = keras === 1 ? takes.filter((setting) => !later.includes(setting)) : takes;
  const unknown = special.filter(
    (setting) => options[setting] !== undefined && !known.includes(setting),
  );
  if (unknown.length > 0) {
    throw new ToolkitError('OPTION_INVALID', `${name} of Keras ${keras} has no ${list(unknown)}`, {
      hint: `It has ${list([...known, 'learningRate', 'decay', 'epsilon'])}: leave the rest out, or take another optimizer.`,
    });
  }
  if (momentum >= 0 && momentum <= 1) return;
  throw new ToolkitError('OPTION_INVALID', `"momentum" should be from 0 to 1, but is ${momentum}`, {
    hint: 'Correct it, or leave it out for none.',
  });
}

function list(names: readonly string[]): string {
  return names.join(', ');
}

/** v ← μ·v - lr·g; p ← p + v, or with Nesterov's momentum p ← p + μ·v - lr·g. */
function sgd({ momentum = 0, nesterov = false }: OptimizerOptions): Rules {
  return {
    slots: momentum === 0 ? [] : ['momentum'],
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

/**
 * a ← ρ·a + (1-ρ)·g². Keras 1: p ← p - lr·g / (√a + ε). Keras 3: p ← p - lr·g / √(a + ε), where a loses the square of
 * the mean gradient when centered, and the step is smoothed by the momentum.
 */
function rmsprop(options: OptimizerOptions, epsilon: number, keras: KerasRules): Rules {
  const { rho = 0.9, centered = false, momentum = 0 } = options;
  const slots = ['velocity', ...(centered ? ['mean'] : []), ...(momentum > 0 ? ['momentum'] : [])];
  return {
    slots,
    update(graph, { parameter, gradient, slots: before, rate }) {
      const slot = (name: string): Value | undefined => before[slots.indexOf(name)];
      const square = graph.add('Mul', [gradient, gradient]);
      const velocity = smoothed(graph, slot('velocity'), square, rho);
      const mean = slot('mean') && smoothed(graph, slot('mean'), gradient, rho);
      const spread = mean ? graph.add('Sub', [velocity, graph.add('Mul', [mean, mean])]) : velocity;
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

/** m ← β1·m + (1-β1)·g; v ← β2·v + (1-β2)·g²; p ← p - lr·√(1-β2ᵗ)/(1-β1ᵗ) · m / (√v + ε). */
function adam(options: OptimizerOptions, epsilon: number): Rules {
  const { beta1 = 0.9, beta2 = 0.999, amsgrad = false } = options;
  return {
    slots: amsgrad ? ['mean', 'velocity', 'highest'] : ['mean', 'velocity'],
    update(graph, { parameter, gradient, slots: [oldMean, oldVelocity, oldHighest], rate, count }) {
      const mean = smoothed(graph, oldMean, gradient, beta1);
      const velocity = smoothed(graph, oldVelocity, graph.add('Mul', [gradient, gradient]), beta2);
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

/** factor · before + (1 - factor) · now. */
function smoothed(
  graph: GraphBuilder,
  before: Value | undefined,
  now: Value,
  factor: number,
): Value {
  if (!before) throw new Error('Bug: a slot of the optimizer was not given');
  const old = graph.add('Mul', [graph.floats('keep', [factor]), before]);
  return graph.add('Add', [old, graph.add('Mul', [graph.floats('take', [1 - factor]), now])]);
}

/** √x + ε, or √(x + ε). */
function rootWith(
  graph: GraphBuilder,
  x: Value,
  epsilon: number,
  place: 'inside' | 'outside',
): Value {
  const tiny = graph.floats('epsilon', [epsilon]);
  if (place === 'inside') return graph.add('Sqrt', [graph.add('Add', [x, tiny])]);
  return graph.add('Add', [graph.add('Sqrt', [x]), tiny]);
}

/** 1 - factor^count. */
function remainder(graph: GraphBuilder, factor: number, count: Value): Value {
  const power = graph.add('Pow', [graph.floats('factor', [factor]), count]);
  return graph.add('Sub', [graph.floats('one', [1]), power]);
}
