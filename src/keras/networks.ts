import type { Json } from './config.ts';
import { type DataFormat, isBeforeKeras2 } from './legacy.ts';
import type { NetworkRecipe } from './recipes.ts';
import type { Stored, StoredLayer } from './stored.ts';

type NetworkLayer = NetworkRecipe['layers'][number];

/** How a file's weights are those of a network, whole or without its top. */
export interface NetworkFit {
  readonly dataFormat: DataFormat;
  readonly hasTop: boolean;
  readonly classes: number | undefined;
  /** The file's names of the layers, where they are not the recipe's. */
  readonly names: ReadonlyMap<string, string>;
  readonly isByName: boolean;
  readonly evidence: string;
}

/** Compares a file's layers with a network's, by names where they are all there, else by order; a reason where they part. */
export function fitNetwork(
  stored: Stored,
  recipe: NetworkRecipe,
): NetworkFit | { readonly reason: string } {
  if (stored.layout === 'positions') return { reason: 'it is of Keras 1 and later' };
  const held = stored.layers.filter((layer) => layer.weights.length > 0);
  const whole = weighted(recipe, true);
  const hasTop = held.length === whole.length;
  const wanted = hasTop ? whole : weighted(recipe, false);
  if (wanted.length !== held.length) {
    return {
      reason: `it has ${whole.length} layers with weights (${wanted.length} without its top), the file ${held.length}`,
    };
  }
  const lined = linedUp(wanted, { stored, held, recipe, hasTop });
  if ('reason' in lined) return lined;
  return fitShapes(wanted, lined, { stored, hasTop });
}

function weighted(recipe: NetworkRecipe, hasTop: boolean): readonly NetworkLayer[] {
  const top = new Set(hasTop ? [] : recipe.top);
  return recipe.layers.filter((layer) => layer.weights && !top.has(layer.name));
}

interface Lined {
  readonly layers: readonly StoredLayer[];
  readonly isByName: boolean;
}

interface Candidate {
  readonly stored: Stored;
  readonly held: readonly StoredLayer[];
  readonly recipe: NetworkRecipe;
  readonly hasTop: boolean;
}

function linedUp(
  wanted: readonly NetworkLayer[],
  { stored, held, recipe, hasTop }: Candidate,
): Lined | { readonly reason: string } {
  const named = byNames(wanted, held);
  if (named) return { layers: named, isByName: true };
  const names = new Set(held.map(({ name }) => plain(name)));
  const missing = wanted.find((layer) => !names.has(plain(layer.name)))?.name ?? '';
  const isWhole = stored.layers.length > held.length;
  const all = recipe.layers.length + 1 - (hasTop ? 0 : recipe.top.length);
  // Names that Keras counted up differ from session to session; then all layers must be there to be told apart.
  if (stored.layout !== 'names' || !isWhole || stored.layers.length !== all) {
    return { reason: `it has a layer "${missing}", the file does not` };
  }
  return { layers: held, isByName: false };
}

/** Names with "/" have "_" since Keras 3. */
function plain(name: string): string {
  return name.replaceAll('/', '_');
}

/** A network's names changed here and there between versions ("Logits", "predictions"): so many may differ, one in … */
const strangers = 20;

/** Stored layers in the recipe's order by their names; the few that have others in the file's order. */
function byNames(
  wanted: readonly NetworkLayer[],
  held: readonly StoredLayer[],
): readonly StoredLayer[] | undefined {
  const found = new Map(held.map((layer) => [plain(layer.name), layer]));
  const names = new Set(wanted.map((layer) => plain(layer.name)));
  const others = held.filter((layer) => !names.has(plain(layer.name)));
  if (others.length * strangers > held.length) return undefined;
  let next = 0;
  const result = wanted.flatMap((layer) => found.get(plain(layer.name)) ?? others[next++] ?? []);
  return result.length === wanted.length ? result : undefined;
}

