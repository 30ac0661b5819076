import { ToolkitError, type Where } from '../errors.ts';
import type { DraftGraph, DraftLayer } from './draft.ts';
import { expectedCount } from './expected.ts';
import { type Roles, rolesOf } from './roles.ts';
import type { StoredWeights } from './stored.ts';

interface Nesting {
  readonly pairs: Map<DraftLayer, StoredWeights>;
  readonly where: Where;
}

/** Gives a layer its weights, and what it wraps or holds as a model theirs. Throws KERAS_WEIGHT_MISSING. */
export function pairInner(layer: DraftLayer, weights: StoredWeights, nesting: Nesting): void {
  if (layer.model) pairModel(layer.model, weights, nesting);
  else if (layer.wrapped) pairWrapped(layer, layer.wrapped, weights, nesting);
  else nesting.pairs.set(layer, weights);
}

/** Bidirectional: first all of the forward layer, then the backward one's. Cells: one after the other. */
function pairWrapped(
  layer: DraftLayer,
  wrapped: readonly DraftLayer[],
  weights: StoredWeights,
  nesting: Nesting,
): void {
  const own = spectralOwn(layer, weights);
  nesting.pairs.set(layer, own);
  const rest = weights.filter((weight) => !own.includes(weight));
  let at = 0;
  for (const [i, inner] of wrapped.entries()) {
    const left = Math.floor((rest.length - at) / (wrapped.length - i));
    const count = layer.className === 'Bidirectional' ? left : (expectedCount(inner) ?? left);
    pairInner(inner, rest.slice(at, at + count), nesting);
    at += count;
  }
  if (at !== rest.length) throw cannotTell(wrapped, weights, nesting.where);
}

/** SpectralNormalization keeps the vector that it iterates, and nothing else that inference needs. */
function spectralOwn(layer: DraftLayer, weights: StoredWeights): StoredWeights {
  if (layer.className !== 'SpectralNormalization') return [];
  return weights.filter(({ name }) => /vector_u|(^|\/)sn_u/.test(name));
}

interface Place {
  readonly layer: DraftLayer;
  readonly roles: Roles;
}

/**
 * A nested model's weights lie in one group, trained ones of all layers first. Freezing layers before saving changed
 * that order and left no trace but the names, so names decide where they can.
 */
function pairModel(model: DraftGraph, weights: StoredWeights, nesting: Nesting): void {
  const places = [...placesOf(model)];
  const named = byWeightNames(places, weights) ?? byWeightOrder(places, weights);
  if (!named)
    throw cannotTell(
      places.map(({ layer }) => layer),
      weights,
      nesting.where,
    );
  for (const [layer, held] of named) pairInner(layer, held, nesting);
}

/** All weights of a model in one list, layer after layer: Keras 0's Graph, and TensorFlow.js. */
export function pairFlat(model: DraftGraph, weights: StoredWeights, nesting: Nesting): void {
  const places = [...placesOf(model)];
  const named = byWeightNames(places, weights) ?? layerByLayer(places, weights);
  if (!named)
    throw cannotTell(
      places.map(({ layer }) => layer),
      weights,
      nesting.where,
    );
  for (const [layer, held] of named) pairInner(layer, held, nesting);
}

function cannotTell(
  layers: readonly DraftLayer[],
  weights: StoredWeights,
  where: Where,
): ToolkitError {
  const names = layers.map((layer) => `${layer.name} (${layer.savedClassName})`);
  const shown = names.length > 12 ? [...names.slice(0, 12), `${names.length - 12} more`] : names;
  return new ToolkitError(
    'KERAS_WEIGHT_MISSING',
    `${weights.length} weights lie together and cannot be told apart: the layers are ${shown.join(', ')}`,
    {
      where,
      hint: 'Save the inner model by itself, or check that the weights are of this model.',
    },
  );
}

function* placesOf(model: DraftGraph): Generator<Place> {
  for (const layer of model.layers) {
    if (layer.model) yield* placesOf(layer.model);
    else yield { layer, roles: rolesWithin(layer) };
  }
}

/** A layer's roles and those of what it wraps, numbered apart. */
function rolesWithin(layer: DraftLayer): Roles {
  const own = rolesOf(layer.className, layer.config) ?? { trained: [], followed: [] };
  const inner = (layer.wrapped ?? []).flatMap((one) =>
    one.model ? [...placesOf(one.model)].map(({ roles }) => roles) : [rolesWithin(one)],
  );
  return {
    trained: [own, ...inner].flatMap(({ trained }) => trained),
    followed: [own, ...inner].flatMap(({ followed }) => followed),
  };
}

function byWeightNames(
  places: readonly Place[],
  weights: StoredWeights,
): Map<DraftLayer, StoredWeights> | undefined {
  const names = places.map(({ layer }) => layer.name);
  if (new Set(names).size < names.length) return undefined;
  const longest = names.toSorted((a, b) => b.length - a.length);
  const owners = weights.map(({ name }) => longest.find((layer) => isOwner(layer, name)));
  if (owners.includes(undefined)) return undefined;
  const result = new Map<DraftLayer, StoredWeights>();
  for (const { layer } of places) {
    const own = weights.filter((_, i) => owners[i] === layer.name);
    const count = expectedCount(layer);
    if (count !== undefined && own.length !== count) return undefined;
    result.set(layer, own);
  }
  return result;
}

/** "i1_W" (Keras 1), "i1/kernel:0" and "outer/i1/kernel:0" (later) belong to "i1". */
function isOwner(layer: string, weight: string): boolean {
  return (
    weight.startsWith(`${layer}/`) ||
    weight.includes(`/${layer}/`) ||
    (weight.startsWith(`${layer}_`) && !weight.includes('/'))
  );
}

function byWeightOrder(
  places: readonly Place[],
  weights: StoredWeights,
): Map<DraftLayer, StoredWeights> | undefined {
  const result = new Map<DraftLayer, StoredWeights>();
  let at = 0;
  for (const part of ['trained', 'followed'] as const) {
    for (const place of places) {
      const end = at + whenSaved(place)[part].length;
      result.set(place.layer, [...(result.get(place.layer) ?? []), ...weights.slice(at, end)]);
      at = end;
    }
  }
  return at === weights.length ? result : undefined;
}

/** All weights of a frozen layer count as not trained. */
function whenSaved({ layer, roles }: Place): Roles {
  if (layer.config['trainable'] !== false) return roles;
  return { trained: [], followed: [...roles.trained, ...roles.followed] };
}

function layerByLayer(
  places: readonly Place[],
  weights: StoredWeights,
): Map<DraftLayer, StoredWeights> | undefined {
  const result = new Map<DraftLayer, StoredWeights>();
  let at = 0;
  for (const { layer, roles } of places) {
    const end = at + roles.trained.length + roles.followed.length;
    result.set(layer, weights.slice(at, end));
    at = end;
  }
  return at === weights.length ? result : undefined;
}
