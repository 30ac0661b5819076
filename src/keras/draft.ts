import type { Json } from './config.ts';
import type { KerasGraph, KerasLayer, TensorRef } from './model.ts';

/** A layer as the architecture describes it, before the file's weights are given to it. */
export interface DraftLayer extends Omit<KerasLayer, 'weights' | 'model' | 'wrapped' | 'config'> {
  readonly config: Json;
  readonly model?: DraftGraph | undefined;
  readonly wrapped?: readonly DraftLayer[] | undefined;
}

/** A graph without weights, its layers in the order of the architecture: the order in which files store weights. */
export interface DraftGraph extends Omit<KerasGraph, 'layers'> {
  readonly layers: readonly DraftLayer[];
}

/** Every layer of a draft, those of nested models and those in wrappers too. */
export function* everyLayer(graph: Pick<DraftGraph, 'layers'>): Generator<DraftLayer> {
  for (const layer of graph.layers) {
    yield layer;
    if (layer.model) yield* everyLayer(layer.model);
    if (layer.wrapped) yield* everyLayer({ layers: layer.wrapped });
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
