import type { TensorSource } from '../tensor.ts';
import type { Hdf5File } from './h5.ts';

/** One object of a `.weights.h5` file: its own variables, and the objects it holds, by the names of its attributes. */
export interface StoredTree {
  /** HDF5 path, such as "/layers/dense". */
  readonly path: string;
  /** The layer's name, which Keras 3.6 and later write beside the variables. */
  readonly name: string | undefined;
  /** In the order of their numbers ("0", "1", …). */
  readonly own: readonly { readonly name: string; readonly source: TensorSource }[];
  readonly children: ReadonlyMap<string, StoredTree>;
}

/** State that is no weight: what random numbers continue from, and what training keeps. */
const noWeights =
  /^(seed_generator|_?random_generator|optimizer|metrics?|_metrics|compile_metrics|loss_tracker)$/;

/** Deeper than any model nests its layers. */
const deepest = 60;

/** Reads the objects of a `.weights.h5` file, or of the parts that a model was cut into. Shapes only. */
export function readTree(parts: readonly Hdf5File[]): StoredTree {
  return treeAt(parts, '', 0);
}

function treeAt(parts: readonly Hdf5File[], path: string, depth: number): StoredTree {
  const children = new Map<string, StoredTree>();
  const own = new Map<string, TensorSource>();
  let name: string | undefined;
  for (const h5 of parts) {
    for (const member of h5.members(path || '/')) {
      const at = `${path}/${member}`;
      if (member === 'vars' || noWeights.test(member) || children.has(member)) continue;
      if (depth < deepest && h5.kind(at) === 'group') {
        const holders = parts.filter((part) => part.kind(at) === 'group');
        children.set(member, treeAt(holders, at, depth + 1));
      }
    }
    const found = addVariables(h5, `${path}/vars`, own);
    name ??= found;
  }
  return {
    path,
    name,
    own: [...own]
      .toSorted(([a], [b]) => Number(a) - Number(b))
      .map(([key, source]) => ({ name: `${path.slice(1)}/vars/${key}`, source })),
    children,
  };
}

/** Adds the variables of one group; returns the layer's name where it is written. */
function addVariables(
  h5: Hdf5File,
  path: string,
  own: Map<string, TensorSource>,
): string | undefined {
  if (h5.kind(path) !== 'group') return undefined;
  for (const key of h5.members(path)) {
    if (/^\d+$/.test(key)) own.set(key, h5.dataset(`${path}/${key}`));
  }
  const name = h5.attribute(path, 'name');
  return typeof name === 'string' ? name : undefined;
}

/** Whether anything under the object holds numbers. */
export function hasWeights(tree: StoredTree): boolean {
  return tree.own.length > 0 || [...tree.children.values()].some(hasWeights);
}

/** All weights under the object. */
export function everyWeight(tree: StoredTree): StoredTree['own'] {
  return [...tree.own, ...[...tree.children.values()].flatMap(everyWeight)];
}

/** The list of layers that a model holds: "layers" in Keras 3 and tf.keras 2.15, the other name before. */
export function layersOf(tree: StoredTree): StoredTree | undefined {
  return tree.children.get('layers') ?? tree.children.get('_layer_checkpoint_dependencies');
}

/** Keras' name for members of a list, by their class. Source: keras/src/utils/naming.py, to_snake_case. */
function snakeCase(className: string): string {
  return className
    .replaceAll(/\W+/g, '')
    .replaceAll(/(.)([A-Z][a-z]+)/g, '$1_$2')
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase();
}

/**
 * The members of a list whose class has this name, in the order in which they were added.
 *
 * The numbers behind the names are not counted on: tf.keras 2.12 and 2.13 counted layers with weights twice.
 */
export function membersOfClass(list: StoredTree, className: string): readonly StoredTree[] {
  const prefix = snakeCase(className);
  return [...list.children]
    .flatMap(([key, tree]) => {
      if (key === prefix) return [{ number: 0, tree }];
      const rest = key.startsWith(`${prefix}_`) ? key.slice(prefix.length + 1) : '';
      return /^\d+$/.test(rest) ? [{ number: Number(rest), tree }] : [];
    })
    .toSorted((a, b) => a.number - b.number)
    .map(({ tree }) => tree);
}
