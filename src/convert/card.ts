import { knownNetwork } from '../keras/applications.ts';
import { ConfigReader } from '../keras/config.ts';
import type { Decision, KerasGraph, KerasLayer, KerasModel } from '../keras/model.ts';
import type { LayerRecord, Preprocess } from '../onnx/card.ts';
import { type Shape, sizeOf, type Value } from '../tensor.ts';
import { type Lambdas, lambdaDoes } from './layers/core/lambda.ts';
import type { DataFormat } from './read.ts';
import { keyOf, type Walked, type WalkedLayer } from './walk.ts';

export type ImageLayout = 'nchw' | 'nhwc';

/** One record a Keras layer, nested ones included, in the order of the walk. */
export function layerRecords(walked: Walked): readonly LayerRecord[] {
  return walked.layers.map((layer) => {
    const rate = layer.keras.config['rate'];
    const order = orderOf(layer, walked);
    return {
      name: layer.name,
      class: layer.keras.className,
      output: outputOf(layer, walked),
      ...(order === undefined ? {} : { order }),
      shape: layer.tensor.shape.map((dim) => (typeof dim === 'number' ? dim : null)),
      parameters: (layer.parameters?.values ?? []).map(({ name, shape }) => ({
        name,
        shape: shape.map(Number),
      })),
      ...countOf(layer),
      ...(layer.keras.className === 'Dropout' && typeof rate === 'number' ? { rate } : {}),
    };
  });
}

