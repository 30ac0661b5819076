import { ToolkitError, type Where } from '../errors.ts';
import type { DraftGraph, DraftLayer } from './draft.ts';
import { expectedCount } from './expected.ts';
import { pairFlat, pairInner } from './nesting.ts';
import { firstWeightRank, rolesOf } from './roles.ts';
import type { Stored, StoredLayer, StoredWeights } from './stored.ts';
import { pairTree } from './tree-pairing.ts';

/**
 * Which stored weights belong to which layer, by Keras' own rule: layers with weights are paired in their order,
 * layers without are passed over. Keras 0 counts every layer by its position.
 *
 * Layers of a nested model are paired one by one. Throws KERAS_WEIGHT_MISSING, KERAS_WEIGHT_SHAPE with both sides of
 * the first difference.
 */
export function pairWeights(
  graph: DraftGraph,
  stored: Stored,
  where: Where,
): ReadonlyMap<DraftLayer, StoredWeights> {
  if (stored.tree) return pairTree(graph, stored.tree, where);
  const pairs = new Map<DraftLayer, StoredWeights>();
  if (stored.layout === 'flat') {
    pairFlat(graph, stored.layers[0]?.weights ?? [], { pairs, where });
    return pairs;
  }
  for (const { layer, held } of topLevelPairs(graph, stored, where)) {
    const place = { ...where, path: `/${held?.name ?? ''}`, layer: layer.name };
    pairInner(layer, held?.weights ?? [], { pairs, where: place });
  }
  return pairs;
}

interface Pair {
  readonly layer: DraftLayer;
  readonly held: StoredLayer | undefined;
}

function topLevelPairs(graph: DraftGraph, stored: Stored, where: Where): readonly Pair[] {
  const pairs =
    stored.layout === 'positions' ? byPosition(graph, stored.layers) : byName(graph, stored.layers);
  const ordered = pairs ?? byOrder(graph, stored.layers);
  const wrong = ordered?.find(({ layer, held }) => mismatch(layer, held) !== undefined);
  if (ordered && !wrong) return ordered;
  throw otherArchitecture(graph, stored, where);
}

function byPosition(graph: DraftGraph, held: readonly StoredLayer[]): readonly Pair[] | undefined {
  const all = [...splitMerge(graph, held), ...held.slice(1)];
  if (all.length !== graph.layers.length) return undefined;
  return graph.layers.map((layer, i) => ({ layer, held: all[i] }));
}

/** A Merge at the head of a Keras 0 model holds the weights of all its branches' layers, one layer after the other. */
function splitMerge(graph: DraftGraph, held: readonly StoredLayer[]): readonly StoredLayer[] {
  const [first] = held;
  const merge = graph.layers.length - held.length;
  if (!first || merge <= 0 || graph.layers[merge]?.calls[0]?.inputs.length === 1) {
    return held.slice(0, 1);
  }
  let at = 0;
  return graph.layers.slice(0, merge + 1).map((layer) => {
    const start = at;
    at += expectedCount(layer) ?? 0;
    return { name: first.name, weights: first.weights.slice(start, at) };
  });
}

/** Where every stored layer with weights has a namesake, names pair as order does, and unknown classes are no obstacle. */
function byName(graph: DraftGraph, held: readonly StoredLayer[]): readonly Pair[] | undefined {
  const byNames = new Map(held.map((layer) => [layer.name, layer]));
  const names = new Set(graph.layers.map((layer) => layer.name));
  const isWhole = held.every((layer) => layer.weights.length === 0 || names.has(layer.name));
  if (!isWhole) return undefined;
  return graph.layers.map((layer) => ({ layer, held: byNames.get(layer.name) }));
}

function byOrder(graph: DraftGraph, held: readonly StoredLayer[]): readonly Pair[] | undefined {
  const theirs = held.filter((layer) => layer.weights.length > 0);
  const certain = graph.layers.filter((layer) => (expectedCount(layer) ?? 0) > 0);
  const possible = graph.layers.filter((layer) => expectedCount(layer) !== 0);
  const ours = certain.length === theirs.length ? certain : possible;
  if (ours.length !== theirs.length) return undefined;
  return ours.map((layer, i) => ({ layer, held: theirs[i] }));
}

/** What is wrong with a pair, in words; undefined when it may be right. */
function mismatch(layer: DraftLayer, held: StoredLayer | undefined): string | undefined {
  const count = expectedCount(layer);
  const found = held?.weights.length ?? 0;
  if (count !== undefined && count !== found) return `${count} weights, but ${found} are there`;
  const rank = layer.model ? undefined : firstWeightRank[layer.className];
  const shape = held?.weights[0]?.source.shape;
  if (rank === undefined || !shape || shape.length === rank) return undefined;
  return `a first weight with ${rank} axes, but it is [${shape.join(', ')}]`;
}

/** Names both sides where they first differ: layers with weights, in order. */
function otherArchitecture(graph: DraftGraph, stored: Stored, where: Where): ToolkitError {
  const isPositional = stored.layout === 'positions';
  const theirs = stored.layers.filter((layer) => isPositional || layer.weights.length > 0);
  const ours = graph.layers.filter((layer) => isPositional || expectedCount(layer) !== 0);
  const length = Math.max(ours.length, theirs.length);
  const at = Array.from({ length }, (_, i) => i).find((i) => differs(ours[i], theirs[i])) ?? 0;
  const layer = ours[at];
  const held = theirs[at];
  const unit = isPositional ? 'layers' : 'layers with weights';
  const isCount = ours.length !== theirs.length || !layer || !held;
  return new ToolkitError(
    isCount || expectedCount(layer) !== held.weights.length
      ? 'KERAS_WEIGHT_MISSING'
      : 'KERAS_WEIGHT_SHAPE',
    `The architecture has ${ours.length} ${unit}, the file ${theirs.length}; they first differ at number ${at + 1}:\n    architecture: ${describedLayer(layer)}\n    file:         ${describedStored(held)}`,
    {
      where: { ...where, path: held && `/${held.name}`, layer: layer?.name },
      hint: 'These are weights of another architecture: give the one they were saved from with --arch FILE|NAME.',
    },
  );
}

function differs(layer: DraftLayer | undefined, held: StoredLayer | undefined): boolean {
  return !layer || !held || mismatch(layer, held) !== undefined;
}

function describedLayer(layer: DraftLayer | undefined): string {
  if (!layer) return 'nothing more';
  const roles = layer.model ? undefined : rolesOf(layer.className, layer.config);
  const names = roles
    ? [...roles.trained, ...roles.followed].join(', ') || 'no weights'
    : 'weights';
  return `${layer.name} (${layer.savedClassName}: ${names})`;
}

/** A stored layer with the shapes of its weights, for messages. */
export function describedStored(held: StoredLayer | undefined): string {
  if (!held) return 'nothing more';
  const shapes = held.weights.map((w) => `${w.name} [${w.source.shape.join(', ')}]`);
  return `${held.name} (${shapes.join(', ') || 'no weights'})`;
}
