import { ToolkitError } from '../errors.ts';
import type { KerasGraph, KerasModel } from '../keras/model.ts';
import { keyOf } from './walk.ts';

/** Keys (see `keyOf`) of the tensors that become outputs: the model's own, then the features. */
export function wantedOutputs(
  model: KerasModel,
  features: readonly string[],
): { readonly keys: readonly string[] } {
  const own = model.graph.outputs.map((ref) => keyOf(ref));
  const names = new Set(layerNamesOf(model.graph, ''));
  const extra = features.map((layer) => {
    if (!names.has(layer)) throw unknownLayer(model, layer, [...names]);
    return keyOf({ layer, node: 0, tensor: 0 });
  });
  return { keys: [...own, ...new Set(extra.filter((key) => !own.includes(key)))] };
}

function layerNamesOf(graph: KerasGraph, prefix: string): readonly string[] {
  return graph.layers.flatMap((layer) => {
    const name = `${prefix}${layer.name}`;
    return layer.model ? [...layerNamesOf(layer.model, `${name}/`), name] : [name];
  });
}

function unknownLayer(model: KerasModel, layer: string, names: readonly string[]): ToolkitError {
  const distances = new Map(names.map((name) => [name, distance(name, layer)]));
  const closest = names.toSorted((a, b) => (distances.get(a) ?? 0) - (distances.get(b) ?? 0));
  return new ToolkitError('ONNX_VALUE_UNKNOWN', `There is no layer "${layer}"`, {
    where: { file: model.file },
    hint: `Did you mean "${closest[0] ?? ''}"? Layers: ${names.join(', ')}.`,
  });
}

/** Levenshtein's: how many letters must be put in, left out or replaced. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const replaced = (row[j] ?? 0) + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
