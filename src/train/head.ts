import type { GraphBuilder } from '../onnx/graph.ts';
import { floatSource } from '../source.ts';
import type { Value } from '../tensor.ts';
import { RandomState, streamSeed } from './random.ts';

/** A trainable tensor by name, shape and first numbers. */
interface HeadParameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly numbers: Float32Array;
}

/** The trainable end of a model: what it computes of features [N, D], and what it starts from. */
export interface Head {
  readonly name: string;
  readonly features: number;
  readonly classes: number;
  /** Share of the features that are dropped while training; 0 for none. */
  readonly dropout: number;
  readonly parameters: readonly HeadParameter[];
  /** features [N, D] → logits [N, K]; `parameters` in the order of the list. */
  readonly logits: (graph: GraphBuilder, features: Value, parameters: readonly Value[]) => Value;
  /** logits → what the model puts out. */
  readonly output: (graph: GraphBuilder, logits: Value) => Value;
}

/** What a dense head is made from. */
export interface DenseHeadOptions {
  readonly features: number;
  readonly classes: number;
  /** For the first kernel; equal seeds give equal heads. 0 by default. */
  readonly seed?: number;
  /** Names the head's values and weights; "head" by default. */
  readonly name?: string;
  /** Share of the features dropped while training; 0 by default. */
  readonly dropout?: number;
}

/**
 * A new last layer: softmax(x · kernel + bias), x [N, D] → [N, K].
 *
 * The kernel starts as Keras' glorot_uniform, U(-s, s) with s = √(6 / (D + K)), drawn like
 * numpy.random.RandomState; the bias starts at 0.
 */
export function denseHead(options: DenseHeadOptions): Head {
  const { features, classes, seed = 0, name = 'head', dropout = 0 } = options;
  const limit = Math.sqrt(6 / (features + classes));
  const random = new RandomState(streamSeed(seed, 'init'));
  return {
    name,
    features,
    classes,
    dropout,
    parameters: [
      {
        name: `${name}/kernel`,
        shape: [features, classes],
        numbers: random.uniform(-limit, limit, features * classes),
      },
      { name: `${name}/bias`, shape: [classes], numbers: new Float32Array(classes) },
    ],
    logits(graph, x, [kernel, bias]) {
      if (!kernel || !bias) throw new Error('Bug: a dense head has a kernel and a bias');
      return graph.add('Gemm', [x, kernel, bias], {});
    },
    output: (graph, logits) => graph.add('Softmax', [logits], { axis: -1 }),
  };
}

/**
 * Appends the head with its numbers as weights to a graph whose input is the feature value; returns the head's output.
 *
 * A feature value of more than two axes is flattened first, in the order in which features are cached.
 */
export function emitHead(
  graph: GraphBuilder,
  head: Head,
  feature: Value,
  numbers: readonly Float32Array[],
): Value {
  const parameters = head.parameters.map(({ name, shape }, i) =>
    graph.initializer(name, floatSource(shape, numbers[i] ?? [])),
  );
  return graph.within(head.name, () => {
    const rows =
      feature.shape.length === 2 ? feature : graph.add('Flatten', [feature], { axis: 1 });
    const output = head.output(graph, head.logits(graph, rows, parameters));
    return graph.rename(output, head.name);
  });
}
