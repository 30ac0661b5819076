import { ToolkitError } from '../errors.ts';
import type { Decision, KerasLayer, KerasModel } from '../keras/model.ts';
import type { LayerRecord, ModelCard, Preprocess } from '../onnx/card.ts';
import { GraphBuilder } from '../onnx/graph.ts';
import { sizeOf, type Value } from '../tensor.ts';
import {
  type ImageLayout,
  imageLayoutOf,
  layerRecords,
  preprocessDecision,
  preprocessOf,
  preprocessWarnings,
} from './card.ts';
import { checkLambdas, checkLayers } from './check.ts';
import { classesOf } from './classes.ts';
import { foldNormalizations } from './fold.ts';
import { inputTensors } from './inputs.ts';
import type { Layer } from './layer.ts';
import { lambdaRule } from './layers/core/lambda.ts';
import { layerNamed } from './layers/index.ts';
import { wantedOutputs } from './outputs.ts';
import { type Rules, walkModel } from './walk.ts';

/** What can be asked of a conversion besides the model itself. */
export interface ModelOptions {
  /** Names of layers whose results become outputs too, after the model's own. */
  readonly features?: readonly string[] | undefined;
  /** Layout of image inputs; the Keras model's own where it is left open. */
  readonly inputLayout?: ImageLayout | undefined;
  /** Names of the classes, in the order of the output. */
  readonly classes?: readonly string[] | undefined;
  /**
   * What is done to pixels of 0 to 255 before the model, in Keras' words; for the model card, since the graph has none
   * of it. Where it is left open, that of the network which the
   * model is known to be, else none, with a warning.
   */
  readonly preprocess?: Preprocess['mode'] | undefined;
  /** What Lambda layers compute: names of presets, by the names of the layers or of their functions. */
  readonly lambdas?: Readonly<Record<string, string>> | undefined;
  /** Rules for layer classes of one's own, made with `defineLayer`; they come before the built-in ones. */
  readonly layers?: readonly Layer[] | undefined;
}

/** A Keras model as an ONNX graph. The graph reads its weights from the Keras file, which must stay open. */
export interface Converted {
  readonly graph: GraphBuilder;
  readonly card: ModelCard;
  readonly decisions: readonly Decision[];
  /** What the file leaves open, such as windows that TensorFlow places in two ways. */
  readonly warnings: readonly string[];
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
  checkPreprocess(options.preprocess);
  const rules = rulesOf(options);
  checkLayers(model, rules);
  checkLambdas(model, options.lambdas ?? {});
  const wanted = wantedOutputs(model, options.features ?? []);
  const graph = new GraphBuilder();
  const layout = options.inputLayout;
  const inputs = inputTensors(model.graph, graph, layout);
  const walked = walkModel(model, graph, {
    inputs,
    wanted: new Set(wanted.keys),
    rules,
  });
  for (const output of exposed(graph, wanted.keys, walked.outputs)) graph.output(output);
  const preprocess = cardPreprocess(model, graph, options);
  const classes = classesOf(model, graph.outputs, options.classes);
  const gone = foldNormalizations(graph);
  const layers = layerRecords(walked).map((layer) => afterFolding(layer, gone, graph));
  return {
    graph,
    card: {
      classes: classes.names,
      preprocess,
      layers,
    },
    decisions: [
      ...model.decisions,
      ...preprocessDecision(model, preprocess, options.preprocess),
      ...classes.decisions,
    ],
    warnings: [...walked.warnings, ...preprocessWarnings(preprocess)],
    layers: layers.length,
    parameters: parametersOf(walked.layers.map(({ keras }) => ownWeights(keras))),
    nodes: graph.nodes.length,
  };
}

/** A layer whose value or weights went into others has none. */
function afterFolding(
  layer: LayerRecord,
  gone: ReadonlyMap<string, Value>,
  { initializers }: GraphBuilder,
): LayerRecord {
  const parameters = layer.parameters.filter(({ name }) => initializers.has(name));
  const bias = gone.get(layer.output ?? '');
  if (!bias) return { ...layer, parameters };
  const others = parameters.filter(({ name }) => name !== bias.name);
  const added = { name: bias.name, shape: bias.shape.map(Number) };
  return { ...layer, parameters: [...others, added], output: null, order: undefined };
}

/** The rules of the table, after those that the user gives. A registered class is "Package>Name". */
function rulesOf({ layers = [], lambdas = {} }: ModelOptions): Rules {
  const given = new Map(
    layers.flatMap((layer) => layer.keras.map((name) => [name, layer] as const)),
  );
  const lambda = lambdaRule(lambdas);
  return (className) =>
    given.get(className) ??
    given.get(className.split('>').at(-1) ?? '') ??
    (className === 'Lambda' ? lambda : layerNamed(className));
}

/** The weights of a model that is wrapped are counted with its layers. */
function ownWeights({ weights, wrapped = [] }: KerasLayer): KerasLayer['weights'] {
  return wrapped.some(({ model }) => model) ? [] : weights;
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
  { inputLayout, lambdas = {}, preprocess }: ModelOptions,
): ModelCard['preprocess'] {
  const [input] = graph.inputs;
  const [first] = model.graph.inputs;
  if (!input || !first) return undefined;
  const layout = inputLayout ?? imageLayoutOf(model.graph, first.shape);
  return preprocessOf(model, input, { layout, lambdas, mode: preprocess });
}

function parametersOf(
  weights: readonly KerasModel['graph']['layers'][number]['weights'][],
): number {
  return weights.flat().reduce((sum, { source }) => sum + sizeOf(source.shape), 0);
}

/** JavaScript may give anything, such as what `loadModel` takes; the card would hold it, and could not be read. */
function checkPreprocess(mode: unknown): void {
  if (mode === undefined || preprocessModes.some((each) => each === mode)) return;
  throw new ToolkitError(
    'OPTION_INVALID',
    `"preprocess" should be one of ${preprocessModes.join(', ')}, but is ${JSON.stringify(mode)}`,
    {
      hint: 'Give the word alone: { preprocess: "tf" }. The size and the colours follow from the model.',
    },
  );
}

const preprocessModes: readonly Preprocess['mode'][] = ['none', 'caffe', 'tf', 'torch'];
