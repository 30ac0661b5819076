import { ToolkitError, type Where } from '../errors.ts';
import { isJson, type Json } from './config.ts';
import type { DraftLayer } from './draft.ts';
import type { LayerCall, TensorRef } from './model.ts';

/**
 * The calls in `inbound_nodes` of Keras 1, Keras 2 and tf.keras: a list of calls, each a list of
 * `[layer, node, tensor, kwargs]`; tf.keras leaves out one level where there is one input. Keras 3 has `{args, kwargs}`
 * with tensors anywhere inside.
 *
 * Throws KERAS_CONFIG_INVALID; KERAS_LAYER_UNSUPPORTED for a Keras 3 call with numbers among its arguments.
 */
export function callsOf(inboundNodes: unknown, where: Where): LayerCall[] {
  if (!Array.isArray(inboundNodes)) throw notWiring(inboundNodes, where);
  return inboundNodes.map((node: unknown) => {
    if (isJson(node)) return keras3Call(node, where);
    if (!Array.isArray(node)) throw notWiring(node, where);
    const items: readonly unknown[] = isRef(node) ? [node] : node;
    const kwargs: Json[] = items.flatMap((item) =>
      Array.isArray(item) && isJson(item[3]) ? [item[3]] : [],
    );
    return {
      inputs: items.map((item) => refOf(item, where)),
      kwargs: Object.fromEntries(kwargs.flatMap((item) => Object.entries(item))),
    };
  });
}

function keras3Call(node: Json, where: Where): LayerCall {
  const kwargs = isJson(node['kwargs']) ? node['kwargs'] : {};
  return { inputs: [...tensorsIn(node['args'], where)], kwargs };
}

function* tensorsIn(value: unknown, where: Where): Generator<TensorRef> {
  if (Array.isArray(value)) {
    for (const item of value) yield* tensorsIn(item, where);
  } else if (isJson(value) && value['class_name'] === '__keras_tensor__') {
    const config = isJson(value['config']) ? value['config'] : {};
    yield refOf(config['keras_history'], where);
  } else {
    throw new ToolkitError(
      'KERAS_LAYER_UNSUPPORTED',
      `The layer is called with ${JSON.stringify(value)} among its arguments, not with tensors only`,
      { where, hint: 'Operations with constants are not read yet: use a Rescaling layer instead.' },
    );
  }
}

/** `input_layers` and `output_layers`: a list of `[layer, node, tensor]`, or a single one. */
export function outputRefs(value: unknown, where: Where): TensorRef[] {
  if (!Array.isArray(value)) throw notWiring(value, where);
  return isRef(value) ? [refOf(value, where)] : value.map((item) => refOf(item, where));
}

function isRef(value: readonly unknown[]): boolean {
  return typeof value[0] === 'string' && typeof value[1] === 'number';
}

function refOf(value: unknown, where: Where): TensorRef {
  if (!Array.isArray(value)) throw notWiring(value, where);
  const items: readonly unknown[] = value;
  const [layer, node, tensor] = items;
  if (typeof layer !== 'string' || typeof node !== 'number' || typeof tensor !== 'number') {
    throw notWiring(value, where);
  }
  return { layer, node, tensor };
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
 * that its first call is number 1; a tf.keras Sequential without input shape begins at 0. The smallest number that
 * anything refers to is taken as the first.
 */
export function renumbered(
  layers: readonly DraftLayer[],
  outputs: readonly TensorRef[],
): { readonly layers: readonly DraftLayer[]; readonly outputs: readonly TensorRef[] } {
  const refs = [...outputs, ...layers.flatMap((l) => l.calls.flatMap((call) => call.inputs))];
  const firsts = new Map(
    layers
      .filter((layer) => layer.model)
      .map(({ name }) => {
        const nodes = refs.filter((ref) => ref.layer === name).map((ref) => ref.node);
        return [name, Math.min(...nodes)] as const;
      }),
  );
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
