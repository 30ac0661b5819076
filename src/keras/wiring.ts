import { ToolkitError, type Where } from '../errors.ts';
import { isJson, type Json } from './config.ts';
import type { DraftLayer } from './draft.ts';
import { InputPlace, type LayerCall, type TensorRef } from './model.ts';

/**
 * The calls in `inbound_nodes`. Keras 1, Keras 2 and tf.keras: a list of calls, each a structure (mostly a list) of
 * `[layer, node, tensor, kwargs]`; tf.keras leaves out one level where there is one input. Keras 3: `{args, kwargs}` with
 * tensors at any depth.
 *
 * Throws KERAS_CONFIG_INVALID.
 */
export function callsOf(inboundNodes: unknown, where: Where): LayerCall[] {
  if (!Array.isArray(inboundNodes)) throw notWiring(inboundNodes, where);
  return inboundNodes.map((node: unknown) =>
    isJson(node) && 'args' in node ? keras3Call(node, where) : oldCall(node, where),
  );
}

function keras3Call(node: Json, where: Where): LayerCall {
  const inputs: TensorRef[] = [];
  const found = (value: unknown): unknown => {
    if (!isJson(value) || value['class_name'] !== '__keras_tensor__') return undefined;
    const config = isJson(value['config']) ? value['config'] : {};
    return placed(inputs, refOf(config['keras_history'], where));
  };
  const args = replaced(node['args'], found);
  const kwargs = replaced(node['kwargs'] ?? {}, found);
  if (!Array.isArray(args) || !isJson(kwargs)) throw notWiring(node, where);
  return { inputs, args, kwargs };
}

function placed(inputs: TensorRef[], ref: TensorRef): InputPlace {
  return new InputPlace(inputs.push(ref) - 1);
}

/** The value with a tensor's place wherever `found` sees one. Keras counts what is in a dictionary by sorted keys. */
function replaced(value: unknown, found: (value: unknown) => unknown): unknown {
  const tensor = found(value);
  if (tensor !== undefined) return tensor;
  if (Array.isArray(value)) return value.map((item) => replaced(item, found));
  if (!isJson(value)) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, replaced(item, found)]));
}

function oldCall(node: unknown, where: Where): LayerCall {
  const inputs: TensorRef[] = [];
  let named: Json = {};
  const first = replaced(node, (value) => {
    if (!Array.isArray(value) || !isRef(value)) return undefined;
    const items: readonly unknown[] = value;
    if (isJson(items[3])) named = { ...named, ...items[3] };
    if (items[0] === '_CONSTANT_VALUE') return { constant: items[2] };
    return placed(inputs, refOf(value, where));
  });
  if (!Array.isArray(node) && !isJson(node)) throw notWiring(node, where);
  if (inputs.length === 0 && Object.keys(named).length === 0 && !isConstantOnly(node)) {
    throw notWiring(node, where);
  }
  const kwargs = replaced(named, (value) => {
    // A tensor among the keywords has no fourth part; other lists of such a form do not occur.
    if (!Array.isArray(value) || value.length !== 3 || !isRef(value)) return undefined;
    return placed(inputs, refOf(value, where));
  });
  if (inputs.length === 0 && isConstantOnly(node)) throw tensorsDropped(node[2], where);
  return { inputs, args: [withoutConstants(single(first))], kwargs: isJson(kwargs) ? kwargs : {} };
}

/** Whether a call names a constant and no tensor at all. */
function isConstantOnly(node: unknown): node is readonly unknown[] {
  return Array.isArray(node) && node[0] === '_CONSTANT_VALUE';
}

/** Source: node.py in keras/engine of 2.15, which writes the first argument and those by name, but not `*inputs`. */
function tensorsDropped(constant: unknown, where: Where): ToolkitError {
  return new ToolkitError(
    'KERAS_LAYER_UNSUPPORTED',
    `The function is called with ${JSON.stringify(constant).slice(0, 80)}, and the file does not say with which tensors: tf.keras saves the first argument alone of functions such as tf.einsum(equation, *inputs)`,
    {
      where,
      hint: 'The file does not hold the model whole, so that tf.keras cannot load it either. Where the Python code is left, build the model with keras.layers.Dot, EinsumDense or tf.matmul in its place, load the weights, and save it again; or save it with Keras 3, whose keras.ops.einsum is saved whole.',
    },
  );
}

/** A list of one is the tensor itself. */
function single(value: unknown): unknown {
  return Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value;
}

/** What tf.keras marks as a constant, as it is. */
function withoutConstants(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutConstants);
  return isJson(value) && 'constant' in value ? value['constant'] : value;
}

/** `input_layers` and `output_layers`: a structure of `[layer, node, tensor]`, or a single one. */
export function outputRefs(value: unknown, where: Where): TensorRef[] {
  if (Array.isArray(value)) {
    if (isRef(value)) return [refOf(value, where)];
    return value.flatMap((item) => outputRefs(item, where));
  }
  if (!isJson(value)) throw notWiring(value, where);
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.flatMap(([, item]) => outputRefs(item, where));
}

function isRef(value: readonly unknown[]): boolean {
  return typeof value[0] === 'string' && typeof value[1] === 'number' && value.length >= 3;
}

function refOf(value: unknown, where: Where): TensorRef {
  if (!Array.isArray(value)) throw notWiring(value, where);
  const items: readonly unknown[] = value;
  const [layer, node, tensor] = items;
  if (typeof layer !== 'string' || !isPlace(node) || !isPlace(tensor))
    throw notWiring(value, where);
  return { layer, node, tensor };
}

function isPlace(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}

function notWiring(value: unknown, where: Where): ToolkitError {
  const found = value === undefined ? 'nothing' : JSON.stringify(value);
  return new ToolkitError(
    'KERAS_CONFIG_INVALID',
    `Expected where a layer takes its inputs from, as [layer, node, tensor], but found ${found.slice(0, 80)}`,
    { where, hint: 'Check that the architecture was saved by Keras and was not edited by hand.' },
  );
}

/**
 * Lets the node numbers of nested models begin at 0.
 *
 * Up to tf.keras a nested model owns a node from before it was called (engine/topology.py, Container.get_config), so
 * that its first call is number 1; a tf.keras Sequential without input shape begins at 0, and Keras 3 at 0 or, for
 * models of dictionaries, 1. The smallest number that anything refers to is taken as the first.
 */
export function renumbered(
  layers: readonly DraftLayer[],
  outputs: readonly TensorRef[],
): { readonly layers: readonly DraftLayer[]; readonly outputs: readonly TensorRef[] } {
  const models = new Set(layers.flatMap((layer) => (layer.model ? [layer.name] : [])));
  const firsts = new Map<string, number>();
  for (const ref of [
    ...outputs,
    ...layers.flatMap((l) => l.calls.flatMap((call) => call.inputs)),
  ]) {
    if (!models.has(ref.layer)) continue;
    firsts.set(ref.layer, Math.min(firsts.get(ref.layer) ?? ref.node, ref.node));
  }
  const fix = (ref: TensorRef): TensorRef => ({
    ...ref,
    node: ref.node - (firsts.get(ref.layer) ?? 0),
  });
  return {
    outputs: outputs.map(fix),
    layers: layers.map((layer) => ({
      ...layer,
      calls: layer.calls.map((call) => ({ ...call, inputs: call.inputs.map(fix) })),
    })),
  };
}
