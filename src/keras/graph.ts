import { ToolkitError, type Where } from '../errors.ts';
import { isJson, type Json } from './config.ts';
import { modernConfig } from './defaults.ts';
import { type DraftGraph, type DraftLayer, withOwnNames } from './draft.ts';
import { type Entry, entriesOf, withNames } from './entries.ts';
import { implicitInput, inputOf } from './inputs.ts';
import { keras0Graph } from './keras0-graph.ts';
import { type Dialect, modernClass } from './legacy.ts';
import type { KerasInput, LayerCall, TensorRef } from './model.ts';
import { callsOf, outputRefs, renumbered } from './wiring.ts';

type NamedEntry = Entry & { readonly name: string };

/** What reading one architecture needs everywhere. */
interface Reading {
  readonly dialect: Dialect;
  readonly where: Where;
  /** How many inputs of each name Keras 1 would have made so far. */
  readonly counts: Map<string, number>;
}

/**
 * Reads an architecture, of any generation, into layers with Keras 3's names and keys, and their wiring.
 *
 * Throws KERAS_CONFIG_INVALID, and KERAS_LAYER_UNSUPPORTED for models that are not lists of layers.
 */
export function draftOf(architecture: Json, dialect: Dialect, where: Where): DraftGraph {
  const className = architecture['class_name'] ?? architecture['name'];
  const config = 'class_name' in architecture ? architecture['config'] : architecture;
  const path = 'class_name' in architecture ? '/config' : '';
  const reading = { dialect, where, counts: new Map<string, number>() };
  if (className === 'Sequential') return sequential(config, path, reading);
  if (className === 'Model' || className === 'Functional') return functional(config, path, reading);
  if (className === 'Graph' && !('class_name' in architecture)) {
    return keras0Graph(architecture, where, (entry, call) => layerOf(entry, [call], reading));
  }
  throw notLayers(className, where);
}

function notLayers(className: unknown, where: Where): ToolkitError {
  if (typeof className !== 'string') {
    return new ToolkitError('KERAS_CONFIG_INVALID', 'Expected the architecture of a Keras model', {
      where,
      hint: 'Save the architecture with model.to_json() and give that file.',
    });
  }
  return new ToolkitError(
    'KERAS_LAYER_UNSUPPORTED',
    `Expected a Sequential or Functional model, but found class "${className}"`,
    {
      where,
      hint: 'Models defined by Python code of their own cannot be read: rebuild the model from Keras layers.',
    },
  );
}

function sequential(config: unknown, path: string, reading: Reading): DraftGraph {
  const isList = Array.isArray(config);
  const json = isJson(config) ? config : {};
  const list = isList ? config : json['layers'];
  const at = isList ? path : `${path}/layers`;
  const entries = withNames(entriesOf(list, at, reading.where));
  const [first, ...rest] = entries;
  if (!first) {
    throw new ToolkitError('KERAS_CONFIG_INVALID', 'The model has no layers', {
      where: { ...reading.where, path: at },
      hint: 'Save the model after its layers are added.',
    });
  }
  const taken = new Set(rest.map((entry) => entry.name));
  const start = beginning(first, reading, { taken, shape: json['build_input_shape'] });
  const layers = [...start.layers];
  let current = start.outputs;
  for (const entry of rest) {
    const layer = layerOf(entry, [{ inputs: current, kwargs: {} }], reading);
    layers.push(layer);
    current = [{ layer: layer.name, node: 0, tensor: 0 }];
  }
  return { name: modelName(json) ?? 'sequential', inputs: start.inputs, outputs: current, layers };
}

function modelName(json: Json): string | undefined {
  // In Keras 0 `name` is the class.
  const name = 'custom_name' in json || json['name'] === 'Sequential' ? undefined : json['name'];
  return typeof name === 'string' ? name : undefined;
}

interface Beginning {
  readonly inputs: readonly KerasInput[];
  readonly layers: readonly DraftLayer[];
  readonly outputs: readonly TensorRef[];
}

/** The first layer of a Sequential brings the input: as an InputLayer, by its own arguments, or as a nested model. */
function beginning(
  entry: NamedEntry,
  reading: Reading,
  { taken, shape }: { readonly taken: ReadonlySet<string>; readonly shape: unknown },
): Beginning {
  const { dialect, where, counts } = reading;
  if (entry.className === 'InputLayer') {
    const input = inputOf(entry, where);
    return { inputs: [input], layers: [], outputs: [refTo(input.name)] };
  }
  if (entry.className === 'Merge' && Array.isArray(entry.config['layers'])) {
    return mergedBeginning(entry, reading, taken);
  }
  const inner = entry.nested === undefined ? undefined : layerOf(entry, [], reading);
  const inputs = inner?.model?.inputs ?? [implicitInput(entry, dialect, { where, counts, shape })];
  const call = { inputs: inputs.map(({ name }) => refTo(name)), kwargs: {} };
  const layer = inner ? { ...inner, calls: [call] } : layerOf(entry, [call], reading);
  return { inputs, layers: [layer], outputs: [refTo(layer.name)] };
}

