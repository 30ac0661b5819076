import { ToolkitError, type Where } from '../errors.ts';
import type { KerasGraph, KerasInput, KerasLayer, TensorRef } from './model.ts';

type Wired = Pick<KerasLayer, 'name' | 'calls' | 'path'>;

/**
 * Layers in an order in which each comes after what its first call needs, else as they were.
 *
 * Throws KERAS_CONFIG_INVALID for references to nothing, for circles, and for two layers of one name.
 */
export function inOrder<L extends Wired>(
  layers: readonly L[],
  graph: Pick<KerasGraph, 'inputs' | 'outputs'>,
  where: Where,
): L[] {
  const { inputs, outputs } = graph;
  refuseTwins([...inputs, ...layers], where);
  const ordered = byFirstCalls(layers, inputs, where);
  checkCalls(ordered, inputs, where);
  const calls = new Map(layers.map((layer) => [layer.name, layer.calls.length]));
  for (const { name } of inputs) calls.set(name, 1);
  const lost = outputs.find((ref) => ref.node >= (calls.get(ref.layer) ?? 0));
  if (lost)
    throw invalid(
      `The model's output is "${lost.layer}", call ${lost.node}, which is not there`,
      where,
    );
  return ordered;
}

function refuseTwins(named: readonly { readonly name: string }[], where: Where): void {
  const seen = new Set<string>();
  for (const { name } of named) {
    if (seen.has(name)) throw invalid(`Two layers are called "${name}"`, { ...where, layer: name });
    seen.add(name);
  }
}

function byFirstCalls<L extends Wired>(
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

interface Call {
  readonly layer: Wired;
  readonly inputs: readonly TensorRef[];
  readonly key: string;
}

/** Layers that are called several times may run in circles that their first calls do not show. */
function checkCalls(layers: readonly Wired[], inputs: readonly KerasInput[], where: Where): void {
  const known = new Set(inputs.map(({ name }) => keyOf({ layer: name, node: 0 })));
  let waiting: Call[] = layers.flatMap((layer) =>
    layer.calls.map((call, node) => ({
      layer,
      inputs: call.inputs,
      key: keyOf({ layer: layer.name, node }),
    })),
  );
  while (waiting.length > 0) {
    const rest = waiting.filter((call) => {
      const isReady = call.inputs.every((ref) => known.has(keyOf(ref)));
      if (isReady) known.add(call.key);
      return !isReady;
    });
    if (rest.length === waiting.length) throw circle(rest, known, where);
    waiting = rest;
  }
}

function keyOf({ layer, node }: Pick<TensorRef, 'layer' | 'node'>): string {
  return `${node} ${layer}`;
}

function circle(calls: readonly Call[], known: ReadonlySet<string>, where: Where): ToolkitError {
  const [call] = calls;
  const missing = call?.inputs.find((ref) => !known.has(keyOf(ref)));
  return invalid(
    `A call of the layer takes its input from call ${missing?.node} of "${missing?.layer}", which is not there or needs this one itself`,
    { ...where, layer: call?.layer.name, path: call?.layer.path },
  );
}

function disconnected(
  layers: readonly Wired[],
  known: ReadonlySet<string>,
  where: Where,
): ToolkitError {
  const [layer] = layers;
  const needs: readonly TensorRef[] = layer?.calls[0]?.inputs ?? [];
  const missing = needs.find((ref) => !known.has(ref.layer))?.layer ?? '';
  return invalid(
    `The layer takes its input from "${missing}", which is not there or needs this layer itself`,
    { ...where, layer: layer?.name, path: layer?.path },
  );
}

function invalid(what: string, where: Where): ToolkitError {
  return new ToolkitError('KERAS_CONFIG_INVALID', what, {
    where,
    hint: 'Check that the architecture was saved by Keras and was not edited by hand.',
  });
}
