import type { Where } from '../errors.ts';
import { type ArchitectureOptions, architectureOf } from './architecture.ts';
import { generationDecision, layerDecisions } from './decisions.ts';
import type { DraftGraph, DraftLayer } from './draft.ts';
import { canonicalWeights, type WeightOrigin } from './forms.ts';
import { draftOf } from './graph.ts';
import { decideKernels } from './kernels.ts';
import { isBeforeKeras2 } from './legacy.ts';
import type { KerasGraph, KerasLayer, KerasModel, KerasWeight, Kernels } from './model.ts';
import { pairWeights } from './pairing.ts';
import { dequantized, refuseQuantized } from './quantized.ts';
import { openStorage } from './storage.ts';
import type { Storage } from './stored.ts';
import { inOrder } from './topology.ts';

/** What a person may say about a file where it does not speak for itself. */
export interface OpenKerasOptions extends ArchitectureOptions {
  readonly kernels?: Kernels | undefined;
  /** What `running_std` of Keras 0 and 1 is; without it, Keras 0's is a standard deviation and Keras 1's a variance. */
  readonly bnRunningStd?: 'variance' | 'std' | undefined;
  /** Keras up to 0.2 scaled by 1 − p at inference: gives Dropout of Keras 0 and 1 `legacy_scale: true`. */
  readonly legacyDropoutScale?: boolean | undefined;
}

/**
 * Opens a file that Keras or TensorFlow.js wrote and says what is in it, in Keras 3's words, with every conclusion as a
 * decision.
 *
 * No weight is read, only metadata (members of archives are compared with their checksums). The file stays open for its
 * weights: the caller calls `close`. Throws the codes FILE_* and KERAS_*, among them KERAS_ARCHITECTURE_UNKNOWN (weights
 * only, and no recipe fits), KERAS_KERNELS_UNKNOWN, KERAS_ORDERING_UNKNOWN, KERAS_WEIGHT_MISSING and KERAS_FILE_UNSAFE.
 */
export async function openKeras(path: string, options: OpenKerasOptions = {}): Promise<KerasModel> {
  const storage = await openStorage(path);
  try {
    return await modelOf(storage, options);
  } catch (error) {
    storage.close();
    throw error;
  }
}

async function modelOf(storage: Storage, options: OpenKerasOptions): Promise<KerasModel> {
  const { file, stored } = storage;
  const found = await architectureOf(stored, options, file);
  const { dialect } = found;
  const graph = draftOf(found.architecture, dialect, { file: found.file });
  const question = { file, asked: options.kernels, stored, graph };
  const isChannelsFirst = dialect.dataFormat === 'channels_first';
  const { kernels, decisions } = decideKernels({ ...question, isChannelsFirst });
  const version = stored.version ?? dialect.version;
  const { bnRunningStd: running } = options;
  const origin = { generation: stored.generation, version, kernels, running };
  const where = { file };
  refuseQuantized(graph, where);
  const pairs = pairWeights(graph, stored, where);
  const scaled = options.legacyDropoutScale === true && isBeforeKeras2(dialect.generation);
  return {
    file,
    origin: { generation: dialect.generation, version, kernels },
    graph: finished(graph, { pairs, origin, where, scaled }),
    recipe: found.recipe,
    decisions: [
      generationDecision(stored),
      ...found.decisions,
      ...decisions,
      ...layerDecisions(graph, { origin, recipe: found.recipe, scaled }),
    ],
    close: () => storage.close(),
  };
}

interface Finishing {
  readonly pairs: ReturnType<typeof pairWeights>;
  readonly origin: WeightOrigin;
  readonly where: Where;
  /** Whether Dropout scales at inference. */
  readonly scaled: boolean;
}

/** Gives the layers their weights and puts them in the order in which they can be computed. */
function finished(graph: DraftGraph, finishing: Finishing): KerasGraph {
  const ordered = inOrder(graph.layers, graph, finishing.where);
  return { ...graph, layers: ordered.map((layer) => finishedLayer(layer, finishing)) };
}

function finishedLayer(layer: DraftLayer, finishing: Finishing): KerasLayer {
  const { pairs, origin, scaled } = finishing;
  const own = canonicalWeights(layer, dequantized(layer, pairs.get(layer) ?? []), origin);
  const model = layer.model && finished(layer.model, finishing);
  const wrapped = layer.wrapped?.map((inner) => finishedLayer(inner, finishing));
  const isScaled = scaled && layer.className === 'Dropout';
  const config = isScaled ? { ...own.config, legacy_scale: true } : own.config;
  if (!wrapped) return { ...layer, config, weights: own.weights, model, wrapped };
  return {
    ...layer,
    config: withFinished(config, wrapped[0]),
    weights: [...own.weights, ...wrapped.flatMap(everyWeight)],
    model,
    wrapped,
  };
}

/** `config.layer` says what the wrapped layer's config is after its weights were looked at. */
function withFinished(config: KerasLayer['config'], inner: KerasLayer | undefined): typeof config {
  if (!inner || config['layer'] === undefined) return config;
  return { ...config, layer: { class_name: inner.className, config: inner.config } };
}

function everyWeight(layer: KerasLayer): readonly KerasWeight[] {
  return layer.model ? layer.model.layers.flatMap(everyWeight) : layer.weights;
}
