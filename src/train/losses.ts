import type { GraphBuilder } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';

/** The loss of each sample [N], and the values in it that no gradient goes through. */
interface SampleLosses {
  readonly losses: Value;
  readonly constants?: readonly Value[];
}

/** One way to measure how far a head is from its targets. */
export interface Loss {
  /** What the loss is taken of: the head's logits, or what its last activation makes of them. */
  readonly of: 'logits' | 'output';
  /** Whether targets are scores, float32 [N, K], or class numbers, int64 [N]. */
  readonly targets: 'scores' | 'numbers';
  /** From [N, K] and its targets to one loss a sample. */
  readonly emit: (graph: GraphBuilder, prediction: Value, target: Value) => SampleLosses;
}

/** Keras' backend epsilon: probabilities are clipped to [ε, 1 - ε]. */
const epsilon = 1e-7;

/** The losses, one row a kind. All but the sparse one take soft targets of the prediction's shape [N, K]. */
export const losses = {
  /**
   * log Σ exp(z) · Σ t - Σ t·z, of the logits z shifted by their maximum: it has a gradient however wrong z is.
   *
   * Without LogSoftmax, which WebGPU lacks. The maximum cancels, so nothing flows through it.
   */
  categorical_crossentropy: {
    of: 'logits',
    targets: 'scores',
    emit(graph, logits, target) {
      const { shifted, logSum, maximum } = logSumExp(graph, logits);
      const weight = graph.add('ReduceSum', [target, lastAxis(graph)], { keepdims: 0 });
      const hit = sumLast(graph, graph.add('Mul', [target, shifted]));
      const whole = graph.add('Mul', [weight, logSum]);
      return { losses: graph.add('Sub', [whole, hit]), constants: [maximum] };
    },
  },
  /** The same for targets that are class numbers, int64 [N]. */
  sparse_categorical_crossentropy: {
    of: 'logits',
    targets: 'numbers',
    emit(graph, logits, target) {
      const { shifted, logSum, maximum } = logSumExp(graph, logits);
      const hits = graph.add('Where', [isTarget(graph, logits, target), shifted, zero(graph)]);
      const hit = sumLast(graph, hits);
      return { losses: graph.add('Sub', [logSum, hit]), constants: [maximum] };
    },
  },
  /**
   * -Σ t·log(clip(p / Σp, ε, 1 - ε)), as Keras computes it of probabilities.
   *
   * Where p is clipped the gradient is 0: a sample that is wrong with full confidence teaches nothing any more.
   */
  keras_categorical_crossentropy: {
    of: 'output',
    targets: 'scores',
    emit(graph, probabilities, target) {
      const sum = graph.add('ReduceSum', [probabilities, lastAxis(graph)], { keepdims: 1 });
      const clipped = clip(graph, graph.add('Div', [probabilities, sum]));
      const log = graph.add('Log', [clipped]);
      return { losses: graph.add('Neg', [sumLast(graph, graph.add('Mul', [target, log]))]) };
    },
  },
  /** The same for targets that are class numbers, int64 [N]; without p / Σp, as Keras computes it. */
  keras_sparse_categorical_crossentropy: {
    of: 'output',
    targets: 'numbers',
    emit(graph, probabilities, target) {
      const log = graph.add('Log', [clip(graph, probabilities)]);
      const hit = graph.add('Where', [isTarget(graph, probabilities, target), log, zero(graph)]);
      return { losses: graph.add('Neg', [sumLast(graph, hit)]) };
    },
  },
  /** -(t·log(p) + (1-t)·log(1-p)) of p clipped to [ε, 1 - ε], the mean over the last axis. */
  keras_binary_crossentropy: {
    of: 'output',
    targets: 'scores',
    emit(graph, output, target) {
      const one = graph.floats('one', [1]);
      const p = clip(graph, output);
      const yes = graph.add('Mul', [target, graph.add('Log', [p])]);
      const no = graph.add('Mul', [
        graph.add('Sub', [one, target]),
        graph.add('Log', [graph.add('Sub', [one, p])]),
      ]);
      const each = graph.add('Neg', [graph.add('Add', [yes, no])]);
      return { losses: graph.add('ReduceMean', [each], { axes: [-1], keepdims: 0 }) };
    },
  },
  /** log(1 + exp(z)) - t·z, the mean over the last axis; z are logits. */
  binary_crossentropy: {
    of: 'logits',
    targets: 'scores',
    emit(graph, logits, target) {
      const soft = graph.add('Softplus', [logits]);
      const each = graph.add('Sub', [soft, graph.add('Mul', [target, logits])]);
      return { losses: graph.add('ReduceMean', [each], { axes: [-1], keepdims: 0 }) };
    },
  },
  /** (p - t)², the mean over the last axis. */
  mean_squared_error: {
    of: 'output',
    targets: 'scores',
    emit(graph, output, target) {
      const error = graph.add('Sub', [output, target]);
      const square = graph.add('Mul', [error, error]);
      return { losses: graph.add('ReduceMean', [square], { axes: [-1], keepdims: 0 }) };
    },
  },
} as const satisfies Readonly<Record<string, Loss>>;

export type LossName = keyof typeof losses;

function logSumExp(
  graph: GraphBuilder,
  logits: Value,
): { readonly shifted: Value; readonly logSum: Value; readonly maximum: Value } {
  const maximum = graph.add('ReduceMax', [logits], { axes: [-1], keepdims: 1 });
  const shifted = graph.add('Sub', [logits, maximum]);
  const logSum = graph.add('Log', [sumLast(graph, graph.add('Exp', [shifted]))]);
  return { shifted, logSum, maximum };
}

/** Which score of each row is that of its class number. */
function isTarget(graph: GraphBuilder, scores: Value, target: Value): Value {
  const classes = Array.from({ length: Number(scores.shape.at(-1)) }, (_, i) => i);
  const column = graph.add('Unsqueeze', [target, lastAxis(graph)]);
  return graph.add('Equal', [column, graph.integers('classes', classes)]);
}

function clip(graph: GraphBuilder, probabilities: Value): Value {
  const low = graph.floats('epsilon', [epsilon]);
  return graph.add('Clip', [probabilities, low, graph.floats('most', [1 - epsilon])]);
}

function lastAxis(graph: GraphBuilder): Value {
  return graph.integers('last_axis', [-1]);
}

function sumLast(graph: GraphBuilder, x: Value): Value {
  return graph.add('ReduceSum', [x, lastAxis(graph)], { keepdims: 0 });
}

function zero(graph: GraphBuilder): Value {
  return graph.floats('zero', [0]);
}
