import { ToolkitError, type Where } from '../errors.ts';
import type { TensorSource } from '../tensor.ts';
import { type Json, parseJson } from './config.ts';
import type { Hdf5File } from './h5.ts';
import type { Generation } from './model.ts';
import { everyWeight, layersOf, readTree, type StoredTree } from './tree.ts';

/** The weights a file holds under one layer, in the file's order. */
export interface StoredLayer {
  /** As in `layer_names`; "layer_7" in Keras 0, which has no names. */
  readonly name: string;
  readonly weights: StoredWeights;
}

/** Weights in the file's order, under the file's names. */
export type StoredWeights = readonly { readonly name: string; readonly source: TensorSource }[];

/** What an HDF5 file of Keras says before anything is concluded from it. */
export interface Stored {
  /**
   * "positions": Keras 0's layer_0/param_0; "names": layer_names and weight_names, Keras 1 and later; "flat": all weights
   * in one list, as of a layer of its own; "tree": objects in objects, as in `.weights.h5`.
   */
  readonly layout: 'positions' | 'names' | 'flat' | 'tree';
  readonly generation: Generation;
  readonly version: string | undefined;
  readonly evidence: string;
  /** Who computed: "theano", "tensorflow", …; Keras 2 and later. */
  readonly backend: string | undefined;
  readonly architecture: Json | undefined;
  readonly layers: readonly StoredLayer[];
  readonly tree?: StoredTree | undefined;
}

/** What a file of any kind holds, and what keeps it open. */
export interface Storage {
  readonly file: string;
  readonly stored: Stored;
  close(): void;
}

/**
 * Finds out how the file is laid out and lists its layers. Reads attributes and the shapes of datasets only.
 *
 * Throws FILE_UNRECOGNISED, FILE_UNREADABLE, KERAS_FILE_UNSAFE, KERAS_WEIGHT_MISSING, KERAS_CONFIG_INVALID.
 */
export function readStored(h5: Hdf5File): Stored {
  if (h5.attribute('/', 'nb_layers') !== undefined) return keras0(h5);
  if (h5.attribute('/graph', 'nb_params') !== undefined) return keras0Graph(h5);
  const group = h5.kind('/model_weights') === 'group' ? '/model_weights' : '/';
  if (!hasList(h5, group, 'layer_names') && isTree(h5)) return treeOf([h5]);
  if (!hasList(h5, group, 'layer_names')) throw notKeras(h5);
  const version = text(h5.attribute(group, 'keras_version'));
  const architecture = text(h5.attribute('/', 'model_config'));
  const where: Where = { file: h5.file, path: '/@model_config' };
  return {
    layout: 'names',
    ...generationOf(version, text(h5.attribute('/', 'keras_version'))),
    backend: text(h5.attribute(group, 'backend') ?? h5.attribute('/', 'backend')),
    architecture: architecture === undefined ? undefined : parseJson(architecture, where),
    layers: listOf(h5, group, 'layer_names').map((name) => namedLayer(h5, join(group, name), name)),
  };
}

/** What the parts of a model in the layout of `.weights.h5` hold. */
export function treeOf(parts: readonly Hdf5File[]): Stored {
  const tree = readTree(parts);
  // Keras 3.6 and later write the layers' names; tf.keras 2.15 and Keras 3 have "layers" in common.
  const isOld = tree.children.has('_layer_checkpoint_dependencies');
  return {
    layout: 'tree',
    generation: isOld ? 'tf.keras' : 'Keras 3',
    version: undefined,
    evidence: isOld
      ? 'weights lie by object (_layer_checkpoint_dependencies), as tf.keras 2.12 to 2.14 wrote them'
      : 'weights lie by object (layers/…/vars), as Keras 3 and tf.keras 2.15 write them',
    backend: undefined,
    architecture: undefined,
    layers: [...(layersOf(tree)?.children ?? [])].map(([key, layer]) => ({
      name: layer.name ?? key,
      weights: everyWeight(layer),
    })),
    tree,
  };
}

function isTree(h5: Hdf5File): boolean {
  const members = h5.members('/');
  const isContainer = ['layers', '_layer_checkpoint_dependencies'].some((name) =>
    members.includes(name),
  );
  return isContainer || members.some((name) => h5.kind(`/${name}/vars`) === 'group');
}

