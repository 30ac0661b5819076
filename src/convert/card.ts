import { ConfigReader } from '../keras/config.ts';
import type { Decision, KerasGraph, KerasLayer, KerasModel } from '../keras/model.ts';
import type { LayerRecord, Preprocess } from '../onnx/card.ts';
import type { Shape, Value } from '../tensor.ts';
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
      ...(layer.keras.className === 'Dropout' && typeof rate === 'number' ? { rate } : {}),
    };
  });
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
    mode = model.recipe?.preprocess ?? 'none',
  }: {
    readonly layout: ImageLayout;
    readonly lambdas: Lambdas;
    readonly mode?: Preprocess['mode'] | undefined;
  },
): Preprocess | undefined {
  const image = imageOf(input.shape, layout);
  if (!image || model.graph.inputs.length !== 1) return undefined;
  const generation = model.origin.generation;
  const isBilinear = generation === 'tf.keras' || generation === 'Keras 3';
  return {
    size: [image.height, image.width],
    resize: model.recipe?.resize ?? (isBilinear ? 'bilinear' : 'nearest'),
    layout,
    color: colorOf(image.channels, mode),
    mode,
    inGraph: model.graph.layers.flatMap((keras) => describe(keras, lambdas)).join(', '),
  };
}

/** Caffe's networks were trained on BGR. Source: keras/src/applications/imagenet_utils.py. */
function colorOf(channels: number, mode: Preprocess['mode']): Preprocess['color'] {
  if (channels === 1) return 'gray';
  return mode === 'caffe' ? 'bgr' : 'rgb';
}

/** What was concluded about the pixels of a model that takes images, where its own layers do not say it. */
export function preprocessDecision(
  { recipe }: KerasModel,
  preprocess: Preprocess | undefined,
  asked: Preprocess['mode'] | undefined,
): readonly Decision[] {
  if (!preprocess || preprocess.inGraph !== '') return [];
  const { mode, color } = preprocess;
  const fromRecipe =
    recipe?.preprocess === undefined ? undefined : `the recipe ${recipe.name} says so`;
  const evidence =
    asked === undefined
      ? (fromRecipe ?? 'the file does not say what was done to pixels before the first layer')
      : 'as asked';
  return [
    {
      subject: 'preprocessing of pictures',
      value: `${mode}, ${color === 'gray' ? color : color.toUpperCase()} of 0 to 255`,
      evidence,
      overrule: '--preprocess none|caffe|tf|torch',
    },
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

/** What a layer does to pixels, for layers that are there for nothing else. */
function describe(layer: KerasLayer, lambdas: Lambdas): readonly string[] {
  const { className, config, name } = layer;
  switch (className) {
    case 'Lambda': {
      const does = lambdaDoes(new ConfigReader(config, { layer: name }), name, lambdas);
      return does === undefined ? [] : [does];
    }
    case 'Rescaling':
      return [
        `rescaling by ${JSON.stringify(config['scale'])}, ${JSON.stringify(config['offset'])}`,
      ];
    case 'Normalization':
      return ['normalization'];
    case 'Resizing':
      return [`resizing to ${JSON.stringify([config['height'], config['width']])}`];
    default:
      return [];
  }
}
