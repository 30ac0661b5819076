import { ToolkitError, type Where } from '../errors.ts';
import { ConfigReader } from '../keras/config.ts';
import type { KerasLayer, KerasOrigin, KerasWeight } from '../keras/model.ts';
import type { GraphBuilder } from '../onnx/graph.ts';
import type { Shape, TensorSource, Value } from '../tensor.ts';
import type { Arguments } from './arguments.ts';
import type { KerasTensor, Layouts } from './layout.ts';

/** Shape of each weight in the order of Keras 3; `undefined` says the layer has no such weight. */
export type WeightShapes = Readonly<Record<string, readonly number[] | undefined>>;

type WeightSources<W extends WeightShapes> = {
  readonly [Name in keyof W]: undefined extends W[Name] ? TensorSource | undefined : TensorSource;
};

/** What a rule builds with, besides what is its own. */
export interface Bench {
  readonly graph: GraphBuilder;
  readonly layouts: Layouts;
  readonly origin: KerasOrigin;
  /** The layer's full name. */
  readonly layer: string;
  readonly where: Where;
  /** Notes what the file leaves open, for the report. */
  readonly warn: (what: string) => void;
}

/** Adds a wrapped layer's nodes for the given inputs, and returns what it puts out. */
export type Apply = (
  layer: KerasLayer,
  inputs: readonly KerasTensor[],
) => readonly [KerasTensor, ...KerasTensor[]];

/** What a rule emits one call of its layer from. */
export interface Emission<Config, W extends WeightShapes> extends Bench {
  readonly config: Config;
  readonly input: KerasTensor;
  /** Tensors given by position, in order. */
  readonly inputs: readonly [KerasTensor, ...KerasTensor[]];
  /** All arguments of the call, by position and by name. */
  readonly given: Arguments;
  readonly weights: WeightSources<W>;
  /** The layers that this one wraps, with weights of their own. */
  readonly wrapped: readonly KerasLayer[];
  readonly apply: Apply;
  /**
   * The initializer `layer/name`.
   *
   * A layer that is called several times has each weight once; `form` tells apart the forms of one weight that
   * its calls need.
   */
  readonly parameter: (name: string, source: TensorSource, form?: string) => Value;
}

/** All that is known about one kind of Keras layer. */
export interface LayerRule<Config, W extends WeightShapes> {
  /** The class names of Keras 3 it answers to, and names of layers that Keras 3 no longer has. */
  readonly keras: readonly [string, ...string[]];
  /** How many tensors it takes by position; one where nothing is said. */
  readonly inputs?: 'many';
  /** Whether the input's mask goes on to the first output, or the rule sets the mask of its outputs; none goes on where nothing is said. */
  readonly mask?: 'passes' | 'set by the rule';
  /** Whether it looks numbers up, whatever their type; others with weights compute in floats, as Keras does. */
  readonly takes?: 'any numbers';
  /** Whether the layers that it wraps are layers of the table, which are checked like any other. */
  readonly wraps?: 'layers';
  /** Throws KERAS_LAYER_UNSUPPORTED for what cannot be converted whatever the input. */
  readonly read: (config: ConfigReader, origin: KerasOrigin, where: Where) => Config;
  readonly weights: (config: Config, input: Shape, found: readonly (readonly number[])[]) => W;
  /** Adds the nodes of one call; returns its output, or its outputs. */
  readonly emit: (emission: Emission<Config, W>) => KerasTensor | readonly KerasTensor[];
}

/** One call of a layer, as the walk sees it. */
interface Call extends Bench {
  readonly keras: KerasLayer;
  readonly given: Arguments;
  readonly parameters: Parameters;
  readonly apply: Apply;
}

/** A rule with its types closed over, so that rules of every kind fit one table. */
export interface Layer {
  readonly keras: readonly [string, ...string[]];
  readonly wraps?: 'layers' | undefined;
  /** Reads the config only. Throws KERAS_LAYER_UNSUPPORTED, KERAS_CONFIG_INVALID. */
  check(layer: KerasLayer, origin: KerasOrigin, where: Where): void;
  /** Adds the nodes of one call. Throws KERAS_WEIGHT_SHAPE, KERAS_WEIGHT_MISSING as well. */
  convert(call: Call): readonly KerasTensor[];
}

/** The initializers of one layer, whatever the number of its calls. */
export class Parameters {
  readonly #graph: GraphBuilder;
  readonly #layer: string;
  readonly #values = new Map<string, Value>();

  constructor(graph: GraphBuilder, layer: string) {
    this.#graph = graph;
    this.#layer = layer;
  }

  add(name: string, source: TensorSource, form = ''): Value {
    const key = `${name} ${form}`;
    const known =
      this.#values.get(key) ?? this.#graph.initializer(`${this.#layer}/${name}`, source);
    this.#values.set(key, known);
    return known;
  }

