import { ToolkitError } from '../errors.ts';
import type { Json } from './config.ts';
import { type Fit, fitShapes } from './fit.ts';
import { type DataFormat, isBeforeKeras2, modernClass } from './legacy.ts';
import type { Decision, Recipe } from './model.ts';
import { fitNetwork, type NetworkFit, networkArchitecture } from './networks.ts';
import { describedStored } from './pairing.ts';
import type { ChainRecipe, NetworkRecipe, RecipeFile } from './recipes.ts';
import type { Stored, StoredLayer } from './stored.ts';

/** An architecture made from a recipe for one file. */
interface Recognised {
  readonly architecture: Json;
  readonly dataFormat: DataFormat;
  readonly recipe: Recipe;
  readonly decisions: readonly Decision[];
}

const overrule = '--arch FILE|NAME';

/**
 * Finds the one recipe whose layers and shapes the file has, at whatever widths.
 *
 * Throws KERAS_ARCHITECTURE_UNKNOWN when none fits, or more than one.
 */
export function recognise(
  stored: Stored,
  recipes: readonly RecipeFile[],
  file: string,
): Recognised {
  const tries = recipes.map((recipe) =>
    'top' in recipe ? tryNetwork(stored, recipe) : tryRecipe(stored, recipe),
  );
  const fits = surest(tries.filter((attempt): attempt is Fitted => !('reason' in attempt)));
  const [only] = fits;
  if (only && fits.length === 1) {
    return 'network' in only ? buildNetwork(only) : build(stored, only);
  }
  throw fits.length > 1 ? severalFit(fits, file) : noneFits(stored, tries, file);
}

interface FoundNetwork {
  readonly recipe: NetworkRecipe;
  readonly network: NetworkFit;
}

interface Found {
  readonly recipe: ChainRecipe;
  readonly fit: Fit;
  /** Names for the recipe's layers: the file's own where it names them all. */
  readonly names: readonly string[];
}

type Fitted = Found | FoundNetwork;

/** Networks that share all their layers' names with the file leave no doubt. */
function surest(fits: readonly Fitted[]): readonly Fitted[] {
  const named = fits.filter((fit) => 'network' in fit && fit.network.isByName);
  return named.length > 0 ? named : fits;
}

interface Failed {
  readonly recipe: RecipeFile;
  readonly reason: string;
}

function tryNetwork(stored: Stored, recipe: NetworkRecipe): FoundNetwork | Failed {
  const network = fitNetwork(stored, recipe);
  return 'reason' in network ? { recipe, reason: network.reason } : { recipe, network };
}

function buildNetwork({ recipe, network }: FoundNetwork): Recognised {
  const { name, title, resize, preprocess, input } = recipe;
  const labels = recipe.labels[String(network.classes)];
  const top = network.hasTop ? '' : ', without its top';
  return {
    architecture: networkArchitecture(recipe, network),
    dataFormat: network.dataFormat,
    recipe: { name, title, labels, resize, preprocess },
    decisions: [
      {
        subject: 'architecture',
        value: `${name}: ${title}${top}`,
        evidence: network.evidence,
        overrule,
      },
      {
        subject: 'input size',
        value: `${input.size}x${input.size}`,
        evidence: 'what the network was trained with; its weights do not tell',
        overrule,
      },
    ],
  };
}

/** From Keras 2 on, shapes of kernels do not tell where an image's channels are: recipes are for files before it. */
function tryRecipe(stored: Stored, recipe: ChainRecipe): Found | Failed {
  if (!isBeforeKeras2(stored.generation)) {
    return { recipe, reason: `it is of Keras 0 and 1, the file of ${stored.generation}` };
  }
  const aligned = alignment(stored, recipe);
  if ('reason' in aligned) return { recipe, ...aligned };
  const reasons: string[] = [];
  for (const dataFormat of ['channels_first', 'channels_last'] as const) {
    const fit = fitShapes(recipe, aligned.held, dataFormat);
    if (!('reason' in fit)) return { recipe, fit, names: aligned.names };
    reasons.push(fit.reason);
  }
  return { recipe, reason: reasons[0] ?? '' };
}

interface Alignment {
  /** Stored layer of each recipe layer; undefined for those without weights that the file leaves out. */
  readonly held: readonly (StoredLayer | undefined)[];
  readonly names: readonly string[];
}

/** Layers with weights of a recipe: these classes are all that recipes use. */
const withWeights = new Set(['Conv2D', 'Dense', 'BatchNormalization']);

/** Lines stored layers up with a recipe's: all of them, or those with weights where the file lists no others. */
function alignment(stored: Stored, recipe: ChainRecipe): Alignment | { readonly reason: string } {
  const isWhole =
    stored.layout === 'positions' || stored.layers.some((layer) => layer.weights.length === 0);
  const wanted = recipe.layers.filter((layer) => isWhole || withWeights.has(layer.class));
  if (wanted.length !== stored.layers.length) {
    const unit = isWhole ? 'layers' : 'layers with weights';
    return { reason: `it has ${wanted.length} ${unit}, the file ${stored.layers.length}` };
  }
  for (const [i, layer] of wanted.entries()) {
    const found = otherClass(layer.class, stored.layers[i]);
    if (found !== undefined)
      return { reason: `layer ${i + 1} is ${layer.class}, in the file ${found}` };
  }
  const held = recipe.layers.map((layer) => stored.layers[wanted.indexOf(layer)]);
  const isNamed = isWhole && stored.layout === 'names';
  return { held, names: recipe.layers.map((layer, i) => (isNamed && held[i]?.name) || layer.name) };
}

