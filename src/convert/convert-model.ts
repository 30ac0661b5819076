import type { Decision, KerasModel } from '../keras/model.ts';
import type { ModelCard } from '../onnx/card.ts';
import { GraphBuilder } from '../onnx/graph.ts';
import { sizeOf, type Value } from '../tensor.ts';
import { type ImageLayout, imageLayoutOf, layerRecords, preprocessOf } from './card.ts';
import { checkLayers } from './check.ts';
import { classesOf } from './classes.ts';
import { inputTensors } from './inputs.ts';
import { wantedOutputs } from './outputs.ts';
import { walkModel } from './walk.ts';

/** What can be asked of a conversion besides the model itself. */
export interface ModelOptions {
  /** Names of layers whose results become outputs too, after the model's own. */
  readonly features?: readonly string[] | undefined;
  /** Layout of image inputs; the Keras model's own where it is left open. */
  readonly inputLayout?: ImageLayout | undefined;
  /** Names of the classes, in the order of the output. */
  readonly classes?: readonly string[] | undefined;
}

/** A Keras model as an ONNX graph. The graph reads its weights from the Keras file, which must stay open. */
export interface Converted {
  readonly graph: GraphBuilder;
  readonly card: ModelCard;
  readonly decisions: readonly Decision[];
  readonly layers: number;
  /** Numbers in all weights, as Keras counts them. */
  readonly parameters: number;
  readonly nodes: number;
}

/**
 * Builds the ONNX graph of a Keras model. Reads no weights and writes nothing.
 *
 * Throws KERAS_LAYER_UNSUPPORTED (one error for all layers), KERAS_CONFIG_INVALID, KERAS_WEIGHT_SHAPE,
 * KERAS_WEIGHT_MISSING, ONNX_VALUE_UNKNOWN for a feature that is no layer, OPTION_INVALID.
 */
export function convertModel(model: KerasModel, options: ModelOptions = {}): Converted {
  checkLayers(model);
  const wanted = wantedOutputs(model, options.features ?? []);
  const graph = new GraphBuilder();
  const layout = options.inputLayout;
  const inputs = inputTensors(model.graph, graph, layout);
  const walked = walkModel(model, graph, { inputs, wanted: new Set(wanted.keys) });
  for (const output of exposed(graph, wanted.keys, walked.outputs)) graph.output(output);
  const layers = layerRecords(walked);
  return {
    graph,
    card: {
      classes: classesOf(model, graph.outputs, options.classes),
      preprocess: cardPreprocess(model, graph, layout),
      layers: [...layers],
    },
    decisions: model.decisions,
    layers: layers.length,
    parameters: parametersOf(walked.layers.map(({ keras }) => keras.weights)),
    nodes: graph.nodes.length,
  };
}

/** One value for each output, in order; one that is named twice gets a copy of its own. */
function exposed(
  graph: GraphBuilder,
  keys: readonly string[],
  values: ReadonlyMap<string, Value>,
): readonly Value[] {
  const used = new Set<Value>();
  return keys.map((key) => {
    const value = values.get(key);
    if (!value) throw new Error(`Bug: no value for the output "${key}"`);
    const own = used.has(value) ? graph.rename(graph.add('Identity', [value]), value.name) : value;
    used.add(value);
    return own;
  });
}

function cardPreprocess(
  model: KerasModel,
  graph: GraphBuilder,
  layout: ImageLayout | undefined,
): ModelCard['preprocess'] {
  const [input] = graph.inputs;
  const [first] = model.graph.inputs;
  if (!input || !first) return undefined;
  return preprocessOf(model, input, layout ?? imageLayoutOf(model.graph, first.shape));
}

function parametersOf(
  weights: readonly KerasModel['graph']['layers'][number]['weights'][],
): number {
  return weights.flat().reduce((sum, { source }) => sum + sizeOf(source.shape), 0);
}
