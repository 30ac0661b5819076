import type { DType, TensorSource } from '../tensor.ts';

/** Who wrote a file. Meanings of layers differ between them: see `KerasOrigin`. */
export type Generation = 'Keras 0' | 'Keras 1' | 'Keras 2' | 'tf.keras' | 'Keras 3';
/** Which convolution kernels were trained for: true convolution, or correlation. */
export type Kernels = 'theano' | 'tensorflow';

/** What the meaning of a layer depends on besides its config: the golden rule is f(class, config, origin). */
export interface KerasOrigin {
  readonly generation: Generation;
  /** As the file states it, such as "1.2.2" or "2.2.4-tf". */
  readonly version: string | undefined;
  /** Which convolution the kernels were trained for: Theano turns them by 180 degrees and pads SAME its own way. */
  readonly kernels: Kernels;
}

/** One thing that was concluded from the file, for the report: what, why, and how a person overrules it. */
export interface Decision {
  /** Such as "generation", "kernels", "architecture", "ordering". */
  readonly subject: string;
  readonly value: string;
  readonly evidence: string;
  /** The option that overrules it, such as "--kernels theano|tensorflow". */
  readonly overrule?: string | undefined;
}

/** One output tensor of one call of a layer: Keras' `[name, node_index, tensor_index]`, node indices made to start at 0. */
export interface TensorRef {
  readonly layer: string;
  readonly node: number;
  readonly tensor: number;
}

/** Stands for a tensor among the arguments of a call: its place in the call's `inputs`. */
export class InputPlace {
  readonly index: number;

  constructor(index: number) {
    this.index = index;
  }
}

/** One call of a layer: every tensor that goes in, and the arguments as they were passed. */
export interface LayerCall {
  /** All tensors among the arguments, at any depth: positional ones first, then keywords, in their order. */
  readonly inputs: readonly TensorRef[];
  /**
   * Positional arguments, JSON with an `InputPlace` for every tensor: `[InputPlace, 2]` is x·2. Slices stay as the file
   * spells them (`{class_name: "__slice__", config: {start, stop, step}}`). Absent: the inputs alone.
   */
  readonly args?: readonly unknown[] | undefined;
  /** Keyword arguments in the same form. */
  readonly kwargs: Readonly<Record<string, unknown>>;
}

/** A weight as the file has it, in the canonical form of Keras 3: shape, axis order and (correlation) orientation. */
export interface KerasWeight {
  /** The name in the file, such as "convolution2d_1_W" or "dense/kernel:0"; positions ("param_0") where it has no names. */
  readonly name: string;
  readonly source: TensorSource;
}

/**
 * A layer in today's words: Keras 3's class name and config keys, whatever generation wrote it.
 *
 * Weights lie in the order of Keras 3's `layer.weights`.
 */
export interface KerasLayer {
  readonly name: string;
  /**
   * Today's class name, such as "Conv2D". Operations of Keras 3 that are nodes of a graph are "ops.<class>", such as
   * "ops.Multiply"; tf.keras' are "TFOpLambda", "SlicingOpLambda" and "TensorFlowOpLayer", with their config as it is.
   */
  readonly className: string;
  /** The class name as the file spells it, such as "Convolution2D": for messages. */
  readonly savedClassName: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: readonly KerasWeight[];
  readonly calls: readonly LayerCall[];
  /** Where it is described: a JSON pointer into the architecture, for errors. */
  readonly path: string;
  /** A nested Sequential or Functional model. */
  readonly model?: KerasGraph | undefined;
  /**
   * The layers that this one wraps, each with its own weights and no calls: of TimeDistributed and SpectralNormalization
   * one (which may be a model), of Bidirectional the forward and the backward one, of RNN its cells.
   */
  readonly wrapped?: readonly KerasLayer[] | undefined;
}

/** An input of a graph. `shape` has no batch dimension; `null` is a size known only at run time. */
export interface KerasInput {
  readonly name: string;
  readonly shape: readonly (number | null)[];
  readonly dtype: DType;
}

/**
 * Layers in an order in which each comes after what its first call needs. Sequential models are wired here as Functional
 * ones are. InputLayers are in `inputs` only, never in `layers`; references name them as they name layers.
 */
export interface KerasGraph {
  readonly name: string;
  readonly inputs: readonly KerasInput[];
  readonly outputs: readonly TensorRef[];
  readonly layers: readonly KerasLayer[];
}

/** What any Keras file says. Holds the file open: whoever opened it calls `close`. */
export interface KerasModel {
  readonly file: string;
  readonly origin: KerasOrigin;
  readonly graph: KerasGraph;
  /** Name of the recipe in `models/` the architecture came from, if it did. */
  readonly recipe: Recipe | undefined;
  readonly decisions: readonly Decision[];
  close(): void;
}

/** What a recipe in `models/` knows beyond the layers. */
export interface Recipe {
  readonly name: string;
  readonly title: string;
  /** Name of a label file in `models/`, such as "imagenet", when the output has as many classes. */
  readonly labels: string | undefined;
  readonly resize: 'nearest' | 'bilinear' | 'bicubic' | undefined;
  /** What must be done to 0..255 pixels before the first layer; "none" when the layers do it themselves. */
  readonly preprocess: 'none' | 'caffe' | 'tf' | 'torch' | undefined;
}
