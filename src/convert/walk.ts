import { ToolkitError, type Where } from '../errors.ts';
import type { KerasGraph, KerasLayer, KerasModel, TensorRef } from '../keras/model.ts';
import type { GraphBuilder } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';
import { Arguments } from './arguments.ts';
import { type Layer, Parameters } from './layer.ts';
import { type KerasTensor, Layouts } from './layout.ts';

/** What became of one Keras layer. */
export interface WalkedLayer {
  /** With the names of the models it is nested in: "vgg16/block1_conv1". */
  readonly name: string;
  readonly keras: KerasLayer;
  /** What the layer puts out at its first call. */
  readonly tensor: KerasTensor;
  readonly parameters: Parameters | undefined;
}

/** The walk's results, in the order of the layers. */
export interface Walked {
  readonly layers: readonly WalkedLayer[];
  /** Values in Keras' own layout, by the keys of the outputs asked for. */
  readonly outputs: ReadonlyMap<string, Value>;
  readonly layouts: Layouts;
  readonly warnings: ReadonlySet<string>;
}

/** The rule for a class name of Keras 3. */
export type Rules = (className: string) => Layer | undefined;

/** Identifies one output tensor of one call of a layer in the whole model. */
export function keyOf({ layer, node, tensor }: TensorRef, prefix = ''): string {
  return `${prefix}${layer} ${node} ${tensor}`;
}

interface Scope {
  readonly graph: KerasGraph;
  /** Names of the models around, each followed by a slash. */
  readonly prefix: string;
  /** Tensors by `keyOf` without prefix. */
  readonly tensors: Map<string, KerasTensor>;
}

/**
 * Adds the nodes of a whole model to `graph`, layer by layer.
 *
 * `inputs` are the tensors of the model's inputs; `wanted` the keys of the tensors that become outputs, which
 * therefore get a value of their own in Keras' layout.
 */
export function walkModel(
  model: KerasModel,
  graph: GraphBuilder,
  options: {
    readonly inputs: readonly KerasTensor[];
    readonly wanted: ReadonlySet<string>;
    readonly rules: Rules;
  },
): Walked {
  const walk = new Walk(model, graph, options);
  walk.run(model.graph, '', options.inputs);
  const { walked, outputs, layouts, warnings } = walk;
  return { layers: [...walked.values()], outputs, layouts, warnings };
}

class Walk {
  readonly layouts: Layouts;
  readonly walked = new Map<string, WalkedLayer>();
  readonly outputs = new Map<string, Value>();
  readonly warnings = new Set<string>();
  readonly #model: KerasModel;
  readonly #graph: GraphBuilder;
  readonly #wanted: ReadonlySet<string>;
  readonly #rules: Rules;
  readonly #parameters = new Map<KerasLayer, Parameters>();
  /** Names of values that are a layer's own already. */
  readonly #named = new Set<string>();

  constructor(
    model: KerasModel,
    graph: GraphBuilder,
    { wanted, rules }: { readonly wanted: ReadonlySet<string>; readonly rules: Rules },
  ) {
    this.#model = model;
    this.#graph = graph;
    this.#wanted = wanted;
    this.#rules = rules;
    this.layouts = new Layouts(graph);
  }

