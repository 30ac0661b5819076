import { ToolkitError, type Where } from '../errors.ts';
import type { Json } from './config.ts';
import type { KerasGraph, KerasInput, KerasLayer, TensorRef } from './model.ts';

/** A layer as the architecture describes it, before the file's weights are given to it. */
export interface DraftLayer extends Omit<KerasLayer, 'weights' | 'model' | 'config'> {
  readonly config: Json;
  readonly model?: DraftGraph | undefined;
}

/** A graph without weights, its layers in the order of the architecture: the order in which files store weights. */
export interface DraftGraph extends Omit<KerasGraph, 'layers'> {
  readonly layers: readonly DraftLayer[];
}

/** Every layer of a draft, those of nested models too. */
export function* everyLayer(graph: DraftGraph): Generator<DraftLayer> {
  for (const layer of graph.layers) {
    yield layer;
    if (layer.model) yield* everyLayer(layer.model);
  }
}

/** Branches without a name in common, and none that is taken: where names clash, the number of the branch is added. */
export function withOwnNames(
  branches: readonly DraftGraph[],
  taken: ReadonlySet<string>,
): DraftGraph[] {
  const all = branches.flatMap(namesIn);
  const known = new Set([...taken, ...all]);
  return branches.map((branch, i) => {
    const renames = new Map<string, string>();
    for (const name of namesIn(branch)) {
      const isOwn = !taken.has(name) && all.indexOf(name) === all.lastIndexOf(name);
      let own = isOwn ? name : `${name}_${i + 1}`;
      let number = i + 1;
      while (own !== name && known.has(own)) {
        number += branches.length;
        own = `${name}_${number}`;
      }
      known.add(own);
      renames.set(name, own);
    }
    return renamed(branch, renames);
  });
}

function namesIn(graph: DraftGraph): string[] {
  return [...graph.inputs, ...graph.layers].map(({ name }) => name);
}

function renamed(graph: DraftGraph, names: ReadonlyMap<string, string>): DraftGraph {
  const nameOf = (name: string): string => names.get(name) ?? name;
  const refs = (list: readonly TensorRef[]): TensorRef[] =>
    list.map((ref) => ({ ...ref, layer: nameOf(ref.layer) }));
  return {
    ...graph,
    inputs: graph.inputs.map((input) => ({ ...input, name: nameOf(input.name) })),
    outputs: refs(graph.outputs),
    layers: graph.layers.map((layer) => ({
      ...layer,
      name: nameOf(layer.name),
      calls: layer.calls.map((call) => ({ ...call, inputs: refs(call.inputs) })),
    })),
  };
}

/**
 * Layers in an order in which each comes after what its first call needs, else as they were.
 *
 * Throws KERAS_CONFIG_INVALID for references to nothing, and for circles.
 */
export function inOrder<L extends Pick<KerasLayer, 'name' | 'calls' | 'path'>>(
  layers: readonly L[],
  inputs: readonly KerasInput[],
  where: Where,
): L[] {
  const known = new Set(inputs.map(({ name }) => name));
  const ordered: L[] = [];
  let waiting = [...layers];
  while (waiting.length > 0) {
    const rest: L[] = [];
    for (const layer of waiting) {
      if (layer.calls[0]?.inputs.every((ref) => known.has(ref.layer)) ?? true) {
        ordered.push(layer);
        known.add(layer.name);
      } else rest.push(layer);
    }
    if (rest.length === waiting.length) throw disconnected(rest, known, where);
    waiting = rest;
  }
  return ordered;
}

function disconnected(
  layers: readonly Pick<KerasLayer, 'name' | 'calls' | 'path'>[],
  known: ReadonlySet<string>,
  where: Where,
): ToolkitError {
  const [layer] = layers;
  const needs: readonly TensorRef[] = layer?.calls[0]?.inputs ?? [];
  const missing = needs.find((ref) => !known.has(ref.layer))?.layer ?? '';
  return new ToolkitError(
    'KERAS_CONFIG_INVALID',
    `The layer takes its input from "${missing}", which is not there or needs this layer itself`,
    {
      where: { ...where, layer: layer?.name, path: layer?.path },
      hint: 'Check that the architecture was saved by Keras and was not edited by hand.',
    },
  );
}
