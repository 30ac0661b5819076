import { ToolkitError } from '../../errors.ts';
import { type LossName, losses } from '../losses.ts';
import type { Targets } from '../rows.ts';
import type { Examples } from '../trainer.ts';

/**
 * Targets in the form that a loss takes for a model of so many outputs: scores, class numbers, or for two classes and
 * one output, how much it is the second. Throws DATASET_CLASSES.
 */
export function fittedTargets(
  { targets, rows }: Examples,
  labels: Uint32Array | undefined,
  { loss, outputs }: { readonly loss: LossName; readonly outputs: number },
): Targets {
  if (losses[loss].targets === 'numbers') {
    if (labels) return BigInt64Array.from(labels, BigInt);
    throw unfit('class numbers', 'numbers');
  }
  const width = targets.length / rows.count;
  if (width === outputs) return targets;
  if (width === 2 && outputs === 1 && targets instanceof Float32Array) {
    return targets.filter((_, i) => i % 2 === 1);
  }
  throw unfit(`${outputs} scores a sample, as the model puts out`, `${width}`);
}

function unfit(expected: string, found: string): ToolkitError {
  return new ToolkitError(
    'DATASET_CLASSES',
    `The targets should be ${expected}, but are ${found}`,
    {
      hint: 'Give the model a head with as many outputs as there are classes, or another loss.',
    },
  );
}

/** What each sample counts, by its class; `undefined` where all count the same. Throws OPTION_INVALID. */
export function sampleWeights(
  labels: Uint32Array | undefined,
  classes: readonly string[] | undefined,
  weights: 'balanced' | Readonly<Record<string, number>> | undefined,
): Float32Array | undefined {
  if (weights === undefined) return undefined;
  if (!labels || !classes) throw wrongClass('weights', 'there are no classes');
  if (weights === 'balanced') {
    const counts = classes.map((_, label) => labels.filter((each) => each === label).length);
    const each = counts.map((count) => labels.length / (classes.length * Math.max(count, 1)));
    return Float32Array.from(labels, (label) => each[label] ?? 1);
  }
  const unknown = Object.keys(weights).find((name) => !classes.includes(name));
  if (unknown !== undefined)
    throw wrongClass(`class "${unknown}"`, `there are ${classes.join(', ')}`);
  return Float32Array.from(labels, (label) => weights[classes[label] ?? ''] ?? 1);
}

function wrongClass(what: string, found: string): ToolkitError {
  return new ToolkitError('OPTION_INVALID', `There cannot be ${what}: ${found}`, {
    hint: 'Name classes as their folders are named, or say "balanced".',
  });
}
