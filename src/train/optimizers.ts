import { ToolkitError } from '../errors.ts';
import { adadelta, adagrad } from './optimizers/adagrad.ts';
import { adam, adamax, nadam } from './optimizers/adam.ts';
import { rmsprop } from './optimizers/rmsprop.ts';
import type { KerasRules, RuleSettings, Rules } from './optimizers/rules.ts';
import { sgd } from './optimizers/sgd.ts';

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
  /** RMSprop and Adadelta. */
  readonly rho?: number | undefined;
  /** RMSprop of Keras 3: divides by the deviation instead of the root of the mean square. */
  readonly centered?: boolean | undefined;
  /** Adam and its kin. */
  readonly beta1?: number | undefined;
  /** Adam and its kin. */
  readonly beta2?: number | undefined;
  /** Adam and AdamW of Keras 3. */
  readonly amsgrad?: boolean | undefined;
  readonly epsilon?: number | undefined;
  /** Keras 3: a parameter loses rate · weightDecay of itself before each update. AdamW's default is 0.004. */
  readonly weightDecay?: number | undefined;
  /** Largest L2 norm of the gradient: of all parameters together in Keras 1, of each parameter in Keras 3. */
  readonly clipnorm?: number | undefined;
  /** Keras 3: largest L2 norm of the gradient of all parameters together. */
  readonly globalClipnorm?: number | undefined;
  /** Largest absolute value of a number of the gradient. */
  readonly clipvalue?: number | undefined;
}

/** An optimizer with all its numbers. */
export interface Optimizer extends Rules {
  readonly name: OptimizerName;
  readonly keras: KerasRules;
  readonly learningRate: number;
  readonly decay: number;
  readonly weightDecay: number;
  /** Largest norm of each parameter's gradient. */
  readonly clipnorm: number | undefined;
  /** Largest norm of all gradients together. */
  readonly globalClipnorm: number | undefined;
  readonly clipvalue: number | undefined;
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
  'weightDecay',
] as const satisfies readonly (keyof OptimizerOptions)[];

type Special = (typeof special)[number];

interface Row {
  /** Default rates of Keras 1 and of Keras 3; one that Keras 1 did not have is `undefined` there. */
  readonly learningRate: readonly [number | undefined, number];
  /** What can be set of it besides what all optimizers have. */
  readonly takes: readonly Special[];
  /** Of these, what Keras 1 did not have. */
  readonly later: readonly Special[];
  readonly make: (settings: RuleSettings) => Rules;
  /** Keras' defaults that differ from those of the others. */
  readonly defaults?: Partial<RuleSettings> & { readonly weightDecay?: number };
}

const betas = ['beta1', 'beta2'] as const;

/** The optimizers, one row a kind. Formulas: keras 1.2.2 keras/optimizers.py, keras 3 keras/src/optimizers. */
export const optimizers = {
  sgd: { learningRate: [0.01, 0.01], takes: ['momentum', 'nesterov'], later: [], make: sgd },
  rmsprop: {
    learningRate: [0.001, 0.001],
    takes: ['rho', 'momentum', 'centered'],
    later: ['momentum', 'centered'],
    make: rmsprop,
  },
  adam: {
    learningRate: [0.001, 0.001],
    takes: [...betas, 'amsgrad'],
    later: ['amsgrad'],
    make: adam,
  },
  adamw: {
    learningRate: [undefined, 0.001],
    takes: [...betas, 'amsgrad'],
    later: [],
    make: adam,
    defaults: { weightDecay: 0.004 },
  },
  adagrad: { learningRate: [0.01, 0.001], takes: [], later: [], make: adagrad },
  adadelta: {
    learningRate: [1, 0.001],
    takes: ['rho'],
    later: [],
    make: adadelta,
    defaults: { rho: 0.95 },
  },
  adamax: { learningRate: [0.002, 0.001], takes: betas, later: [], make: adamax },
  nadam: { learningRate: [0.002, 0.001], takes: betas, later: [], make: nadam },
} as const satisfies Readonly<Record<string, Row>>;

export type OptimizerName = keyof typeof optimizers;

/**
 * Fills in Keras' defaults.
 *
 * Throws OPTION_INVALID for a setting that the optimizer does not have, for a momentum outside 0..1, for AdamW under
 * Keras 1, and for two kinds of clipping under Keras 3, which knows only one at a time.
 */
export function makeOptimizer(options: OptimizerOptions): Optimizer {
  const { name, keras = 3, clipvalue } = options;
  const row: Row = optimizers[name];
  const byDefault = row.learningRate[keras === 1 ? 0 : 1];
  if (byDefault === undefined) {
    throw new ToolkitError('OPTION_INVALID', `Keras 1 has no ${name}`, {
      hint: 'Take the rules of Keras 3, or another optimizer.',
    });
  }
  checkClipping(options);
  checkSpecial(options, row);
  return {
    name,
    keras,
    learningRate: options.learningRate ?? byDefault,
    decay: options.decay ?? 0,
    weightDecay: options.weightDecay ?? row.defaults?.weightDecay ?? 0,
    clipnorm: keras === 3 ? options.clipnorm : undefined,
    globalClipnorm: keras === 1 ? options.clipnorm : options.globalClipnorm,
    clipvalue,
    ...row.make(settingsOf(options, row)),
  };
}

/** Keras' defaults of most optimizers. */
const usual = {
  momentum: 0,
  nesterov: false,
  rho: 0.9,
  centered: false,
  beta1: 0.9,
  beta2: 0.999,
  amsgrad: false,
} as const;

function settingsOf(options: OptimizerOptions, { defaults }: Row): RuleSettings {
  const { keras = 3 } = options;
  const given = Object.entries(options).filter(
    ([name, value]) => name in usual && value !== undefined,
  );
  return {
    keras,
    epsilon: options.epsilon ?? (keras === 1 ? 1e-8 : 1e-7),
    ...usual,
    ...defaults,
    ...Object.fromEntries(given),
  };
}

function checkClipping({ keras = 3, ...options }: OptimizerOptions): void {
  if (keras === 1) return;
  const kinds = (['clipnorm', 'globalClipnorm', 'clipvalue'] as const).filter(
    (kind) => options[kind] !== undefined,
  );
  if (kinds.length <= 1) return;
  const given = kinds.map((kind) => `${kind} ${options[kind]}`).join(' and ');
  throw new ToolkitError(
    'OPTION_INVALID',
    `Keras 3 clips by norm or by value, but ${given} were given`,
    { hint: 'Give one of them, or take the rules of Keras 1.' },
  );
}

/** A setting that would change nothing is a mistake of the caller. */
function checkSpecial(options: OptimizerOptions, { takes, later }: Row): void {
  const { name, keras = 3, momentum = 0 } = options;
  const known =
    keras === 1
      ? takes.filter((setting) => !later.includes(setting))
      : [...takes, 'weightDecay' as const];
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
