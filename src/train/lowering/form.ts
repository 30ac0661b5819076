import type { GraphBuilder, Node } from '../../onnx/graph.ts';
import type { Attributes, OpType } from '../../onnx/ops.ts';
import type { Value } from '../../tensor.ts';

/** Nodes that compute one thing together, with a gradient of its own: theirs are not asked for. */
export interface Unit {
  /** What it computes, as an operator. */
  readonly op: OpType;
  readonly nodes: readonly Node[];
  readonly inputs: readonly (Value | undefined)[];
  readonly output: Value;
  /** From dy to one gradient for each input, appended to the graph of the nodes. */
  readonly gradient: (dy: Value) => readonly (Value | undefined)[];
}

/** A convolution whose kernel learns. */
export interface TrainedConvolution {
  readonly window: Attributes<'Conv'>;
  readonly x: Value;
  readonly w: Value;
  readonly bias: Value | undefined;
}

/** A convolution y = x * w and the gradient by y. */
export interface Convolution {
  readonly window: Attributes<'Conv'>;
  readonly x: Value;
  readonly w: Value;
  readonly dy: Value;
  /** Spatial sizes of x and of dy. */
  readonly sizes: readonly number[];
  readonly outSizes: readonly number[];
}

/** A pooling y of x and the gradient by y. */
export interface Pooling {
  readonly window: Omit<Attributes<'MaxPool'>, 'storage_order'>;
  readonly x: Value;
  readonly y: Value;
  readonly dy: Value;
  readonly sizes: readonly number[];
  readonly outSizes: readonly number[];
}

/** What providers have, or are fast at, in different forms. */
export interface Lowering {
  /** A convolution whose kernel learns, where there is a faster form than Conv; `undefined` where there is none. */
  readonly trainedConvolution: (
    graph: GraphBuilder,
    convolution: TrainedConvolution,
  ) => { readonly y: Value; readonly unit: Unit } | undefined;
  /** The gradient of a convolution by its input. */
  readonly convolutionInput: (graph: GraphBuilder, convolution: Convolution) => Value;
  /** The gradient of a convolution by its kernel. */
  readonly convolutionKernel: (graph: GraphBuilder, convolution: Convolution) => Value;
  /** The gradient of a max pooling; of equal maxima the first takes it. */
  readonly maxPool: (graph: GraphBuilder, pooling: Pooling) => Value;
  /** log(softmax(x)) along an axis. */
  readonly logSoftmax: (graph: GraphBuilder, x: Value, axis: number) => Value;
}
