import type { KerasGraph, KerasInput } from '../keras/model.ts';
import type { GraphBuilder } from '../onnx/graph.ts';
import type { Dim, DType } from '../tensor.ts';
import { type ImageLayout, imageLayoutOf } from './card.ts';
import { channelsFirstTensor, type KerasTensor, kerasTensor } from './layout.ts';

/** Declares the model's inputs: its own names, order, shapes and layout, or images in the layout asked for. */
export function inputTensors(
  keras: KerasGraph,
  graph: GraphBuilder,
  layout: ImageLayout | undefined,
): readonly KerasTensor[] {
  return keras.inputs.map((input) => {
    const own = imageLayoutOf(keras, input.shape);
    const isMoved = input.shape.length === 3 && layout !== undefined && layout !== own;
    if (!isMoved) return kerasTensor(graph.input(input.name, dtypeOf(input), shapeOf(input)));
    return own === 'nhwc' ? fromNchw(input, graph) : fromNhwc(input, graph);
  });
}

function fromNchw(input: KerasInput, graph: GraphBuilder): KerasTensor {
  const [batch = 'N', height = 1, width = 1, channels = 1] = shapeOf(input);
  const value = graph.input(input.name, dtypeOf(input), [batch, channels, height, width]);
  return channelsFirstTensor(value);
}

function fromNhwc(input: KerasInput, graph: GraphBuilder): KerasTensor {
  const [batch = 'N', channels = 1, height = 1, width = 1] = shapeOf(input);
  const value = graph.input(input.name, dtypeOf(input), [batch, height, width, channels]);
  const moved = graph.within(input.name, () =>
    graph.add('Transpose', [value], { perm: [0, 3, 1, 2] }),
  );
  return kerasTensor(moved);
}

/** The batch is "N" in every input; other sizes that are open get a name of their own. */
function shapeOf({ name, shape }: KerasInput): readonly Dim[] {
  return ['N', ...shape.map((dim, i) => dim ?? `${name}_dim${i + 1}`)];
}

/** Weights are float32 whatever Keras computed in, so float inputs are too. */
function dtypeOf({ dtype }: KerasInput): DType {
  return dtype === 'float64' || dtype === 'float16' || dtype === 'bfloat16' ? 'float32' : dtype;
}
