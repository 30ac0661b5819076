import { ToolkitError, type Where } from '../errors.ts';
import { isJson, type Json } from './config.ts';
import type { DraftGraph, DraftLayer } from './draft.ts';
import { type Entry, entriesOf } from './entries.ts';
import { inputOf } from './inputs.ts';
import type { KerasInput, LayerCall, TensorRef } from './model.ts';

type NamedEntry = Entry & { readonly name: string };
type MakeLayer = (entry: NamedEntry, call: LayerCall) => DraftLayer;

/**
 * Reads a Graph model of Keras 0: named nodes, each with one input or several that are merged on the way in.
 *
 * A merge becomes a Merge layer of its own, "<node>_merge". Source: keras/models.py@0.3.3, class Graph.
 * Throws KERAS_CONFIG_INVALID.
 */
export function keras0Graph(architecture: Json, where: Where, make: MakeLayer): DraftGraph {
  const nodes = isJson(architecture['nodes']) ? architecture['nodes'] : {};
  const inputs = listOf(architecture, 'input_config', where).map((item, i) =>
    graphInput(item, i, where),
  );
  const layers = listOf(architecture, 'node_config', where).flatMap((item, i) => {
    const name = nameOf(item, `/node_config/${i}`, where);
    const [entry] = entriesOf([nodes[name]], `/nodes/${name}`, where);
    if (!entry) throw invalid('Expected a layer', `/nodes/${name}`, where);
    const source = sourceOf(item, name, make);
    return [...source.layers, make({ ...entry, name }, { inputs: source.refs, kwargs: {} })];
  });
  const outputs = listOf(architecture, 'output_config', where).map((item, i) =>
    sourceOf(item, nameOf(item, `/output_config/${i}`, where), make),
  );
  return {
    name: 'graph',
    inputs,
    layers: [...layers, ...outputs.flatMap((output) => output.layers)],
    outputs: outputs.flatMap((output) => output.refs),
  };
}

function listOf(architecture: Json, key: string, where: Where): readonly Json[] {
  const list = architecture[key];
  if (Array.isArray(list) && list.every(isJson)) return list;
  throw invalid('Expected a list of nodes', `/${key}`, where);
}

function graphInput(item: Json, i: number, where: Where): KerasInput {
  const name = nameOf(item, `/input_config/${i}`, where);
  const shape = item['batch_input_shape'] ?? withBatch(item['input_shape']);
  const [entry] = entriesOf(
    [{ name: 'InputLayer', batch_input_shape: shape, dtype: item['dtype'] }],
    `/input_config/${i}`,
    where,
  );
  if (!entry) throw invalid('Expected an input', `/input_config/${i}`, where);
  return inputOf({ ...entry, name }, where);
}

function withBatch(shape: unknown): unknown {
  return Array.isArray(shape) ? [null, ...(shape as readonly unknown[])] : shape;
}

function nameOf(item: Json, path: string, where: Where): string {
  if (typeof item['name'] === 'string') return item['name'];
  throw invalid('Expected a node with a name', path, where);
}

/** Where a node or an output takes its input from: one node, or a merge of several. */
function sourceOf(
  item: Json,
  name: string,
  make: MakeLayer,
): { readonly layers: readonly DraftLayer[]; readonly refs: readonly TensorRef[] } {
  const { input, inputs, merge_mode: mode, concat_axis: axis, dot_axes: axes } = item;
  if (typeof input === 'string' && input !== '') return { layers: [], refs: [refTo(input)] };
  const names = Array.isArray(inputs) ? inputs.filter((one) => typeof one === 'string') : [];
  const refs = names.map(refTo);
  if (refs.length < 2) return { layers: [], refs };
  const merge = make(
    {
      className: 'Merge',
      name: `${name}_merge`,
      config: { mode: mode ?? 'concat', concat_axis: axis ?? -1, dot_axes: axes ?? -1 },
      nested: undefined,
      inboundNodes: undefined,
      isOperation: false,
      path: `/node_config/${name}`,
    },
    { inputs: refs, kwargs: {} },
  );
  return { layers: [merge], refs: [refTo(merge.name)] };
}

function refTo(layer: string): TensorRef {
  return { layer, node: 0, tensor: 0 };
}

function invalid(what: string, path: string, where: Where): ToolkitError {
  return new ToolkitError('KERAS_CONFIG_INVALID', what, {
    where: { ...where, path },
    hint: 'Check that the architecture was saved by Keras and was not edited by hand.',
  });
}
