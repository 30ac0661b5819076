import { cardMetadata, type ModelCard, type Preprocess } from '../../src/onnx/card.ts';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { floatSource } from '../../src/source.ts';
import { sizeOf } from '../../src/tensor.ts';

/** Weights that differ from each other and repeat from run to run. */
export function weights(shape: readonly number[], scale = 0.1): ReturnType<typeof floatSource> {
  const numbers = Float32Array.from({ length: sizeOf(shape) }, (_, i) => Math.sin(i * 0.7) * scale);
  return floatSource(shape, numbers);
}

/** Conv 3×3, Relu, MaxPool, Flatten, Gemm, Softmax over [N, 3, 16, 16]. */
export function smallNet(classes = 4): GraphBuilder {
  const graph = new GraphBuilder();
  const x = graph.input('image', 'float32', ['N', 3, 16, 16]);
  const kernel = graph.initializer('kernel', weights([8, 3, 3, 3]));
  const conv = graph.add('Conv', [x, kernel], {
    kernel_shape: [3, 3],
    strides: [1, 1],
    pads: [1, 1, 1, 1],
    dilations: [1, 1],
    group: 1,
  });
  const relu = graph.add('Relu', [conv]);
  const pooled = graph.add('MaxPool', [relu], {
    kernel_shape: [2, 2],
    strides: [2, 2],
    pads: [0, 0, 0, 0],
  });
  const flat = graph.rename(graph.add('Flatten', [pooled], { axis: 1 }), 'flatten');
  const dense = graph.initializer('dense', weights([8 * 8 * 8, classes]));
  const scores = graph.add('Gemm', [flat, dense], {});
  graph.output(graph.rename(graph.add('Softmax', [scores], { axis: 1 }), 'probabilities'));
  return graph;
}

/**
 * A classifier whose answer can be known beforehand: the mean of red, green and blue of a picture of `size`, in 0..1.
 */
export function meanColors(
  size: readonly [number, number],
  options: { readonly batch?: number; readonly softmax?: boolean } = {},
): GraphBuilder {
  const graph = new GraphBuilder();
  const x = graph.input('image', 'float32', [options.batch ?? 'N', 3, ...size]);
  const mean = graph.add('ReduceMean', [x], { axes: [2, 3], keepdims: 0 });
  const scores = graph.add('Div', [mean, graph.floats('white', [255])]);
  const output = options.softmax ? graph.add('Softmax', [scores], { axis: 1 }) : scores;
  graph.output(graph.rename(output, 'scores'));
  return graph;
}

/** What a card says of pictures that go in as they are. */
export function plain(size: readonly [number, number]): Preprocess {
  return {
    size: [...size],
    resize: 'nearest',
    layout: 'nchw',
    color: 'rgb',
    mode: 'none',
    inGraph: '',
  };
}

export async function saveModel(path: string, graph: GraphBuilder, card: ModelCard): Promise<void> {
  await writeModel(path, graph, { name: 'test', metadata: () => cardMetadata(card), force: true });
}
