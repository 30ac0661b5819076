import { bytesSource, floatSource } from '../source.ts';
import type { DType, Shape, TensorSource, Value } from '../tensor.ts';
import { type Attributes, type NoAttributes, type OpType, opRules, type PerInput } from './ops.ts';

export interface Node<O extends OpType = OpType> {
  readonly op: O;
  readonly name: string;
  readonly inputs: PerInput<O, Value>;
  readonly outputs: readonly [Value, ...Value[]];
  readonly attributes: Attributes<O>;
  /** The body of a Loop or a Scan. */
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

  /** A constant that is made once, whoever asks for it: masks, tables. */
  shared(name: string, make: () => TensorSource): Value {
    const root = this.#root();
    const key = `shared ${name}`;
    const known = root.#constants.get(key) ?? root.initializer(name, make());
    root.#constants.set(key, known);
    return known;
  }

  #constant(key: string, numbers: readonly number[], make: () => Value): Value {
    const root = this.#root();
    const known = root.#constants.get(key) ?? { ...make(), constant: numbers };
    root.#constants.set(key, known);
    return known;
  }

  /** Adds a node and returns its first output. */
  add<O extends Exclude<OpType, 'Loop' | 'Scan'>>(
    op: O,
    inputs: PerInput<O, Value>,
    ...rest: AttributesOf<O>
  ): Value {
    return this.addAll(op, inputs, ...rest)[0];
  }

  /** Adds a node and returns all its outputs. */
  addAll<O extends Exclude<OpType, 'Loop' | 'Scan'>>(
    op: O,
    inputs: PerInput<O, Value>,
    ...rest: AttributesOf<O>
  ): readonly [Value, ...Value[]] {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- AttributesOf says that rest is empty only when the attributes are
    const attributes = (rest[0] ?? {}) as Attributes<O>;
    const name = this.#fresh(`${this.#prefix}${op}`);
    return this.#push({ op, inputs, attributes, name }, (i) =>
      i === 0 ? name : this.#fresh(`${name}_out${i}`),
    );
  }

  /** Adds a node of another graph under its own names, as far as they are free; returns all its outputs. */
  copy<O extends Exclude<OpType, 'Loop' | 'Scan'>>(
    {
      op,
      name,
      outputs,
    }: { readonly op: O; readonly name: string; readonly outputs: readonly string[] },
    inputs: PerInput<O, Value>,
    attributes: Attributes<O>,
  ): readonly [Value, ...Value[]] {
    const names = outputs.map((output) => this.#fresh(output));
    const own = outputs[0] === name ? (names[0] ?? name) : this.#fresh(name);
    return this.#push({ op, inputs, attributes, name: own }, (i) => {
      return names[i] ?? this.#fresh(`${own}_out${i}`);
    });
  }

  #push<O extends OpType>(
    node: Pick<Node<O>, 'op' | 'name' | 'inputs' | 'attributes'>,
    nameOf: (output: number) => string,
  ): readonly [Value, ...Value[]] {
    const { inputs, attributes } = node;
    const rule = opRules[node.op];
    const output: Value = {
      name: nameOf(0),
      dtype: rule.dtype?.(inputs, attributes) ?? inputs[0].dtype,
      shape: rule.shape(inputs, attributes),
      ...(node.op === 'Shape' && { tells: inputs[0].shape }),
    };
    const more = rule.more?.(inputs, attributes) ?? [];
    const others = more.map((type, i) => ({ ...type, name: nameOf(i + 1) }));
    const outputs: [Value, ...Value[]] = [output, ...others];
    this.nodes.push({ ...node, outputs });
    return outputs;
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

  /**
   * ONNX `Scan` over the first axis of `scanned`, which all have the same size there.
   *
   * `body` gets the state and one slice of each, and returns the new state and what to collect; it may use values of
   * this graph. Returns the last state and the collected slices, stacked along a new first axis.
   */
  scan(
    state: readonly Value[],
    scanned: readonly [Value, ...Value[]],
    body: (
      graph: GraphBuilder,
      state: readonly Value[],
      slices: readonly Value[],
    ) => { readonly state: readonly Value[]; readonly collected: readonly Value[] },
  ): { readonly state: readonly Value[]; readonly collected: readonly Value[] } {
    const inner = new GraphBuilder(this);
    inner.#prefix = `${this.#prefix}step/`;
    const enter = (value: Value, shape: Shape): Value =>
      inner.input(`${value.name}_in`, value.dtype, shape);
    const carried = state.map((value) => enter(value, value.shape));
    const slices = scanned.map((value) => enter(value, value.shape.slice(1)));
    const made = body(inner, carried, slices);
    // Every output of a body must be a value of its own.
    for (const value of [...made.state, ...made.collected]) {
      inner.output(inner.add('Identity', [value]));
    }
    const name = this.#fresh(`${this.#prefix}Scan`);
    const steps = scanned[0].shape[0] ?? 1;
    const lasts = state.map((value, i) => ({
      ...value,
      shape: made.state[i]?.shape ?? value.shape,
      name: this.#fresh(`${name}_state${i}`),
    }));
    const collected = made.collected.map((value, i) => ({
      ...value,
      shape: [steps, ...value.shape],
      name: this.#fresh(`${name}_out${i}`),
    }));
    const [first, ...others] = [...lasts, ...collected];
    const [head, ...tail] = [...state, ...scanned];
    if (!first || !head) throw new Error('Bug: a Scan carries or collects at least one value');
    this.nodes.push({
      op: 'Scan',
      name,
      inputs: [head, ...tail],
      outputs: [first, ...others],
      attributes: { num_scan_inputs: scanned.length },
      body: inner,
    });
    return { state: lasts, collected };
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

  /**
   * Gives a value that a node put out another name, such as that of the Keras layer it is the result of, and another
   * shape where the caller knows it better. Nodes that use it follow; values that were handed out before do not.
   */
  rename(value: Value, name: string, shape: Shape = value.shape): Value {
    const at = this.nodes.findLastIndex(({ outputs }) => outputs.includes(value));
    if (at < 0) throw new Error(`Bug: no node put out "${value.name}"`);
    const renamed: Value = {
      ...value,
      shape,
      name: name === value.name ? name : this.#fresh(name),
    };
    this.#replace(value, renamed, at);
    return renamed;
  }

  /** The value, of whose numbers something is known. Nodes that use it follow, as with `rename`. */
  know(value: Value, known: readonly (number | undefined)[]): Value {
    const at = this.nodes.findLastIndex(({ outputs }) => outputs.includes(value));
    if (at < 0) return value;
    const told: Value = { ...value, known };
    this.#replace(value, told, at);
    return told;
  }

  /** Whether one of the nodes from the number `first` on puts this value out. */
  isMadeSince(first: number, value: Value): boolean {
    return this.nodes.slice(first).some(({ outputs }) => outputs.includes(value));
  }

  #replace(value: Value, by: Value, from: number): void {
    const swap = (other: Value): Value => (other === value ? by : other);
    for (let i = from; i < this.nodes.length; i++) {
      const node = this.nodes[i];
      if (!node) continue;
      const [first, ...others] = node.outputs;
      const inputs: readonly (Value | undefined)[] = node.inputs;
      const isUsed = inputs.includes(value) || node.outputs.includes(value);
      if (node.body) node.body.#replace(value, by, 0);
      if (!isUsed) continue;
      this.nodes[i] = {
        ...node,
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as many inputs as before, one of them renamed
        inputs: inputs.map((input) => input && swap(input)) as unknown as Node['inputs'],
        outputs: [swap(first), ...others.map(swap)],
      };
    }
    for (const [i, output] of this.outputs.entries()) this.outputs[i] = swap(output);
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