/** Recurrent operators want zeros for biases that Keras does not have. */
function countOf({ keras, parameters }: WalkedLayer): Pick<LayerRecord, 'count'> {
  const held = sum((parameters?.values ?? []).map(({ shape }) => sizeOf(shape.map(Number))));
  const count = sum(keras.weights.map(({ source }) => sizeOf(source.shape)));
  return held === 0 || held === count ? {} : { count };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** How the value of a layer lies, where not as Keras has it; values that are outputs always do. */
function orderOf({ name, tensor }: WalkedLayer, { outputs }: Walked): LayerRecord['order'] {
  if (outputs.has(keyOf({ layer: name, node: 0, tensor: 0 }))) return undefined;
  switch (tensor.layout.kind) {
    case 'keras':
    case 'perStep':
    case 'directions':
      return undefined;
    case 'channelsFirst':
      return 'channels_first';
    case 'timeFirst':
      return 'time_first';
    case 'flat':
      return [...tensor.layout.from];
  }
}

function outputOf({ name, tensor }: WalkedLayer, { outputs, layouts }: Walked): string | null {
  const exported = outputs.get(keyOf({ layer: name, node: 0, tensor: 0 }));
  if (exported) return exported.name;
  if (tensor.pending) return layouts.padNodes.get(tensor.pending.layer)?.name ?? null;
  const isPassing = tensor.layout.kind === 'perStep' || tensor.layout.kind === 'directions';
  return isPassing ? null : tensor.value.name;
}

/** Where the channels of a model's images are: what its first layer that says so says, else what the shape suggests. */
export function imageLayoutOf(graph: KerasGraph, shape: readonly (number | null)[]): ImageLayout {
  const said = dataFormatIn(graph);
  if (said) return said === 'channels_first' ? 'nchw' : 'nhwc';
  return isColour(shape[0]) && !isColour(shape.at(-1)) ? 'nchw' : 'nhwc';
}

function isColour(channels: number | null | undefined): boolean {
  return channels === 1 || channels === 3;
}

function dataFormatIn(graph: KerasGraph): DataFormat | undefined {
  for (const layer of graph.layers) {
    const said = layer.config['data_format'];
    if (said === 'channels_first' || said === 'channels_last') return said;
    const within = layer.model && dataFormatIn(layer.model);
    if (within) return within;
  }
  return undefined;
}

/**
 * How pixels become the model's input, for models that take one image; `undefined` for others.
 *
 * `shape` is the input's shape as it is exposed, in the layout `layout`.
 */
export function preprocessOf(
  model: KerasModel,
  input: Value,
  {
    layout,
    lambdas,
    mode: asked,
  }: {
    readonly layout: ImageLayout;
    readonly lambdas: Lambdas;
    readonly mode?: Preprocess['mode'] | undefined;
  },
): Preprocess | undefined {
  const image = imageOf(input.shape, layout);
  if (!image || model.graph.inputs.length !== 1) return undefined;
  const { generation } = model.origin;
  const within = beforeKernels(model.graph).flatMap((keras) => describe(keras, lambdas));
  const known = knownMode(model, within);
  const mode = asked ?? known ?? 'none';
  const isBilinear = generation === 'tf.keras' || generation === 'Keras 3';
  return {
    size: [image.height, image.width],
    resize: model.recipe?.resize ?? (isBilinear ? 'bilinear' : 'nearest'),
    layout,
    color: colorOf(image.channels, mode),
    mode,
    ...(asked === undefined && known === undefined ? { assumed: true } : {}),
    inGraph: within.map(({ words }) => words).join(', '),
  };
}

/** TensorFlow 1.15 to 2.3 wrote the node of a kernel as JSON in a text. */
function kernelIn(node: unknown): string | undefined {
  const text = typeof node === 'string' ? node : JSON.stringify(node ?? '');
  return /"op":\s*"(\w+)"/.exec(text)?.[1];
}

/** What is left to do where the layers do it themselves, or the network is a published one; `undefined` without evidence. */
function knownMode(model: KerasModel, within: readonly Doing[]): Preprocess['mode'] | undefined {
  // A network that came without layers has those of its recipe, which knows what they do.
  if (!model.recipe && within.some(({ isScaling }) => isScaling)) return 'none';
  return knownNetwork(model)?.preprocess;
}

/** Caffe's networks were trained on BGR. Source: keras/src/applications/imagenet_utils.py. */
function colorOf(channels: number, mode: Preprocess['mode']): Preprocess['color'] {
  if (channels === 1) return 'gray';
  return mode === 'caffe' ? 'bgr' : 'rgb';
}

/** What was concluded about the pixels of a model that takes images, where its own layers do not say it. */
export function preprocessDecision(
  model: KerasModel,
  preprocess: Preprocess | undefined,
  asked: Preprocess['mode'] | undefined,
): readonly Decision[] {
  if (!preprocess) return [];
  const { mode, color, assumed, inGraph } = preprocess;
  if (inGraph !== '' && mode === 'none' && assumed !== true) return [];
  const concluded =
    assumed === true
      ? 'it is assumed: the file does not say what was done to pixels before the first layer'
      : (knownNetwork(model)?.evidence ?? '');
  const evidence = asked === undefined ? concluded : 'as asked';
  return [
    {
      subject: 'preprocessing of pictures',
      value: `${mode}, ${color === 'gray' ? color : color.toUpperCase()} of 0 to 255`,
      evidence,
      overrule: '--preprocess none|caffe|tf|torch',
    },
  ];
}

/** What to tell a person whose model may be given pixels that it was not trained on. */
export function preprocessWarnings(preprocess: Preprocess | undefined): readonly string[] {
  if (preprocess?.assumed !== true) return [];
  return [
    'Nothing says what was done to pixels before the first layer: they are assumed to go in as they are, 0 to 255. ' +
      'If the model was trained on others, its predictions will be wrong: say it with --preprocess tf (x/127.5 - 1), ' +
      'caffe, torch, or none to confirm',
  ];
}

function imageOf(
  shape: Shape,
  layout: ImageLayout,
): { readonly height: number; readonly width: number; readonly channels: number } | undefined {
  if (shape.length !== 4) return undefined;
  const [channels, height, width] =
    layout === 'nchw' ? shape.slice(1) : [shape[3], shape[1], shape[2]];
  if (channels !== 1 && channels !== 3) return undefined;
  if (typeof height !== 'number' || typeof width !== 'number') return undefined;
  return { height, width, channels };
}

/** The layers that pixels pass before the first one that was trained on them, nested ones included. */
function beforeKernels(graph: KerasGraph): readonly KerasLayer[] {
  const layers = everyLayer(graph);
  const first = layers.findIndex(
    ({ weights, className }) => weights.length > 0 && !className.endsWith('Normalization'),
  );
  return first < 0 ? layers : layers.slice(0, first);
}

function everyLayer({ layers }: KerasGraph): readonly KerasLayer[] {
  return layers.flatMap((layer) => (layer.model ? everyLayer(layer.model) : [layer]));
}

interface Doing {
  readonly words: string;
  /** Whether it changes what the numbers of pixels mean, and so is what was done to them in training. */
  readonly isScaling: boolean;
}

/** What a layer does to pixels, for layers that are there for nothing else. */
function describe(layer: KerasLayer, lambdas: Lambdas): readonly Doing[] {
  const { className, config, name } = layer;
  switch (className) {
    case 'Lambda': {
      const does = lambdaDoes(new ConfigReader(config, { layer: name }), name, lambdas);
      return does === undefined ? [] : [{ words: does, isScaling: true }];
    }
    case 'Rescaling': {
      const { scale, offset } = config;
      const words = `rescaling by ${JSON.stringify(scale)}, ${JSON.stringify(offset)}`;
      return [{ words, isScaling: true }];
    }
    case 'Normalization':
      return [{ words: 'normalization', isScaling: true }];
    case 'Resizing': {
      const words = `resizing to ${JSON.stringify([config['height'], config['width']])}`;
      return [{ words, isScaling: false }];
    }
    default:
      return arithmetic(layer);
  }
}

/** `preprocess_input` called within a model became nodes of its own. */
function arithmetic({ className, config }: KerasLayer): readonly Doing[] {
  const isOperation = /^(ops\.|TFOpLambda$|TensorFlowOpLayer$)/.test(className);
  const called = config['function'];
  const words = typeof called === 'string' ? called : (kernelIn(config['node_def']) ?? className);
  if (!isOperation || !/div|mul|sub|add/i.test(words)) return [];
  return [{ words, isScaling: true }];
}
