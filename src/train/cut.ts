import { ToolkitError } from '../errors.ts';
import { type LayerRecord, readCard } from '../onnx/card.ts';
import { neededFor } from '../onnx/edit.ts';
import type { StoredModel, StoredNode } from '../onnx/read.ts';

/** Where a model is cut into a frozen beginning and a head that is made anew. */
export interface FeatureCut {
  /** The value at which it is cut: what it holds for an image are the image's features. */
  readonly at: string;
  /** Features an image, all axes after the first taken together. */
  readonly width: number;
  /** Rate of the Dropout that stood between the features and the layer taken off; 0 where there was none. */
  readonly dropout: number;
  /** What was taken off: names of Keras layers where the model knows them, else of nodes. */
  readonly removed: readonly string[];
  /** The Keras layers that stay, where the model knows its layers. */
  readonly layers: readonly LayerRecord[] | undefined;
}

/**
 * Keras' `model.pop()`, by the graph and not by a list of layers: takes the last dense layer off, with its activation.
 *
 * A Dropout right before it goes too, and its rate is kept for the new head. With `at`, the cut is at that value
 * instead. Throws ONNX_VALUE_UNKNOWN for a value that is not there or whose size is not known, and for a model that
 * does not end in a dense layer.
 */
export function popLayer(model: StoredModel, options: { readonly at?: string } = {}): FeatureCut {
  const layers = readCard(model).layers;
  if (options.at !== undefined) return cutAt(model, options.at, layers);
  const dense = lastDense(model);
  const { at, ratio } = beforeDropout(model, dense.inputs[0] ?? '');
  const width = widthOf(model, dense);
  const end = layers && endOf(layers);
  if (end) return { at, width, dropout: end.rate, removed: end.removed, layers: end.kept };
  return { at, width, dropout: ratio, removed: [dense.name], layers: undefined };
}

/** Rows of the dense layer's kernel. */
function widthOf(model: StoredModel, dense: StoredNode): number {
  const kernel = dense.inputs.map((name) => model.initializers.get(name)).find(Boolean);
  const width = kernel?.shape[dense.attributes.get('transB') === 1 ? 1 : 0];
  if (width === undefined) throw noDense(model, dense);
  return width;
}

/** Operators that may stand between the last dense layer and the output. */
const afterDense: ReadonlySet<string> = new Set([
  'Softmax',
  'LogSoftmax',
  'Sigmoid',
  'Identity',
  'Squeeze',
  'Cast',
]);

function lastDense(model: StoredModel): StoredNode {
  let node = producerOf(model, model.outputs[0]?.name ?? '');
  while (node && afterDense.has(node.op)) node = producerOf(model, node.inputs[0] ?? '');
  if (node?.op === 'Add') {
    const other = node.inputs.find((name) => !model.initializers.has(name)) ?? '';
    node = producerOf(model, other);
  }
  if (!node || !['Gemm', 'MatMul'].includes(node.op)) throw noDense(model, node);
  return node;
}

function producerOf(model: StoredModel, value: string): StoredNode | undefined {
  return model.nodes.find(({ outputs }) => outputs.includes(value));
}

/** The value before any Dropout nodes, as other exporters leave them in a graph, and what they would drop. */
function beforeDropout(
  model: StoredModel,
  value: string,
): { readonly at: string; readonly ratio: number } {
  const node = producerOf(model, value);
  if (node?.op === 'Identity') return beforeDropout(model, node.inputs[0] ?? '');
  if (node?.op !== 'Dropout') return { at: value, ratio: 0 };
  const before = beforeDropout(model, node.inputs[0] ?? '');
  return { at: before.at, ratio: ratioOf(model, node) };
}

/** Dropout's ratio: an attribute up to opset 11, an input after; 0.5 where it is not said. */
function ratioOf(model: StoredModel, node: StoredNode): number {
  const attribute = node.attributes.get('ratio');
  if (typeof attribute === 'number') return attribute;
  const tensor = model.initializers.get(node.inputs[1] ?? '');
  if (!tensor || tensor.dtype !== 'float32') return 0.5;
  const bytes = tensor.read(0, 1);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true);
}

/** The records up to the last Dense, less the Dropouts right before it. */
function endOf(layers: readonly LayerRecord[]):
  | {
      readonly kept: readonly LayerRecord[];
      readonly removed: readonly string[];
      readonly rate: number;
    }
  | undefined {
  const last = layers.findLastIndex((layer) => layer.class === 'Dense');
  if (last < 0) return undefined;
  let first = last;
  while (layers[first - 1]?.class === 'Dropout') first -= 1;
  return {
    kept: layers.slice(0, first),
    removed: layers.slice(first).map(({ name }) => name),
    rate: layers[last - 1]?.class === 'Dropout' ? (layers[last - 1]?.rate ?? 0) : 0,
  };
}

function cutAt(
  model: StoredModel,
  at: string,
  layers: readonly LayerRecord[] | undefined,
): FeatureCut {
  const needed = neededFor(model, [at]);
  const sizes = model.values.get(at)?.shape.slice(1) ?? [];
  const width = sizes.reduce<number>((product, dim) => product * Number(dim), 1);
  if (sizes.length === 0 || !Number.isInteger(width)) {
    throw new ToolkitError('ONNX_VALUE_UNKNOWN', `The size of "${at}" is not known beforehand`, {
      where: { file: model.path },
      hint: 'Cut at a value of a known shape [N, ...], such as the output of a Dense or Flatten layer.',
    });
  }
  const isKept = ({ output }: LayerRecord): boolean => output !== null && needed.values.has(output);
  const last = layers?.findLastIndex(isKept) ?? -1;
  return {
    at,
    width,
    dropout: 0,
    removed: layers
      ? layers.slice(last + 1).map(({ name }) => name)
      : model.nodes.filter((node) => !needed.nodes.has(node)).map(({ name }) => name),
    layers: layers?.slice(0, last + 1),
  };
}

function noDense(model: StoredModel, found: StoredNode | undefined): ToolkitError {
  const end = found ? `its end is computed by ${found.op} ("${found.name}")` : 'its end is not';
  return new ToolkitError(
    'ONNX_VALUE_UNKNOWN',
    `The model should end in a dense layer that can be taken off, but ${end}`,
    {
      where: { file: model.path, node: found?.name },
      hint: 'Say at which value the features are taken: the option "at" (--at).',
    },
  );
}
