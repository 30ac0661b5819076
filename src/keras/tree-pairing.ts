import { ToolkitError, type Where } from '../errors.ts';
import { table } from './config.ts';
import type { DraftGraph, DraftLayer } from './draft.ts';
import { expectedCount } from './expected.ts';
import type { StoredWeights } from './stored.ts';
import { hasWeights, layersOf, membersOfClass, type StoredTree } from './tree.ts';

interface Pairing {
  /** Objects with weights by the layers' names, where the file has them and they are unique. */
  readonly named: ReadonlyMap<string, StoredTree>;
  readonly pairs: Map<DraftLayer, StoredWeights>;
  readonly where: Where;
}

/** Which objects of a `.weights.h5` file belong to which layer. Throws KERAS_WEIGHT_MISSING. */
export function pairTree(
  graph: DraftGraph,
  tree: StoredTree,
  where: Where,
): Map<DraftLayer, StoredWeights> {
  const pairs = new Map<DraftLayer, StoredWeights>();
  pairModel(graph, tree, { pairs, where, named: namedIn(tree) });
  return pairs;
}

function namedIn(tree: StoredTree): ReadonlyMap<string, StoredTree> {
  const named = new Map<string, StoredTree>();
  const twice = new Set<string>();
  const visit = (node: StoredTree): void => {
    if (node.name !== undefined && hasWeights(node)) {
      if (named.has(node.name)) twice.add(node.name);
      named.set(node.name, node);
    }
    for (const child of node.children.values()) visit(child);
  };
  visit(tree);
  for (const name of twice) named.delete(name);
  return named;
}

function pairModel(graph: DraftGraph, tree: StoredTree, pairing: Pairing): void {
  const list = layersOf(tree);
  if (!list) {
    if (graph.layers.every((layer) => expectedCount(layer) === 0)) return;
    throw missing(`The model "${graph.name}" has no layers in the file`, tree.path, pairing);
  }
  for (const layers of byClass(graph.layers).values()) pairClass(layers, list, pairing);
}

function byClass(layers: readonly DraftLayer[]): Map<string, DraftLayer[]> {
  const classes = new Map<string, DraftLayer[]>();
  for (const layer of layers) {
    const className = plainClass(layer);
    classes.set(className, [...(classes.get(className) ?? []), layer]);
  }
  return classes;
}

/** The class without the package it was registered in. */
function plainClass({ savedClassName }: DraftLayer): string {
  return savedClassName.split('>').at(-1) ?? savedClassName;
}

/** Layers of one class, by their names where the file has them, else by their order. */
function pairClass(layers: readonly DraftLayer[], list: StoredTree, pairing: Pairing): void {
  const className = layers[0] ? plainClass(layers[0]) : '';
  const members = membersIn(list, className);
  const named = new Map(members.flatMap((member) => (member.name ? [[member.name, member]] : [])));
  const wanted = layers.filter((layer) => expectedCount(layer) !== 0);
  // A layer that two models share is written once, where Keras comes by it first.
  const treeOf = ({ name }: DraftLayer): StoredTree | undefined =>
    named.get(name) ?? pairing.named.get(name);
  if (wanted.length > 0 && wanted.every(treeOf)) {
    for (const layer of wanted) pairLayer(layer, treeOf(layer), pairing);
    return;
  }
  const held = members.filter(hasWeights);
  const certain = layers.filter((layer) => (expectedCount(layer) ?? 0) > 0);
  const ours = [certain, wanted, layers].find((some) => some.length === held.length);
  if (!ours) {
    const [layer] = wanted;
    throw missing(
      `The architecture has ${wanted.length} layers of class ${className}, the file weights for ${held.length}`,
      list.path,
      { ...pairing, where: { ...pairing.where, layer: layer?.name } },
    );
  }
  ours.forEach((layer, i) => pairLayer(layer, held[i], pairing));
}

/** Classes that a file may call otherwise than the architecture does. */
const otherNames = table<string>({
  Model: 'Functional',
  Functional: 'Model',
  GroupQueryAttention: 'GroupedQueryAttention',
});

function membersIn(list: StoredTree, className: string): readonly StoredTree[] {
  const members = membersOfClass(list, className);
  const other = otherNames[className];
  return members.length > 0 || other === undefined ? members : membersOfClass(list, other);
}

function pairLayer(layer: DraftLayer, tree: StoredTree | undefined, pairing: Pairing): void {
  const inner = { ...pairing, where: { ...pairing.where, layer: layer.name, path: tree?.path } };
  if (!tree) throw missing('The file holds no weights for the layer', '', inner);
  if (layer.model) {
    pairModel(layer.model, tree, inner);
    return;
  }
  pairing.pairs.set(layer, layer.wrapped ? tree.own : flattened(tree));
  if (layer.wrapped) pairWrapped(layer.className, layer.wrapped, { tree, pairing: inner });
}

/** Where wrappers keep what they wrap. Source: layers/rnn/bidirectional.py, core/wrapper.py, rnn/rnn.py. */
function pairWrapped(
  className: string,
  wrapped: readonly DraftLayer[],
  { tree, pairing }: { readonly tree: StoredTree; readonly pairing: Pairing },
): void {
  if (className === 'Bidirectional') {
    const names = ['forward_layer', 'backward_layer'];
    wrapped.forEach((layer, i) => pairLayer(layer, tree.children.get(names[i] ?? ''), pairing));
    return;
  }
  const [only] = wrapped;
  if (className !== 'RNN' || !only) {
    if (only) pairLayer(only, tree.children.get('layer'), pairing);
    return;
  }
  const cell = tree.children.get('cell');
  const cells = cell?.children.get('cells');
  if (!cells) pairLayer(only, cell, pairing);
  else for (const layers of byClass(wrapped).values()) pairClass(layers, cells, pairing);
}

/** Order of what a layer holds, where it is not that of the names. */
const order = ['query_dense', 'key_dense', 'value_dense', 'output_dense'];

/** A layer's own variables and those of the layers in it, in the order of Keras' `layer.weights`. */
function flattened(tree: StoredTree): StoredWeights {
  // oxlint-disable-next-line unicorn/consistent-function-scoping -- read together with what it serves
  const rank = (key: string): number => order.indexOf(key.replace(/^_/, ''));
  const inner = [...tree.children].toSorted(([a], [b]) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return [...tree.own, ...inner.flatMap(([, child]) => flattened(child))];
}

function missing(what: string, path: string, { where }: Pairing): ToolkitError {
  return new ToolkitError('KERAS_WEIGHT_MISSING', what, {
    where: { ...where, path: path || where.path },
    hint: 'These are weights of another architecture: give the one they were saved from with --arch FILE|NAME.',
  });
}