function keras0(h5: Hdf5File): Stored {
  const count = countAt(h5, '/', 'nb_layers');
  const layers: StoredLayer[] = [];
  for (let k = 0; k < count; k++) {
    const name = `layer_${k}`;
    if (h5.kind(`/${name}`) !== 'group') {
      throw new ToolkitError(
        'KERAS_WEIGHT_MISSING',
        `The file says it has ${count} layers (nb_layers), but ${name} is not there`,
        {
          where: { file: h5.file, path: `/${name}` },
          hint: 'The file is incomplete: save it again.',
        },
      );
    }
    layers.push({ name, weights: parametersOf(h5, `/${name}`) });
  }
  return {
    layout: 'positions',
    ...keras0Origin,
    evidence: 'weights lie by position (nb_layers, layer_0/param_0), as only Keras 0 wrote them',
    layers,
  };
}

const keras0Origin = {
  generation: 'Keras 0',
  version: undefined,
  backend: undefined,
  architecture: undefined,
} as const;

function keras0Graph(h5: Hdf5File): Stored {
  return {
    layout: 'flat',
    ...keras0Origin,
    evidence: 'weights lie in one group (graph), as Graph models of Keras 0 wrote them',
    layers: [{ name: 'graph', weights: parametersOf(h5, '/graph') }],
  };
}

function parametersOf(h5: Hdf5File, group: string): StoredWeights {
  const count = countAt(h5, group, 'nb_params');
  const weights = [];
  for (let i = 0; i < count; i++) {
    weights.push({ name: `param_${i}`, source: h5.dataset(`${group}/param_${i}`) });
  }
  return weights;
}

/** A count that is an attribute; 0 where it is absent or no number. */
function countAt(h5: Hdf5File, path: string, name: string): number {
  const count = Number(h5.attribute(path, name) ?? 0);
  return Number.isFinite(count) ? count : 0;
}

function namedLayer(h5: Hdf5File, group: string, name: string): StoredLayer {
  const weights = listOf(h5, group, 'weight_names').map((weight) => ({
    name: weight,
    source: h5.dataset(join(group, weight)),
  }));
  return { name, weights };
}

/**
 * Keras 1 states its version at the root only, Keras 2 and later at the weights too; "-tf" is tf.keras, and what
 * called itself "keras" from 2.4 to 2.15 is tf.keras as well.
 */
function generationOf(
  ofWeights: string | undefined,
  ofRoot: string | undefined,
): Pick<Stored, 'generation' | 'version' | 'evidence'> {
  const version = ofWeights ?? ofRoot;
  if (version === undefined) {
    return {
      generation: 'Keras 1',
      version,
      evidence: 'weights lie by name (layer_names) and no keras_version is stated',
    };
  }
  const evidence = `keras_version is "${version}"`;
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  if (major >= 3) return { generation: 'Keras 3', version, evidence };
  if (major === 2) {
    const isTf = version.endsWith('-tf') || minor >= 4;
    return { generation: isTf ? 'tf.keras' : 'Keras 2', version, evidence };
  }
  return { generation: major === 1 ? 'Keras 1' : 'Keras 0', version, evidence };
}

/** Generation of an architecture file, by the version that it states. */
export function generationOfVersion(version: string): Generation {
  return generationOf(version, undefined).generation;
}

function hasList(h5: Hdf5File, path: string, name: string): boolean {
  const names = h5.attributeNames(path);
  return names.includes(name) || names.includes(`${name}0`);
}

/** A list of names; long ones are cut into name0, name1, … (Keras 2.1.5 and later, 64,512 bytes an attribute). */
function listOf(h5: Hdf5File, path: string, name: string): string[] {
  const whole = h5.attribute(path, name);
  if (whole !== undefined) return texts(whole);
  const list: string[] = [];
  for (let i = 0; ; i++) {
    const part = h5.attribute(path, `${name}${i}`);
    if (part === undefined) return list;
    list.push(...texts(part));
  }
}

function texts(value: unknown): string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((item) => typeof item === 'string');
}

function text(value: unknown): string | undefined {
  return texts(value)[0];
}

function join(group: string, name: string): string {
  return `${group === '/' ? '' : group}/${name}`;
}

function notKeras(h5: Hdf5File): ToolkitError {
  const members = h5.members('/');
  return new ToolkitError(
    'FILE_UNRECOGNISED',
    'This HDF5 file was not written by Keras: it has neither layer_names, nor model_weights, nor nb_layers, nor layers',
    {
      where: { file: h5.file, path: '/' },
      hint: `It holds: ${members.slice(0, 12).join(', ') || 'nothing'}. Give a file saved with model.save() or model.save_weights().`,
    },
  );
}