/** Keras 0 and 1: a Merge at the head of a Sequential holds its branches; Keras saves their layers as if they were the model's own. */
function mergedBeginning(
  entry: NamedEntry,
  reading: Reading,
  taken: ReadonlySet<string>,
): Beginning {
  const entries = entriesOf(entry.config['layers'], `${entry.path}/config/layers`, reading.where);
  const branches = withOwnNames(
    entries.map((branch) => sequential(branch.nested ?? [], `${branch.path}/config`, reading)),
    new Set([...taken, entry.name]),
  );
  const { layers: _, ...config } = entry.config;
  const call = { inputs: branches.flatMap((branch) => branch.outputs), kwargs: {} };
  const merge = layerOf({ ...entry, config }, [call], reading);
  return {
    inputs: branches.flatMap((branch) => branch.inputs),
    layers: [...branches.flatMap((branch) => branch.layers), merge],
    outputs: [refTo(merge.name)],
  };
}

function functional(config: unknown, path: string, reading: Reading): DraftGraph {
  const json = isJson(config) ? config : {};
  const entries = withNames(entriesOf(json['layers'], `${path}/layers`, reading.where));
  const inputs = entries
    .filter((entry) => entry.className === 'InputLayer')
    .map((entry) => inputOf(entry, reading.where));
  const layers = entries
    .filter((entry) => entry.className !== 'InputLayer')
    .map((entry) => {
      const where = { ...reading.where, layer: entry.name, path: entry.path };
      return layerOf(entry, callsOf(entry.inboundNodes, where), reading);
    });
  const where = { ...reading.where, path };
  // Keras 1 may write a wrong name here when a model has several outputs.
  const named = outputRefs(json['input_layers'], where).flatMap(({ layer }) =>
    inputs.filter(({ name }) => name === layer),
  );
  const outputs = outputRefs(json['output_layers'], where);
  const wired = renumbered(layers, outputs);
  return {
    name: typeof json['name'] === 'string' ? json['name'] : 'model',
    inputs: named.length === inputs.length ? named : inputs,
    ...wired,
  };
}

function layerOf(entry: NamedEntry, calls: readonly LayerCall[], reading: Reading): DraftLayer {
  const { name, path, className: savedClassName } = entry;
  const shared = { name, path, savedClassName, calls };
  if (entry.isOperation) {
    const { name: _, ...config } = entry.config;
    return { ...shared, className: `ops.${savedClassName}`, config };
  }
  if (entry.nested !== undefined) {
    const read = savedClassName === 'Sequential' ? sequential : functional;
    const model = { ...read(entry.nested, `${path}/config`, reading), name };
    return { ...shared, className: modernClass(savedClassName, entry.config), config: {}, model };
  }
  const className = modernClass(savedClassName, entry.config);
  const config = modernConfig(className, withCudnn(savedClassName, entry.config), reading.dialect);
  const wrapped = wrappedIn(className, config, `${path}/config`).map((inner) =>
    layerOf(inner, [], reading),
  );
  const [first] = wrapped;
  if (!first) {
    if (wrappers.has(className)) throw wrapsNothing(entry, reading.where);
    return { ...shared, className, config };
  }
  const layer = { class_name: first.className, config: first.config };
  return {
    ...shared,
    className,
    config: { ...config, ...(isJson(config['layer']) ? { layer } : {}) },
    wrapped,
  };
}

function wrapsNothing({ name, path, className }: NamedEntry, where: Where): ToolkitError {
  return new ToolkitError('KERAS_CONFIG_INVALID', `${className} does not say what it wraps`, {
    where: { ...where, layer: name, path: `${path}/config` },
    hint: 'Check that the architecture was saved by Keras and was not edited by hand.',
  });
}

/** What layers of cuDNN leave unsaid: they always were so. */
function withCudnn(savedClassName: string, config: Json): Json {
  if (!savedClassName.startsWith('CuDNN')) return config;
  return {
    ...config,
    activation: 'tanh',
    recurrent_activation: 'sigmoid',
    use_bias: true,
    ...(savedClassName === 'CuDNNGRU' ? { reset_after: true } : {}),
  };
}

const wrappers = new Set(['TimeDistributed', 'Bidirectional', 'SpectralNormalization', 'RNN']);

/** The layers inside a wrapper's config. Other classes, whatever their config holds, are taken as they are. */
function wrappedIn(className: string, config: Json, path: string): NamedEntry[] {
  if (!wrappers.has(className)) return [];
  if (className === 'RNN') return cellsIn(config['cell'], `${path}/cell`);
  const layer = wrappedEntry(config['layer'], `${path}/layer`);
  if (!layer) return [];
  if (className !== 'Bidirectional') return [layer];
  const backward = wrappedEntry(config['backward_layer'], `${path}/backward_layer`);
  return [layer, backward ?? { ...layer, config: turnedRound(layer.config) }];
}

/** Where only the forward layer is stated, Bidirectional makes the backward one of it. */
function turnedRound(config: Json): Json {
  return { ...config, go_backwards: config['go_backwards'] !== true };
}

function cellsIn(cell: unknown, path: string): NamedEntry[] {
  const stacked = isJson(cell) && isJson(cell['config']) ? cell['config']['cells'] : undefined;
  const list: readonly unknown[] = Array.isArray(stacked)
    ? stacked
    : Array.isArray(cell)
      ? cell
      : [cell];
  return list.flatMap((item, i) => wrappedEntry(item, `${path}/${i}`) ?? []);
}

function wrappedEntry(item: unknown, path: string): NamedEntry | undefined {
  if (!isJson(item)) return undefined;
  const [entry] = entriesOf([item], path, {});
  return entry && { ...entry, name: entry.name ?? entry.className.toLowerCase(), path };
}

function refTo(layer: string): TensorRef {
  return { layer, node: 0, tensor: 0 };
}
