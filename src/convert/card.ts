import { ConfigReader } from '../keras/config.ts';
import type { KerasGraph, KerasLayer, KerasModel } from '../keras/model.ts';
import type { LayerRecord, Preprocess } from '../onnx/card.ts';
import type { Shape, Value } from '../tensor.ts';
import { lambdaDoes } from './layers/lambda.ts';
import type { DataFormat } from './read.ts';
import { keyOf, type Walked, type WalkedLayer } from './walk.ts';

export type ImageLayout = 'nchw' | 'nhwc';

/** One record a Keras layer, nested ones included, in the order of the walk. */
export function layerRecords(walked: Walked): readonly LayerRecord[] {
  return walked.layers.map((layer) => {
    const rate = layer.keras.config['rate'];
    return {
      name: layer.name,
      class: layer.keras.className,
      output: outputOf(layer, walked),
      shape: layer.tensor.shape.map((dim) => (typeof dim === 'number' ? dim : null)),
      parameters: (layer.parameters?.values ?? []).map(({ name, shape }) => ({
        name,
        shape: shape.map(Number),
      })),
      ...(layer.keras.className === 'Dropout' && typeof rate === 'number' ? { rate } : {}),
    };
  });
}

function outputOf({ name, tensor }: WalkedLayer, { outputs, layouts }: Walked): string | null {
  const exported = outputs.get(keyOf({ layer: name, node: 0, tensor: 0 }));
  if (exported) return exported.name;
  if (tensor.pending) return layouts.padNodes.get(tensor.pending.layer)?.name ?? null;
  return tensor.value.name;
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
  layout: ImageLayout,
): Preprocess | undefined {
  const image = imageOf(input.shape, layout);
  if (!image || model.graph.inputs.length !== 1) return undefined;
  const generation = model.origin.generation;
  const isBilinear = generation === 'tf.keras' || generation === 'Keras 3';
  return {
    size: [image.height, image.width],
    resize: model.recipe?.resize ?? (isBilinear ? 'bilinear' : 'nearest'),
    layout,
    color: image.channels === 1 ? 'gray' : 'rgb',
    mode: 'none',
    inGraph: model.graph.layers.flatMap(describe).join(', '),
  };
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

function describe(layer: KerasLayer): readonly string[] {
  if (layer.className !== 'Lambda') return [];
  const does = lambdaDoes(new ConfigReader(layer.config, { layer: layer.name }));
  return does === undefined ? [] : [does];
}