function fitShapes(
  wanted: readonly NetworkLayer[],
  { layers, isByName }: Lined,
  { stored, hasTop }: { readonly stored: Stored; readonly hasTop: boolean },
): NetworkFit | { readonly reason: string } {
  const formats: readonly DataFormat[] = isBeforeKeras2(stored.generation)
    ? ['channels_last', 'channels_first']
    : ['channels_last'];
  let reason = '';
  for (const dataFormat of formats) {
    const sizes = new Map<string, number>();
    const at = wanted.findIndex((layer, i) => !isSame(layer, layers[i], { dataFormat, sizes }));
    if (at < 0) {
      const names = new Map(
        wanted.map((layer, i) => [layer.name, layers[i]?.name ?? layer.name] as const),
      );
      const evidence = `the ${layers.length} layers with weights have its ${isByName ? 'names and shapes' : 'order and shapes'}${hasTop ? '' : ', without its top'}`;
      return { dataFormat, hasTop, classes: sizes.get('$classes'), names, isByName, evidence };
    }
    reason ||= difference(wanted[at], layers[at]);
  }
  return { reason };
}

function difference(layer: NetworkLayer | undefined, held: StoredLayer | undefined): string {
  const shapes = held?.weights.map(({ source }) => `[${source.shape.join(', ')}]`).join(' and ');
  const needs = layer?.weights?.map((shape) => `[${shape.join(', ')}]`).join(' and ');
  return `${layer?.name} (${layer?.class}) needs ${needs}, the file has ${shapes}`;
}

interface Shapes {
  readonly dataFormat: DataFormat;
  /** Values of sizes that the recipe leaves open. */
  readonly sizes: Map<string, number>;
}

/** Networks with these were published in tf ordering only. */
const tfOnly = new Set(['DepthwiseConv2D', 'SeparableConv2D']);

function isSame(
  layer: NetworkLayer,
  held: StoredLayer | undefined,
  { dataFormat, sizes }: Shapes,
): boolean {
  const { weights = [] } = layer;
  const isFirst = dataFormat === 'channels_first';
  if (!held || held.weights.length !== weights.length) return false;
  if (isFirst && tfOnly.has(layer.class)) return false;
  return weights.every((shape, i) => {
    const [rows, columns, stack, filters] = shape;
    const isKernel = isFirst && layer.class === 'Conv2D' && shape.length === 4;
    const old = isKernel ? [filters, stack, rows, columns] : shape;
    const found = held.weights[i]?.source.shape ?? [];
    return old.length === found.length && old.every((dim, k) => isDim(dim, found[k], sizes));
  });
}

function isDim(
  wanted: number | string | undefined,
  found: number | undefined,
  sizes: Map<string, number>,
): boolean {
  if (typeof wanted !== 'string' || found === undefined) return wanted === found;
  const known = sizes.get(wanted) ?? found;
  sizes.set(wanted, known);
  return known === found;
}

/** The architecture of a network as Keras 2 writes it, with the file's names. */
export function networkArchitecture(
  recipe: NetworkRecipe,
  { dataFormat, hasTop, classes, names }: NetworkFit,
): Json {
  const { channels, size } = recipe.input;
  const shape = dataFormat === 'channels_first' ? [channels, size, size] : [size, size, channels];
  const top = new Set(hasTop ? [] : recipe.top);
  const nameOf = (name: string): string => names.get(name) ?? name;
  const words = new Map<unknown, unknown>([
    ['$channels', dataFormat === 'channels_first' ? 1 : -1],
    ['$classes', classes],
  ]);
  let before = 'input';
  const layers: Json[] = [];
  for (const layer of recipe.layers.filter(({ name }) => !top.has(name))) {
    const name = nameOf(layer.name);
    const inputs = layer.inputs?.map(nameOf) ?? [before];
    layers.push({
      name,
      class_name: layer.class,
      config: { ...filled(layer.config ?? {}, words), name },
      inbound_nodes: [inputs.map((input) => [input, 0, 0, {}])],
    });
    before = name;
  }
  const input = { batch_input_shape: [null, ...shape], dtype: 'float32', name: 'input' };
  return {
    class_name: 'Functional',
    config: {
      name: recipe.name,
      layers: [
        { name: 'input', class_name: 'InputLayer', config: input, inbound_nodes: [] },
        ...layers,
      ],
      input_layers: [['input', 0, 0]],
      output_layers: [[before, 0, 0]],
    },
  };
}

function filled(config: Json, words: ReadonlyMap<unknown, unknown>): Json {
  const word = (value: unknown): unknown => (words.has(value) ? words.get(value) : value);
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      Array.isArray(value) ? value.map(word) : word(value),
    ]),
  );
}