/** The stored layer in words, when by its name or weights it is not of the class. */
function otherClass(wanted: string, held: StoredLayer | undefined): string | undefined {
  if (!held) return undefined;
  const named = classOfName(held.name);
  if (named !== undefined && named !== wanted) return held.name;
  return withWeights.has(wanted) === held.weights.length > 0 ? undefined : describedStored(held);
}

/** Lower-case class names that Keras numbers for layers without a name of their own. */
const numberedClasses = new Map(
  `Lambda ZeroPadding2D Convolution2D Conv2D MaxPooling2D AveragePooling2D Flatten Dense Dropout
  BatchNormalization Activation GlobalAveragePooling2D GlobalMaxPooling2D InputLayer Merge`
    .split(/\s+/)
    .map((name) => [name.toLowerCase(), modernClass(name, {})]),
);

/** The class that an automatic name such as "convolution2d_3" tells; undefined for names that people gave. */
function classOfName(name: string): string | undefined {
  const match = /^([a-z0-9_]+?)_\d+$/.exec(name);
  return match ? numberedClasses.get((match[1] ?? '').replaceAll('_', '')) : undefined;
}

function build(stored: Stored, { recipe, fit, names }: Found): Recognised {
  const { dataFormat, size, widths } = fit;
  const { channels, pixelsPerCell } = recipe.input;
  const shape = dataFormat === 'channels_first' ? [channels, size, size] : [size, size, channels];
  const layers = recipe.layers.map((layer, i) => ({
    class_name: layer.class,
    config: {
      ...resolved(layer.config, widths),
      name: names[i],
      ...(i === 0 ? { batch_input_shape: [null, ...shape], input_dtype: 'float32' } : {}),
    },
  }));
  const classes = widths.get('$classes');
  const labels = recipe.labels[String(classes)];
  const sizes = [...widths].map(([name, width]) => `${name.slice(1)} ${width}`).join(', ');
  const { name, title, resize, preprocess } = recipe;
  return {
    architecture: { class_name: 'Sequential', config: layers },
    dataFormat,
    recipe: { name, title, labels, resize, preprocess },
    decisions: [
      {
        subject: 'architecture',
        value: `${name}: ${title}`,
        evidence: `the ${stored.layers.length} layers of the file and their shapes fit this recipe alone (${sizes})`,
        overrule,
      },
      {
        subject: 'input size',
        value: `${size}x${size}`,
        evidence: `${fit.evidence}; any size from ${size} to ${size + pixelsPerCell - 1} has the same shapes, and the multiple of ${pixelsPerCell} is taken`,
        overrule,
      },
    ],
  };
}

function resolved(config: Json, widths: ReadonlyMap<string, number>): Json {
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      typeof value === 'string' ? (widths.get(value) ?? value) : value,
    ]),
  );
}

function severalFit(fits: readonly Fitted[], file: string): ToolkitError {
  const names = fits.map(({ recipe }) => `${recipe.name} (${recipe.title})`).join('; ');
  return new ToolkitError(
    'KERAS_ARCHITECTURE_UNKNOWN',
    `The file holds weights only, and more than one architecture fits them: ${names}`,
    { where: { file }, hint: 'Choose one with --arch NAME.' },
  );
}

const shownLayers = 8;

function noneFits(stored: Stored, tries: readonly (Fitted | Failed)[], file: string): ToolkitError {
  const held = stored.layers.filter((layer) => layer.weights.length > 0).map(describedStored);
  const more = held.length > shownLayers ? [`… ${held.length - shownLayers} more`] : [];
  const shown = [...held.slice(0, shownLayers), ...more].map((line) => `    ${line}`).join('\n');
  const reasons = tries.map((attempt) =>
    'reason' in attempt ? `    ${attempt.recipe.name}: ${attempt.reason}` : '',
  );
  const isWhole = stored.architecture !== undefined;
  const what = isWhole
    ? 'The file has an architecture of its own, and its weights do not fit the one that was asked for'
    : 'The file holds weights only, and no known architecture fits them';
  return new ToolkitError(
    'KERAS_ARCHITECTURE_UNKNOWN',
    `${what}. Its layers with weights (${held.length} of ${stored.layers.length}):\n${shown}\n  Known architectures, and where they differ:\n${reasons.join('\n')}`,
    {
      where: { file },
      hint: isWhole
        ? 'Leave out --arch: the file says itself what its layers are.'
        : 'Pass --arch FILE (the JSON of model.to_json()) or --arch NAME of a known architecture.',
    },
  );
}
