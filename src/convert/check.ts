import { nearNames, ToolkitError } from '../errors.ts';
import type { KerasGraph, KerasLayer, KerasModel } from '../keras/model.ts';
import { type Lambdas, lambdaKeys } from './layers/core/lambda.ts';
import { layerNames } from './layers/index.ts';
import { type Rules, whereOf } from './walk.ts';

/**
 * Reads every layer's config before anything is emitted.
 *
 * Throws one KERAS_LAYER_UNSUPPORTED for all layers that cannot be converted, KERAS_CONFIG_INVALID for the first
 * config that is wrong.
 */
export function checkLayers(model: KerasModel, rules: Rules): void {
  const faults = graphFaults({ model, rules }, model.graph, '');
  const [first, ...others] = faults;
  if (!first) return;
  if (others.length === 0) throw first;
  const lines = [...byMessage(faults)].map(([what, names]) => listed(what, names));
  const hints = [...new Set(faults.map(({ hint }) => hint))];
  throw new ToolkitError(
    'KERAS_LAYER_UNSUPPORTED',
    `${faults.length} layers cannot be converted:\n${lines.join('\n')}`,
    { where: { file: model.file }, hint: hints.join('\n  ') },
  );
}

/** Names of layers by what is wrong with them. */
function byMessage(faults: readonly ToolkitError[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const { message, where } of faults) {
    const what = message.split('\n')[0] ?? '';
    const names = groups.get(what) ?? [];
    names.push(where.layer ?? '');
    groups.set(what, names);
  }
  return groups;
}

/** How many names stand for a group. */
const namedAtMost = 3;

/** One line for a fault, however many layers have it. */
function listed(what: string, names: readonly string[]): string {
  const first = names.slice(0, namedAtMost).map((name) => `"${name}"`);
  if (names.length === 1) return `  - layer ${first.join('')}: ${what}`;
  const more = names.length > namedAtMost ? ', …' : '';
  return `  - ${names.length} layers (${first.join(', ')}${more}): ${what}`;
}

/** Throws OPTION_INVALID where it is said of something what it computes that is no Lambda layer of the model. */
export function checkLambdas(model: KerasModel, lambdas: Lambdas): void {
  const known = new Set(lambdaKeys(model.graph));
  const stray = Object.keys(lambdas).filter((name) => !known.has(name));
  if (stray.length === 0) return;
  throw new ToolkitError(
    'OPTION_INVALID',
    `The model has no Lambda layer or function named "${stray.join('", "')}"`,
    {
      where: { file: model.file },
      hint:
        known.size === 0
          ? 'It has no Lambda layer at all: leave out --lambda.'
          : `Lambda layers and their functions: ${[...known].join(', ')}.`,
    },
  );
}

interface Checking {
  readonly model: KerasModel;
  readonly rules: Rules;
}

function graphFaults(
  checking: Checking,
  graph: KerasGraph,
  prefix: string,
): readonly ToolkitError[] {
  return graph.layers.flatMap((layer) => layerFaults(checking, layer, `${prefix}${layer.name}`));
}

function layerFaults(checking: Checking, layer: KerasLayer, name: string): readonly ToolkitError[] {
  const { model, rules } = checking;
  if (layer.model) return graphFaults(checking, layer.model, `${name}/`);
  if (layer.className === 'InputLayer') return [];
  const where = whereOf(model, layer, name);
  const rule = rules(layer.className);
  if (!rule) {
    return [
      new ToolkitError(
        'KERAS_LAYER_UNSUPPORTED',
        `The layer class ${JSON.stringify(layer.savedClassName)} cannot be converted${likeIt(layer)}`,
        { where, hint: unknownHint(layer) },
      ),
    ];
  }
  const inner = rule.wraps === 'layers' ? (layer.wrapped ?? []) : [];
  return [
    ...inner.flatMap((wrapped) => layerFaults(checking, wrapped, `${name}/${wrapped.name}`)),
    ...ownFaults(() => rule.check(layer, model.origin, where)),
  ];
}

function ownFaults(check: () => void): readonly ToolkitError[] {
  try {
    check();
    return [];
  } catch (error) {
    if (error instanceof ToolkitError && error.code === 'KERAS_LAYER_UNSUPPORTED') return [error];
    throw error;
  }
}

/** Why a class has no rule, for those that never will; else what one can do about it. */
const refusals: Readonly<Record<string, string>> = {
  ...named(
    'StringLookup TextVectorization',
    'Its inputs are texts: look the words up before the model, and give it their numbers.',
  ),
  ...named(
    'Hashing HashedCrossing',
    'It hashes texts or numbers: do that before the model, and give it the hashes.',
  ),
};

function named(classes: string, hint: string): Readonly<Record<string, string>> {
  return Object.fromEntries(classes.split(' ').map((name) => [name, hint]));
}

function unknownHint(layer: KerasLayer): string {
  const reason = refusals[layer.className];
  if (reason !== undefined) return reason;
  return 'Give a rule for it (defineLayer, convert(file, { layers })), or rebuild the model without it.';
}

/** Classes that it may be a variant or a slip of the pen of. */
function likeIt({ className }: KerasLayer): string {
  const near = nearNames(className.split('>').at(-1) ?? '', layerNames);
  return near.length === 0 ? '' : ` (a name like it: ${near.join(', ')})`;
}
