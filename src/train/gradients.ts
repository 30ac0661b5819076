import type { OpType } from '../onnx/ops.ts';
import { activations } from './gradients/activations.ts';
import { arithmetic } from './gradients/arithmetic.ts';
import { convolutions } from './gradients/convolutions.ts';
import { einsum } from './gradients/einsum.ts';
import { functions } from './gradients/functions.ts';
import { gathering } from './gradients/gathering.ts';
import { matrices } from './gradients/matrices.ts';
import { normalisations } from './gradients/normalisations.ts';
import { pooling } from './gradients/pooling.ts';
import { recurrent } from './gradients/recurrent.ts';
import { reductions } from './gradients/reductions.ts';
import { resizing } from './gradients/resizing.ts';
import type { GradientRules } from './gradients/rule.ts';
import { shapes } from './gradients/shapes.ts';

/**
 * The gradients that are known, one row an operator; `backward` reads it, and undoes broadcasting.
 *
 * Rules name no execution provider: an operator that needs another form on another provider gets it when the graph
 * is lowered for that provider. A row without a difference check fails the contract test.
 */
export const gradients: GradientRules = {
  ...arithmetic,
  ...activations,
  ...matrices,
  ...shapes,
  ...reductions,
  ...convolutions,
  ...pooling,
  ...normalisations,
  ...functions,
  ...gathering,
  ...resizing,
  ...einsum,
  ...recurrent,
};

/** Operators whose output does not change with small changes of the input: the walk ends there, and misses no rule. */
export const flat: ReadonlySet<OpType> = new Set<OpType>([
  'Equal',
  'Greater',
  'GreaterOrEqual',
  'Less',
  'LessOrEqual',
  'And',
  'Or',
  'Xor',
  'Not',
  'IsNaN',
  'Sign',
  'Floor',
  'Ceil',
  'Round',
  'ArgMax',
  'ArgMin',
  'Shape',
  'Range',
  'ConstantOfShape',
]);