  get values(): readonly Value[] {
    return [...this.#values.values()];
  }
}

/** Closes a rule over its types. */
export function defineLayer<Config, const W extends WeightShapes>(
  rule: LayerRule<Config, W>,
): Layer {
  return {
    keras: rule.keras,
    wraps: rule.wraps,
    check: (layer, origin, where) => {
      rule.read(new ConfigReader(layer.config, where), origin, where);
    },
    convert: (call) => converted(rule, call),
  };
}

function converted<Config, const W extends WeightShapes>(
  rule: LayerRule<Config, W>,
  { keras, given, parameters, apply, ...bench }: Call,
): readonly KerasTensor[] {
  const [first, ...others] = given.positional;
  if (!first || (rule.inputs !== 'many' && others.length > 0)) {
    throw wrongInputs(keras, given.positional.length, bench.where);
  }
  const config = rule.read(new ConfigReader(keras.config, bench.where), bench.origin, bench.where);
  const found = keras.weights.map((weight) => weight.source.shape);
  const isComputed = found.length > 0 && rule.wraps === undefined && rule.takes === undefined;
  const own = isComputed ? inFloats(first, bench) : first;
  const input = withGivenMask(own, given);
  const shapes = rule.weights(config, input.shape, found);
  const made = rule.emit({
    ...bench,
    config,
    input,
    inputs: [input, ...others],
    given,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- weightsOf gives one source for every shape
    weights: weightsOf(shapes, keras.weights, bench.where) as WeightSources<W>,
    wrapped: keras.wrapped ?? [],
    apply,
    parameter: (name, source, form) => parameters.add(name, source, form),
  });
  return masked('value' in made ? [made] : made, input, rule.mask);
}

/** Whole numbers and truth as floats. Source: Dense.call and autocasting in keras/src/layers/layer.py. */
function inFloats(tensor: KerasTensor, { graph, layouts }: Bench): KerasTensor {
  if (tensor.value.dtype === 'float32') return tensor;
  const x = layouts.padded(tensor.layout.kind === 'perStep' ? layouts.keras(tensor) : tensor);
  return { ...x, value: graph.add('Cast', [x.value], { to: 'float32' }), mask: tensor.mask };
}

/** Keras 3 writes the mask of a call among its arguments; it comes before the one that travels with the tensor. */
function withGivenMask(input: KerasTensor, given: Arguments): KerasTensor {
  const mask = given.tensorOf(given.at(Number.POSITIVE_INFINITY, 'mask'));
  return mask ? { ...input, mask: () => mask.value } : input;
}

function masked(
  outputs: readonly KerasTensor[],
  input: KerasTensor,
  rule: 'passes' | 'set by the rule' | undefined,
): readonly KerasTensor[] {
  if (rule === 'set by the rule') return outputs;
  const mask = rule === 'passes' ? input.mask : undefined;
  return outputs.map((output, i) => {
    const own = i === 0 ? mask : undefined;
    return output.mask === own ? output : { ...output, mask: own };
  });
}

function wrongInputs(keras: KerasLayer, count: number, where: Where): ToolkitError {
  return new ToolkitError(
    'KERAS_CONFIG_INVALID',
    `A layer of class "${keras.savedClassName}" takes one input, but is called with ${count}`,
    { where, hint: 'Check that the file was saved by Keras and was not edited by hand.' },
  );
}

/** One source for each shape, in order. Throws KERAS_WEIGHT_MISSING, KERAS_WEIGHT_SHAPE. */
export function weightsOf(
  shapes: WeightShapes,
  found: readonly KerasWeight[],
  where: Where,
): Record<string, TensorSource> {
  const expected = Object.entries(shapes).filter(
    (entry): entry is [string, readonly number[]] => entry[1] !== undefined,
  );
  if (expected.length !== found.length) throw wrongCount(expected, found, where);
  return Object.fromEntries(
    expected.map(([name, shape], i) => {
      const weight = found[i];
      if (weight && String(weight.source.shape) === String(shape)) return [name, weight.source];
      throw new ToolkitError(
        'KERAS_WEIGHT_SHAPE',
        `Weight "${name}" must have shape [${shape.join(', ')}], but the file holds ${listed(weight)}`,
        {
          where,
          hint: 'The configuration and the weights are of two different models, or the kernel order was taken wrongly: save the model again as a whole, or choose with --kernels.',
        },
      );
    }),
  );
}

function wrongCount(
  expected: readonly (readonly [string, readonly number[]])[],
  found: readonly KerasWeight[],
  where: Where,
): ToolkitError {
  const wanted = expected.map(([name, shape]) => `${name} [${shape.join(', ')}]`).join(', ');
  return new ToolkitError(
    'KERAS_WEIGHT_MISSING',
    `The layer must have ${expected.length} weights (${wanted || 'none'}), but the file holds ${found.length} (${found.map(listed).join(', ') || 'none'})`,
    {
      where,
      hint: 'The configuration and the weights are of two different models: save the model again as a whole.',
    },
  );
}

function listed(weight: KerasWeight | undefined): string {
  return weight ? `${weight.name} [${weight.source.shape.join(', ')}]` : 'no such weight';
}

/** A layer, or an option of it, that has no meaning here. `hint` says what the user can do. */
export function unsupported(what: string, where: Where, hint: string): ToolkitError {
  return new ToolkitError('KERAS_LAYER_UNSUPPORTED', what, { where, hint });
}