  /** The outputs of a model for the given inputs. */
  run(graph: KerasGraph, prefix: string, inputs: readonly KerasTensor[]): readonly KerasTensor[] {
    const scope: Scope = { graph, prefix, tensors: new Map() };
    graph.inputs.forEach((input, i) => {
      const tensor = inputs[i];
      if (!tensor) throw new Error(`Bug: no tensor for the input "${input.name}"`);
      const ref = { layer: input.name, node: 0, tensor: 0 };
      scope.tensors.set(keyOf(ref), tensor);
      if (this.#wanted.has(keyOf(ref, prefix)))
        this.#export(keyOf(ref, prefix), input.name, { tensor, before: this.#graph.nodes.length });
    });
    for (const layer of graph.layers) {
      layer.calls.forEach((_, node) => this.#called(scope, layer, node));
    }
    return graph.outputs.map((ref) => this.#resolved(scope, ref));
  }

  /** The tensor for a reference. Layers that are called on each other's results are walked as they are needed. */
  #resolved(scope: Scope, ref: TensorRef): KerasTensor {
    const known = scope.tensors.get(keyOf(ref));
    if (known) return known;
    const layer = scope.graph.layers.find(({ name }) => name === ref.layer);
    if (layer?.calls[ref.node]) this.#called(scope, layer, ref.node);
    const made = scope.tensors.get(keyOf(ref));
    if (made) return made;
    throw new ToolkitError(
      'KERAS_CONFIG_INVALID',
      `Output ${ref.tensor} of call ${ref.node} of the layer "${ref.layer}" is used, but there is none`,
      {
        where: { file: this.#model.file },
        hint: 'Check that the file was saved by Keras and was not edited by hand.',
      },
    );
  }

  #called(scope: Scope, layer: KerasLayer, node: number): void {
    if (scope.tensors.has(keyOf({ layer: layer.name, node, tensor: 0 }))) {
      this.#record(scope, layer, node);
      return;
    }
    const call = layer.calls[node] ?? { inputs: [], kwargs: {} };
    const inputs = call.inputs.map((ref) => this.#resolved(scope, ref));
    const before = this.#graph.nodes.length;
    const name = `${scope.prefix}${layer.name}`;
    const made = this.#applied(layer, name, new Arguments(call, inputs));
    // One value may be several outputs, such as an LSTM's last output and its state: it is given one name.
    const renamed = new Map<Value, Value>();
    made.forEach((tensor, i) => {
      const ref = { layer: layer.name, node, tensor: i };
      const own = { ...tensor, value: renamed.get(tensor.value) ?? tensor.value };
      const current = own.value === tensor.value ? tensor : own;
      const settled = this.#settled(current, { key: keyOf(ref, scope.prefix), name, before });
      renamed.set(tensor.value, settled.value);
      scope.tensors.set(keyOf(ref), settled);
    });
    this.#record(scope, layer, node);
  }

  #applied(keras: KerasLayer, name: string, given: Arguments): readonly KerasTensor[] {
    if (keras.model) return this.run(keras.model, `${name}/`, given.all);
    const rule = this.#rules(keras.className);
    if (!rule) throw new Error(`Bug: no rule for "${keras.className}"`);
    const parameters = this.#parameters.get(keras) ?? new Parameters(this.#graph, name);
    this.#parameters.set(keras, parameters);
    return this.#graph.within(name, () =>
      rule.convert({
        keras,
        given,
        parameters,
        graph: this.#graph,
        layouts: this.layouts,
        origin: this.#model.origin,
        layer: name,
        where: whereOf(this.#model, keras, name),
        warn: (what) => this.warnings.add(`Layer "${name}": ${what}`),
        apply: (inner, tensors) => {
          const call = new Arguments({ kwargs: {} }, tensors);
          const [first, ...others] = this.#applied(inner, `${name}/${inner.name}`, call);
          if (!first) throw new Error(`Bug: "${inner.name}" put out nothing`);
          return [first, ...others];
        },
      }),
    );
  }

  /** Gives the tensor of a layer the layer's name, and exports it where it is wanted. */
  #settled(
    tensor: KerasTensor,
    { key, name, before }: { readonly key: string; readonly name: string; readonly before: number },
  ): KerasTensor {
    if (this.#wanted.has(key)) return this.#export(key, name, { tensor, before });
    // The inner tensor of a perStep one would keep the old name.
    const isWhole = tensor.layout.kind !== 'perStep';
    const isNew = isWhole && this.#isRenamable(tensor.value, before);
    return isNew ? { ...tensor, value: this.#rename(tensor.value, name) } : tensor;
  }

  /** Returns the tensor for the layers after it: in its own layout, under the exported name where it is the same value. */
  #export(
    key: string,
    name: string,
    { tensor, before }: { readonly tensor: KerasTensor; readonly before: number },
  ): KerasTensor {
    const { value } = this.#graph.within(name, () => this.layouts.keras(tensor));
    const isNamed = value.name === name && !this.#graph.inputs.includes(value);
    const own = isNamed ? value : this.#rename(this.#ownValue(value, { name, before }), name);
    this.outputs.set(key, own);
    if (value !== tensor.value) {
      if (this.layouts.isOwn(value)) this.layouts.replace(tensor, own);
      return tensor;
    }
    return { ...tensor, value: own };
  }

  #ownValue(
    value: Value,
    { name, before }: { readonly name: string; readonly before: number },
  ): Value {
    const isFresh = this.layouts.isOwn(value) && this.#graph.isMadeSince(before, value);
    if (isFresh || this.#isRenamable(value, before)) return value;
    return this.#graph.within(name, () => this.#graph.add('Identity', [value]));
  }

  /** A value that this layer put out, and that no one else has in hand. */
  #isRenamable(value: Value, before: number): boolean {
    return (
      this.#graph.isMadeSince(before, value) &&
      !this.#named.has(value.name) &&
      !this.layouts.isOwn(value)
    );
  }

  #rename(value: Value, name: string): Value {
    const renamed = this.#graph.rename(value, name);
    this.#named.add(renamed.name);
    return renamed;
  }

  #record(scope: Scope, keras: KerasLayer, node: number): void {
    const name = `${scope.prefix}${keras.name}`;
    const tensor = scope.tensors.get(keyOf({ layer: keras.name, node, tensor: 0 }));
    if (!tensor || this.walked.has(name)) return;
    this.walked.set(name, { name, keras, tensor, parameters: this.#parameters.get(keras) });
  }
}

/** Where a layer is described. */
export function whereOf(model: KerasModel, layer: KerasLayer, name: string): Where {
  return { file: model.file, path: layer.path, layer: name };
}
