import { existsSync, readFileSync } from 'node:fs';
import { ToolkitError, type Where } from '../errors.ts';
import { recognise } from './architectures.ts';
import { type Json, parseJson } from './config.ts';
import { generationDecision, layerDecisions } from './decisions.ts';
import { type DraftGraph, type DraftLayer, inOrder } from './draft.ts';
import { canonicalWeights, type WeightOrigin } from './forms.ts';
import { draftOf } from './graph.ts';
import { type Hdf5File, openHdf5 } from './h5.ts';
import { decideKernels } from './kernels.ts';
import type { Dialect } from './legacy.ts';
import type {
  Decision,
  Generation,
  KerasGraph,
  KerasLayer,
  KerasModel,
  Kernels,
  Recipe,
} from './model.ts';
import { decideDataFormat } from './ordering.ts';
import { pairWeights } from './pairing.ts';
import { readRecipes } from './recipes.ts';
import { generationOfVersion, readStored, type Stored } from './stored.ts';

/** What a person may say about a file where it does not speak for itself. */
export interface OpenKerasOptions {
  /** Path of an architecture JSON (`model.to_json()`), or the name of a recipe in `models/`. */
  readonly arch?: string | undefined;
  readonly kernels?: Kernels | undefined;
}

/**
 * Opens an HDF5 file that Keras wrote and says what is in it, in Keras 3's words, with every conclusion as a decision.
 *
 * No weight is read, only metadata. The file stays open for its weights: the caller calls `close`.
 * Throws the codes FILE_* and KERAS_*, among them KERAS_ARCHITECTURE_UNKNOWN (weights only, and no recipe fits),
 * KERAS_KERNELS_UNKNOWN, KERAS_WEIGHT_MISSING and KERAS_FILE_UNSAFE.
 */
export async function openKeras(path: string, options: OpenKerasOptions = {}): Promise<KerasModel> {
  const h5 = await openHdf5(path);
  try {
    return modelOf(h5, options);
  } catch (error) {
    h5.close();
    throw error;
  }
}

function modelOf(h5: Hdf5File, options: OpenKerasOptions): KerasModel {
  const { file } = h5;
  const stored = readStored(h5);
  const found = architectureOf(stored, options.arch, file);
  const { dialect } = found;
  const graph = draftOf(found.architecture, dialect, { file: found.file });
  const question = { file, asked: options.kernels, stored, graph };
  const isChannelsFirst = dialect.dataFormat === 'channels_first';
  const { kernels, decisions } = decideKernels({ ...question, isChannelsFirst });
  const version = stored.version ?? dialect.version;
  const origin = { generation: stored.generation, version, kernels };
  const where = { file };
  const pairs = pairWeights(graph, stored, where);
  return {
    file,
    origin: { generation: dialect.generation, version, kernels },
    graph: finished(graph, { pairs, origin, where }),
    recipe: found.recipe,
    decisions: [
      generationDecision(stored),
      ...found.decisions,
      ...decisions,
      ...layerDecisions(graph, { origin, recipe: found.recipe }),
    ],
    close: () => h5.close(),
  };
}

interface Architecture {
  readonly architecture: Json;
  readonly dialect: Dialect;
  /** Where the architecture is written, for errors. */
  readonly file: string;
  readonly recipe?: Recipe | undefined;
  readonly decisions: readonly Decision[];
}

/** What the caller names comes first, then the file's own, then a recipe that fits. */
function architectureOf(stored: Stored, arch: string | undefined, file: string): Architecture {
  if (arch === undefined && stored.architecture) {
    return written(stored.architecture, stored, { file, decisions: [] });
  }
  const recipes = readRecipes();
  const named = recipes.filter((recipe) => recipe.name === arch);
  if (arch !== undefined && named.length === 0) {
    const json = readArchitecture(
      arch,
      recipes.map((recipe) => recipe.name),
    );
    const evidence = `read from ${arch}`;
    const decision = {
      subject: 'architecture',
      value: arch,
      evidence,
      overrule: '--arch FILE|NAME',
    };
    return written(json, stored, { file: arch, decisions: [decision] });
  }
  const { architecture, dataFormat, recipe, decisions } = recognise(
    stored,
    named.length > 0 ? named : recipes,
    file,
  );
  const { generation, version } = stored;
  const dialect = { generation, version, dataFormat };
  return { architecture, dialect, file, recipe, decisions };
}

function written(
  architecture: Json,
  stored: Stored,
  rest: Pick<Architecture, 'file' | 'decisions'>,
): Architecture {
  const stated = architecture['keras_version'];
  const version = typeof stated === 'string' ? stated : stored.version;
  const generation = architectureGeneration(architecture, stated) ?? stored.generation;
  const { dataFormat, decisions } = decideDataFormat(architecture, { generation, version });
  const dialect = { generation, version, dataFormat };
  return { ...rest, architecture, dialect, decisions: [...rest.decisions, ...decisions] };
}

/** An architecture without class names is Keras 0's; others may state their version. */
function architectureGeneration(architecture: Json, stated: unknown): Generation | undefined {
  if (!('class_name' in architecture)) return 'Keras 0';
  return typeof stated === 'string' ? generationOfVersion(stated) : undefined;
}

function readArchitecture(arch: string, recipes: readonly string[]): Json {
  if (existsSync(arch)) return parseJson(readText(arch), { file: arch });
  throw new ToolkitError(
    'FILE_MISSING',
    `There is neither a file nor a known architecture "${arch}"`,
    { where: { file: arch }, hint: `Known architectures: ${recipes.join(', ')}.` },
  );
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new ToolkitError('FILE_UNREADABLE', 'The architecture cannot be read', {
      where: { file: path },
      hint: 'Give the JSON file of model.to_json(), and check its permissions.',
      cause,
    });
  }
}

interface Finishing {
  readonly pairs: ReturnType<typeof pairWeights>;
  readonly origin: WeightOrigin;
  readonly where: Where;
}

/** Gives the layers their weights and puts them in the order in which they can be computed. */
function finished(graph: DraftGraph, finishing: Finishing): KerasGraph {
  const layers = graph.layers.map((layer) => finishedLayer(layer, finishing));
  return { ...graph, layers: inOrder(layers, graph.inputs, finishing.where) };
}

function finishedLayer(layer: DraftLayer, finishing: Finishing): KerasLayer {
  const { pairs, origin } = finishing;
  const { config, weights } = canonicalWeights(layer, pairs.get(layer) ?? [], origin);
  const model = layer.model && finished(layer.model, finishing);
  return { ...layer, config, weights, model };
}
