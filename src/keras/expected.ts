import type { DraftLayer } from './draft.ts';
import { rolesOf } from './roles.ts';

/** Number of weights of a layer with all that is in it; undefined where the class does not tell. */
export function expectedCount(layer: DraftLayer): number | undefined {
  if (layer.model) return sum(layer.model.layers.map(expectedCount));
  // It shares its kernel with the layer that it wraps: some versions save that once, some twice.
  if (layer.className === 'SpectralNormalization') return undefined;
  const roles = rolesOf(layer.className, layer.config);
  const own = roles && roles.trained.length + roles.followed.length;
  return layer.wrapped ? sum([own, ...layer.wrapped.map(expectedCount)]) : own;
}

function sum(counts: readonly (number | undefined)[]): number | undefined {
  return counts.reduce(
    (total, count) => (total === undefined || count === undefined ? undefined : total + count),
    0,
  );
}
