import { ToolkitError, type Where } from '../errors.ts';
import { isJson, type Json } from './config.ts';

/** One entry of a model's list of layers, whichever generation spelled it. */
export interface Entry {
  readonly className: string;
  /** Absent where Keras itself forgot it: a Sequential inside a Sequential of Keras 1. */
  readonly name: string | undefined;
  /** The layer's arguments; of a nested model its `config` (a list for Sequential up to Keras 2.2.2). */
  readonly config: Json;
  readonly nested: unknown;
  readonly inboundNodes: unknown;
  /** Whether it is an operation of Keras 3 rather than a layer; both may have the same class name. */
  readonly isOperation: boolean;
  readonly path: string;
}

const containers = new Set(['Sequential', 'Model', 'Functional']);

/** Layers of Keras 3 that do not say whether they are trainable. */
const reticent = new Set(
  'SpatialDropout1D SpatialDropout2D SpatialDropout3D Discretization HashedCrossing Pipeline'.split(
    ' ',
  ),
);

/**
 * Reads entries as `{class_name, config}` (Keras 1 and later) or `{name: CLASS, custom_name, …}` (Keras 0).
 *
 * Throws KERAS_CONFIG_INVALID for what is neither.
 */
export function entriesOf(list: unknown, path: string, where: Where): Entry[] {
  if (!Array.isArray(list)) throw notLayers(path, where);
  return list.map((item: unknown, i) => {
    const at = `${path}/${i}`;
    if (!isJson(item)) throw notLayers(at, where);
    return typeof item['class_name'] === 'string'
      ? modernEntry(item, item['class_name'], at)
      : keras0Entry(item, at, where);
  });
}

function modernEntry(item: Json, className: string, path: string): Entry {
  const saved = item['config'];
  const config = isJson(saved) ? saved : {};
  const name = item['name'] ?? config['name'];
  return {
    className,
    name: typeof name === 'string' ? name : undefined,
    config,
    nested: containers.has(className) ? saved : undefined,
    inboundNodes: item['inbound_nodes'],
    isOperation: isOperation(item, className, config),
    path,
  };
}

/**
 * `.keras` files say in which module an operation lives; `.h5` files leave that out, but a layer always has `trainable`
 * in its config but for a few, and an operation never (`dtype` is an argument of some, such as Cast).
 */
function isOperation(item: Json, className: string, config: Json): boolean {
  const { module } = item;
  if (typeof module === 'string') return /^keras\.(src\.)?ops\b/.test(module);
  const nodes = item['inbound_nodes'];
  const isKeras3 = Array.isArray(nodes) && isJson(nodes[0]) && 'args' in nodes[0];
  const isLayer = 'trainable' in config || 'layers' in config || reticent.has(className);
  return isKeras3 && !isLayer;
}

function keras0Entry(item: Json, path: string, where: Where): Entry {
  const { name: className, custom_name: name } = item;
  if (typeof className !== 'string') throw notLayers(path, where);
  return {
    className,
    name: typeof name === 'string' ? name : className.toLowerCase(),
    config: item,
    nested: containers.has(className) ? item : undefined,
    inboundNodes: undefined,
    isOperation: false,
    path,
  };
}

function notLayers(path: string, where: Where): ToolkitError {
  return new ToolkitError('KERAS_CONFIG_INVALID', 'Expected a list of layers with class names', {
    where: { ...where, path },
    hint: 'Check that the architecture was saved by Keras and was not edited by hand.',
  });
}

/**
 * Gives every entry a name of its own: Keras 0 calls all its layers of a class alike.
 *
 * Names that occur once stay; others are numbered from 1 as Keras 1 does ("convolution2d_1").
 */
export function withNames(entries: readonly Entry[]): (Entry & { readonly name: string })[] {
  const wanted = entries.map((entry) => entry.name ?? entry.className.toLowerCase());
  const taken = new Set(wanted);
  const numbers = new Map<string, number>();
  return entries.map((entry, i) => {
    const name = wanted[i] ?? '';
    const isUnique = entry.name !== undefined && wanted.indexOf(name) === wanted.lastIndexOf(name);
    if (isUnique) return { ...entry, name };
    let number = numbers.get(name) ?? 0;
    do number += 1;
    while (taken.has(`${name}_${number}`));
    numbers.set(name, number);
    return { ...entry, name: `${name}_${number}` };
  });
}
