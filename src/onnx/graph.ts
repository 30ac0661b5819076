import { bytesSource, floatSource } from '../source.ts';
import type { DType, Shape, TensorSource, Value } from '../tensor.ts';
import { type Attributes, type NoAttributes, type OpType, opRules, type PerInput } from './ops.ts';

export interface Node<O extends OpType = OpType> {
  readonly op: O;
  readonly name: string;
  readonly inputs: PerInput<O, Value>;
  readonly outputs: readonly [Value, ...Value[]];
  readonly attributes: Attributes<O>;
  /** The body of a Loop. */
  readonly body?: GraphBuilder;
}

/** Operators without attributes are added without naming any. */
type AttributesOf<O extends OpType> =
  Attributes<O> extends NoAttributes ? [] : [attributes: Attributes<O>];

/** A graph under construction. Nodes are appended in topological order, so it is never sorted. */
export class GraphBuilder {
  readonly inputs: Value[] = [];
  readonly outputs: Value[] = [];
  readonly nodes: Node[] = [];
  readonly initializers = new Map<string, TensorSource>();
  readonly #constants = new Map<string, Value>();
  readonly #used: Set<string>;
  readonly #outer: GraphBuilder | undefined;
  #prefix = '';

  /** A graph of its own, or, inside `outer`, a body whose nodes may use the values of `outer`. */
  constructor(outer?: GraphBuilder) {
    this.#outer = outer;
    this.#used = outer ? outer.#used : new Set();
  }

  input(name: string, dtype: DType, shape: Shape): Value {
    const value: Value = { name: this.#fresh(name), dtype, shape };
    this.inputs.push(value);
    return value;
  }

  output(value: Value): void {
    this.outputs.push(value);
  }

  /** A weight. Its name is kept as given unless it is taken. */
  initializer(name: string, source: TensorSource): Value {
    if (this.#outer) return this.#outer.initializer(name, source);
    const value: Value = { name: this.#fresh(name), dtype: source.dtype, shape: source.shape };
    this.initializers.set(value.name, source);
    return value;
  }

  /** A small list of whole numbers, such as axes or a shape. Equal lists are kept once. */
  integers(name: string, numbers: readonly number[], shape: Shape = [numbers.length]): Value {
    return this.#constant(`int64 ${shape.join()} ${numbers.join()}`, numbers, () =>
      this.initializer(name, {
        ...bytesSource(
          'int64',
          shape.map(Number),
          new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer),
        ),
      }),
    );
  }

  /** A few float32 numbers, such as a mean; a scalar by default. Equal ones are kept once. */
  floats(name: string, numbers: readonly number[], shape: readonly number[] = []): Value {
    return this.#constant(`float32 ${shape.join()} ${numbers.join()}`, numbers, () =>
      this.initializer(name, floatSource(shape, numbers)),
    );
  }

  #constant(key: string, numbers: readonly number[], make: () => Value): Value {
    const root = this.#root();
    const known = root.#constants.get(key) ?? { ...make(), constant: numbers };
    root.#constants.set(key, known);
    return known;
  }

  add<O extends Exclude<OpType, 'Loop'>>(
    op: O,
    inputs: PerInput<O, Value>,
    ...rest: AttributesOf<O>
  ): Value {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- AttributesOf says that rest is empty only when the attributes are
    const attributes = (rest[0] ?? {}) as Attributes<O>;
    const rule = opRules[op];
    const name = this.#fresh(`${this.#prefix}${op}`);
    const output: Value = {
      name,
      dtype: rule.dtype?.(inputs, attributes) ?? inputs[0].dtype,
      shape: rule.shape(inputs, attributes),
    };
    this.nodes.push({ op, name, inputs, outputs: [output], attributes });
    return output;
  }

  /**
   * ONNX `Loop` over a fixed number of trips.
   *
   * `body` gets the trip's number (an int64 scalar) and the state, and returns the new state; it may use values of
   * this graph. Returns the last state.
   */
  loop(
    trips: Value,
    state: readonly Value[],
    body: (graph: GraphBuilder, trip: Value, state: readonly Value[]) => readonly Value[],
  ): readonly Value[] {
    const inner = new GraphBuilder(this);
    const trip = inner.input('trip', 'int64', []);
    const going = inner.input('going', 'bool', []);
    const carried = state.map((value) => inner.input(`${value.name}_in`, value.dtype, value.shape));
    inner.output(inner.add('Identity', [going]));
    for (const value of body(inner, trip, carried)) inner.output(value);
    const name = this.#fresh('Loop');
    const always = this.#constant('bool true', [1], () =>
      this.initializer('true', bytesSource('bool', [], Uint8Array.of(1))),
    );
    const [first, ...others] = state.map((value) => ({
      ...value,
      name: this.#fresh(`${value.name}_out`),
    }));
    if (!first) throw new Error('Bug: a Loop carries at least one value');
    const outputs: [Value, ...Value[]] = [first, ...others];
    const inputs = [trips, always, ...state] as const;
    this.nodes.push({ op: 'Loop', name, inputs, outputs, attributes: {}, body: inner });
    return outputs;
  }

  /** Names of nodes added by `emit` begin with `layer/`. */
  within<T>(layer: string, emit: () => T): T {
    const before = this.#prefix;
    this.#prefix = `${layer}/`;
    try {
      return emit();
    } finally {
      this.#prefix = before;
    }
  }

  /** Gives the output of the last node a name of its own, such as that of the Keras layer it is the result of. */
  rename(value: Value, name: string): Value {
    const last = this.nodes.at(-1);
    if (!last || last.outputs[0] !== value) {
      throw new Error(`Bug: "${value.name}" is not what the last node put out`);
    }
    const renamed: Value = { ...value, name: this.#fresh(name) };
    this.nodes[this.nodes.length - 1] = { ...last, outputs: [renamed] };
    return renamed;
  }

  #root(): GraphBuilder {
    return this.#outer ? this.#outer.#root() : this;
  }

  #fresh(stem: string): string {
    let name = stem;
    for (let i = 1; this.#used.has(name); i++) name = `${stem}_${i}`;
    this.#used.add(name);
    return name;
  }
}
