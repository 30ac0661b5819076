// src/tensor.ts
var dtypeBytes = {
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float64: 8,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1
};
function sizeOf(shape) {
  return shape.reduce((product2, dim) => product2 * dim, 1);
}
function byteLengthOf(source) {
  return sizeOf(source.shape) * dtypeBytes[source.dtype];
}

// src/source.ts
var chunkBytes = 4 * 1024 * 1024;
var spare = [];
function* lend(bytes, loop) {
  const isUsual = bytes <= chunkBytes;
  const buffer = () => (isUsual ? spare.pop() : void 0) ?? new Uint8Array(Math.max(bytes, chunkBytes));
  const [first, second] = [buffer(), buffer()];
  try {
    yield* loop(first, second);
  } finally {
    if (isUsual) spare.push(first, second);
  }
}
function sourceOf(dtype, shape, read) {
  const total = sizeOf(shape);
  return {
    dtype,
    shape,
    read,
    chunks() {
      const step = chunkElements(dtype, shape);
      return lend(step * dtypeBytes[dtype], function* (buffer) {
        for (let start = 0; start < total; start += step) {
          yield read(start, Math.min(step, total - start), buffer);
        }
      });
    }
  };
}
function chunkElements(dtype, shape) {
  const limit2 = chunkBytes / dtypeBytes[dtype];
  let block = 1;
  for (const dim of shape.toReversed()) {
    if (block * dim > limit2) break;
    block *= Math.max(dim, 1);
  }
  return block * Math.max(1, Math.floor(limit2 / block));
}
function bytesSource(dtype, shape, bytes) {
  const width = dtypeBytes[dtype];
  if (bytes.byteLength !== sizeOf(shape) * width) {
    throw new Error(`Bug: ${bytes.byteLength} bytes do not fill ${dtype} [${shape.join(", ")}]`);
  }
  return sourceOf(
    dtype,
    shape,
    (start, count) => bytes.subarray(start * width, (start + count) * width)
  );
}
function floatSource(shape, numbers) {
  const array = numbers instanceof Float32Array ? numbers : Float32Array.from(numbers);
  return bytesSource(
    "float32",
    shape,
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
  );
}

// src/onnx/shapes.ts
function misfit(what) {
  return new Error(`Bug: ${what}`);
}
function broadcast(a, b) {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[i - rank + a.length] ?? 1;
    const y = b[i - rank + b.length] ?? 1;
    if (x === 1) return y;
    if (y === 1 || x === y || typeof y === "string") return x;
    if (typeof x === "string") return y;
    throw misfit(`[${a.join(", ")}] and [${b.join(", ")}] do not broadcast`);
  });
}
function matrixProduct(a, b) {
  const inner = a.at(-1);
  const other = b.length === 1 ? b[0] : b.at(-2);
  if (typeof inner === "number" && typeof other === "number" && inner !== other) {
    throw misfit(`[${a.join(", ")}] \xB7 [${b.join(", ")}]: inner sizes differ`);
  }
  const batch = broadcast(a.slice(0, -2), b.slice(0, -2));
  return [...batch, ...a.slice(-2, -1), ...b.length > 1 ? b.slice(-1) : []];
}
function windowed(spatial, window) {
  const rank = spatial.length;
  return spatial.map((dim, i) => {
    const kernel = ((window.kernel_shape[i] ?? 1) - 1) * (window.dilations?.[i] ?? 1) + 1;
    const pads = (window.pads[i] ?? 0) + (window.pads[i + rank] ?? 0);
    const stride = window.strides[i] ?? 1;
    if (typeof dim === "string") return stride === 1 && pads === kernel - 1 ? dim : `${dim}_out`;
    const steps = (dim + pads - kernel) / stride;
    return (window.ceil_mode === 1 ? Math.ceil(steps) : Math.floor(steps)) + 1;
  });
}
function convolved(x, w, attributes) {
  return [x[0] ?? 1, w[0] ?? 1, ...windowed(x.slice(2), attributes)];
}
function pooled(x, attributes) {
  return [...x.slice(0, 2), ...windowed(x.slice(2), attributes)];
}
function unpooled(x, attributes) {
  return transposedConvolved(x, [1, x[1] ?? 1], { ...attributes, group: 1 });
}
function transposedConvolved(x, w, attributes) {
  const rank = x.length - 2;
  const spatial = x.slice(2).map((dim, i) => {
    if (typeof dim === "string") return `${dim}_out`;
    const kernel = ((attributes.kernel_shape[i] ?? 1) - 1) * (attributes.dilations?.[i] ?? 1) + 1;
    const pads = (attributes.pads[i] ?? 0) + (attributes.pads[i + rank] ?? 0);
    const extra = attributes.output_padding?.[i] ?? 0;
    return (dim - 1) * (attributes.strides[i] ?? 1) + kernel - pads + extra;
  });
  return [x[0] ?? 1, Number(w[1] ?? 1) * attributes.group, ...spatial];
}
function constantOf(value) {
  if (value.constant) return value.constant;
  throw misfit(`"${value.name}" must be a constant for its shape to be known`);
}
function product(dims) {
  const sizes = dims.filter((dim) => dim !== 1);
  const symbolic = sizes.filter((dim) => typeof dim === "string");
  if (symbolic.length === 0) return sizes.reduce((a, b) => a * Number(b), 1);
  return sizes.length === 1 ? symbolic[0] ?? 1 : sizes.join("*");
}
function reshapedTo(x, target) {
  if (!target.constant) {
    return Array.from({ length: Number(target.shape[0] ?? 1) }, (_, i) => `${target.name}_${i}`);
  }
  const dims = constantOf(target).map((dim, axis) => dim === 0 ? x[axis] ?? 1 : dim);
  const open2 = dims.indexOf(-1);
  if (open2 < 0) return dims;
  const rest = [...x];
  let known = 1;
  for (const dim of dims) {
    if (dim === -1) continue;
    const same = rest.indexOf(dim);
    if (same >= 0) rest.splice(same, 1);
    else if (typeof dim === "number") known *= dim;
    else throw misfit(`"${dim}" is not in [${x.join(", ")}]`);
  }
  return dims.with(open2, quotient(rest, known));
}
function quotient(dims, known) {
  const all = product(dims);
  if (typeof all === "number") return all / known;
  const numeric = dims.reduce((n, dim) => typeof dim === "number" ? n * dim : n, 1);
  const symbolic = dims.filter((dim) => typeof dim === "string");
  return numeric === known ? product(symbolic) : `${product(symbolic)}*${numeric}/${known}`;
}
function flattened(x, axis) {
  const at = axis < 0 ? axis + x.length : axis;
  return [product(x.slice(0, at)), product(x.slice(at))];
}
function insertAxes(x, axes) {
  const added = constantOf(axes);
  const rank = x.length + added.length;
  const places = new Set(added.map((axis) => axis < 0 ? axis + rank : axis));
  const rest = [...x];
  return Array.from({ length: rank }, (_, i) => places.has(i) ? 1 : rest.shift() ?? 1);
}
function dropAxes(x, axes) {
  const dropped3 = new Set(constantOf(axes).map((axis) => axis < 0 ? axis + x.length : axis));
  return x.filter((_, axis) => !dropped3.has(axis));
}
function expanded(x, target) {
  return target.constant ? broadcast(x, target.constant) : Array.from({ length: Number(target.shape[0] ?? x.length) }, (_, i) => x[i] ?? 1);
}
function concatenated(shapes2, axis) {
  const [first = [], ...others2] = shapes2;
  const at = axis < 0 ? axis + first.length : axis;
  return first.with(
    at,
    others2.reduce((sum2, other) => add(sum2, other[at] ?? 1), first[at] ?? 1)
  );
}
function add(a, b) {
  return typeof a === "number" && typeof b === "number" ? a + b : `${a}+${b}`;
}
function sliced(x, { starts, ends, axes, steps }) {
  const count = Number(starts.shape[0] ?? 1);
  const along = axes ? constantOf(axes) : Array.from({ length: count }, (_, i) => i);
  const result = [...x];
  along.forEach((axis, i) => {
    const at = axis < 0 ? axis + x.length : axis;
    const dim = x[at] ?? 1;
    const start = starts.constant?.[i];
    const end = ends.constant?.[i];
    const step = steps ? constantOf(steps)[i] : 1;
    result[at] = typeof dim === "string" || start === void 0 || end === void 0 ? sliceSymbol(dim, start, step) : sliceSize(dim, { start, end, step: step ?? 1 });
  });
  return result;
}
function sliceSymbol(dim, start, step) {
  const isWhole = start === 0 && step === 1 || start === -1 && step === -1;
  return isWhole && typeof dim === "string" ? dim : `${dim}_slice`;
}
function sliceSize(dim, range) {
  const { step } = range;
  const low = step > 0 ? 0 : -1;
  const high = step > 0 ? dim : dim - 1;
  const clamp = (at) => Math.max(low, Math.min(high, at < 0 ? Math.max(at + dim, low) : at));
  return Math.max(0, Math.ceil((clamp(range.end) - clamp(range.start)) / step));
}
function gathered(x, indices, axis) {
  const at = axis < 0 ? axis + x.length : axis;
  return [...x.slice(0, at), ...indices, ...x.slice(at + 1)];
}
function padded(x, pads) {
  const sizes = constantOf(pads);
  return x.map((dim, axis) => {
    const extra = (sizes[axis] ?? 0) + (sizes[axis + x.length] ?? 0);
    return extra === 0 ? dim : add(dim, extra);
  });
}
function resized(x, scales, sizes) {
  if (sizes?.constant) return sizes.constant;
  const factors = scales?.constant;
  if (!factors) throw misfit("Resize needs constant scales or sizes");
  return x.map((dim, axis) => {
    const factor = factors[axis] ?? 1;
    if (factor === 1) return dim;
    return typeof dim === "number" ? Math.floor(dim * factor) : `${dim}*${factor}`;
  });
}
function reduced(x, axes, keepdims) {
  const along = new Set(axes?.map((axis) => axis < 0 ? axis + x.length : axis));
  return x.flatMap((dim, axis) => {
    if (!along.has(axis)) return [dim];
    return keepdims === 1 ? [1] : [];
  });
}
function tiled(x, repeats) {
  const counts = constantOf(repeats);
  return x.map((dim, axis) => product([dim, counts[axis] ?? 1]));
}
function topped(x, k, axis) {
  const at = axis < 0 ? axis + x.length : axis;
  return x.with(at, k.constant?.[0] ?? x[at] ?? 1);
}
function splits(x, sizes, axis) {
  const at = axis < 0 ? axis + x.length : axis;
  return constantOf(sizes).map((size2) => x.with(at, size2));
}
function blocked([batch = 1, channels = 1, ...space], size2) {
  return [
    batch,
    Number(channels) * size2 * size2,
    ...space.map((dim) => typeof dim === "number" ? dim / size2 : `${dim}/${size2}`)
  ];
}
function contracted(shapes2, equation) {
  const [left = "", right = ""] = equation.replaceAll(" ", "").split("->");
  const sizes = /* @__PURE__ */ new Map();
  let rest = [];
  left.split(",").forEach((term, i) => {
    const shape = shapes2[i] ?? [];
    const [before = "", after] = term.split("...");
    const open2 = after === void 0 ? 0 : shape.length - before.length - after.length;
    if (after !== void 0) {
      rest = broadcast(rest, shape.slice(before.length, before.length + open2));
    }
    [...before].forEach((letter, at) => sizes.set(letter, shape[at] ?? 1));
    [...after ?? ""].forEach(
      (letter, at) => sizes.set(letter, shape[before.length + open2 + at] ?? 1)
    );
  });
  return right.split(/(\.\.\.)/).flatMap((part) => part === "..." ? rest : [...part].map((letter) => sizes.get(letter) ?? 1));
}

// src/onnx/ops.ts
var sameAsFirst = { shape: ([x]) => x.shape };
var elementwise = {
  shape: ([a, b]) => broadcast(a.shape, b.shape)
};
var comparison = { ...elementwise, dtype: () => "bool" };
var reduction = {
  shape: ([x], { axes, keepdims }) => reduced(x.shape, axes, keepdims)
};
var position = {
  shape: ([x], { axis, keepdims }) => reduced(x.shape, [axis], keepdims),
  dtype: () => "int64"
};
function recurrent(states) {
  const dirs = ({ direction }) => direction === "bidirectional" ? 2 : 1;
  return {
    shape: ([x], attributes) => [
      x.shape[0] ?? 1,
      dirs(attributes),
      x.shape[1] ?? 1,
      attributes.hidden_size
    ],
    more: ([x], attributes) => Array.from({ length: states }, () => ({
      shape: [dirs(attributes), x.shape[1] ?? 1, attributes.hidden_size],
      dtype: x.dtype
    }))
  };
}
var opRules = {
  Add: elementwise,
  Sub: elementwise,
  Mul: elementwise,
  Div: elementwise,
  Pow: elementwise,
  Max: elementwise,
  Min: elementwise,
  Mod: elementwise,
  Neg: sameAsFirst,
  Abs: sameAsFirst,
  Sign: sameAsFirst,
  Floor: sameAsFirst,
  Ceil: sameAsFirst,
  Round: sameAsFirst,
  Reciprocal: sameAsFirst,
  Sin: sameAsFirst,
  Cos: sameAsFirst,
  Tan: sameAsFirst,
  Asin: sameAsFirst,
  Acos: sameAsFirst,
  Atan: sameAsFirst,
  Sinh: sameAsFirst,
  Cosh: sameAsFirst,
  Asinh: sameAsFirst,
  Acosh: sameAsFirst,
  Atanh: sameAsFirst,
  Exp: sameAsFirst,
  Log: sameAsFirst,
  Sqrt: sameAsFirst,
  Erf: sameAsFirst,
  Relu: sameAsFirst,
  Sigmoid: sameAsFirst,
  Tanh: sameAsFirst,
  Softplus: sameAsFirst,
  Softsign: sameAsFirst,
  Elu: sameAsFirst,
  Selu: sameAsFirst,
  LeakyRelu: sameAsFirst,
  ThresholdedRelu: sameAsFirst,
  HardSigmoid: sameAsFirst,
  PRelu: { shape: ([x]) => x.shape },
  Clip: { shape: ([x]) => x.shape },
  Identity: sameAsFirst,
  Cast: { shape: ([x]) => x.shape, dtype: (_, { to }) => to },
  Equal: comparison,
  Greater: comparison,
  Less: comparison,
  GreaterOrEqual: comparison,
  LessOrEqual: comparison,
  And: comparison,
  Or: comparison,
  Xor: comparison,
  Not: { ...sameAsFirst, dtype: () => "bool" },
  IsNaN: { ...sameAsFirst, dtype: () => "bool" },
  Where: {
    shape: ([condition, a, b]) => broadcast(condition.shape, broadcast(a.shape, b.shape)),
    dtype: ([, a]) => a.dtype
  },
  MatMul: { shape: ([a, b]) => matrixProduct(a.shape, b.shape) },
  Gemm: {
    shape: ([a, b], { transA, transB }) => [
      a.shape.at(transA === 1 ? 1 : 0) ?? 1,
      b.shape.at(transB === 1 ? 0 : 1) ?? 1
    ]
  },
  Conv: { shape: ([x, w], attributes) => convolved(x.shape, w.shape, attributes) },
  ConvTranspose: {
    shape: ([x, w], attributes) => transposedConvolved(x.shape, w.shape, attributes)
  },
  MaxPool: {
    shape: ([x], attributes) => pooled(x.shape, attributes),
    more: ([x], attributes) => attributes.storage_order === void 0 ? [] : [{ shape: pooled(x.shape, attributes), dtype: "int64" }]
  },
  MaxUnpool: {
    shape: ([x, , shape], attributes) => shape?.constant ?? unpooled(x.shape, attributes)
  },
  AveragePool: { shape: ([x], attributes) => pooled(x.shape, attributes) },
  GlobalAveragePool: { shape: ([x]) => x.shape.map((dim, axis) => axis < 2 ? dim : 1) },
  GlobalMaxPool: { shape: ([x]) => x.shape.map((dim, axis) => axis < 2 ? dim : 1) },
  BatchNormalization: { shape: ([x]) => x.shape },
  LayerNormalization: { shape: ([x]) => x.shape },
  InstanceNormalization: { shape: ([x]) => x.shape },
  Einsum: {
    shape: (inputs, { equation }) => contracted(
      inputs.map((input) => input.shape),
      equation
    )
  },
  LSTM: recurrent(2),
  GRU: recurrent(1),
  RNN: recurrent(1),
  Softmax: sameAsFirst,
  LogSoftmax: sameAsFirst,
  Transpose: { shape: ([x], { perm }) => perm.map((axis) => x.shape[axis] ?? 1) },
  Reshape: { shape: ([x, shape]) => reshapedTo(x.shape, shape) },
  Flatten: { shape: ([x], { axis }) => flattened(x.shape, axis) },
  Unsqueeze: { shape: ([x, axes]) => insertAxes(x.shape, axes) },
  Squeeze: { shape: ([x, axes]) => dropAxes(x.shape, axes) },
  Expand: { shape: ([x, shape]) => expanded(x.shape, shape) },
  Concat: {
    shape: (inputs, { axis }) => concatenated(
      inputs.map((input) => input.shape),
      axis
    )
  },
  Slice: {
    shape: ([x, starts, ends, axes, steps]) => sliced(x.shape, { starts, ends, axes, steps })
  },
  Gather: { shape: ([x, indices], { axis }) => gathered(x.shape, indices.shape, axis) },
  GatherElements: { shape: ([, indices]) => indices.shape },
  ScatterElements: { shape: ([x]) => x.shape },
  Tile: { shape: ([x, repeats]) => tiled(x.shape, repeats) },
  CumSum: { shape: ([x]) => x.shape },
  TopK: {
    shape: ([x, k], { axis }) => topped(x.shape, k, axis),
    more: ([x, k], { axis }) => [{ shape: topped(x.shape, k, axis), dtype: "int64" }]
  },
  Split: {
    shape: ([x, sizes], { axis }) => splits(x.shape, sizes, axis)[0] ?? x.shape,
    more: ([x, sizes], { axis }) => splits(x.shape, sizes, axis).slice(1).map((shape) => ({ shape, dtype: x.dtype }))
  },
  SpaceToDepth: { shape: ([x], { blocksize }) => blocked(x.shape, blocksize) },
  DepthToSpace: { shape: ([x], { blocksize }) => blocked(x.shape, 1 / blocksize) },
  ConstantOfShape: {
    shape: ([shape]) => shape.constant ?? Array.from({ length: Number(shape.shape[0]) }, () => "?"),
    dtype: () => "float32"
  },
  Trilu: { shape: ([x]) => x.shape },
  Pad: { shape: ([x, pads]) => padded(x.shape, pads) },
  Resize: { shape: ([x, , scales, sizes]) => resized(x.shape, scales, sizes) },
  ReduceSum: { shape: ([x, axes], { keepdims }) => reduced(x.shape, axes.constant, keepdims) },
  ReduceMean: reduction,
  ReduceMax: reduction,
  ReduceMin: reduction,
  ReduceProd: reduction,
  ReduceL2: reduction,
  ReduceLogSumExp: reduction,
  ArgMax: position,
  ArgMin: position,
  Shape: { shape: ([x]) => [x.shape.length], dtype: () => "int64" },
  Range: { shape: () => ["range"] },
  Loop: {
    shape: () => {
      throw new Error("Bug: a Loop is added with GraphBuilder.loop");
    }
  },
  Scan: {
    shape: () => {
      throw new Error("Bug: a Scan is added with GraphBuilder.scan");
    }
  }
};

// src/onnx/graph.ts
var GraphBuilder = class _GraphBuilder {
  inputs = [];
  outputs = [];
  nodes = [];
  initializers = /* @__PURE__ */ new Map();
  #constants = /* @__PURE__ */ new Map();
  #used;
  #outer;
  #prefix = "";
  /** A graph of its own, or, inside `outer`, a body whose nodes may use the values of `outer`. */
  constructor(outer) {
    this.#outer = outer;
    this.#used = outer ? outer.#used : /* @__PURE__ */ new Set();
  }
  input(name, dtype, shape) {
    const value = { name: this.#fresh(name), dtype, shape };
    this.inputs.push(value);
    return value;
  }
  output(value) {
    this.outputs.push(value);
  }
  /** A weight. Its name is kept as given unless it is taken. */
  initializer(name, source) {
    if (this.#outer) return this.#outer.initializer(name, source);
    const value = { name: this.#fresh(name), dtype: source.dtype, shape: source.shape };
    this.initializers.set(value.name, source);
    return value;
  }
  /** A small list of whole numbers, such as axes or a shape. Equal lists are kept once. */
  integers(name, numbers, shape = [numbers.length]) {
    return this.#constant(
      `int64 ${shape.join()} ${numbers.join()}`,
      numbers,
      () => this.initializer(name, {
        ...bytesSource(
          "int64",
          shape.map(Number),
          new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer)
        )
      })
    );
  }
  /** A few float32 numbers, such as a mean; a scalar by default. Equal ones are kept once. */
  floats(name, numbers, shape = []) {
    return this.#constant(
      `float32 ${shape.join()} ${numbers.join()}`,
      numbers,
      () => this.initializer(name, floatSource(shape, numbers))
    );
  }
  /** A constant that is made once, whoever asks for it: masks, tables. */
  shared(name, make) {
    const root2 = this.#root();
    const key = `shared ${name}`;
    const known = root2.#constants.get(key) ?? root2.initializer(name, make());
    root2.#constants.set(key, known);
    return known;
  }
  #constant(key, numbers, make) {
    const root2 = this.#root();
    const known = root2.#constants.get(key) ?? { ...make(), constant: numbers };
    root2.#constants.set(key, known);
    return known;
  }
  /** Adds a node and returns its first output. */
  add(op, inputs, ...rest) {
    return this.addAll(op, inputs, ...rest)[0];
  }
  /** Adds a node and returns all its outputs. */
  addAll(op, inputs, ...rest) {
    const attributes = rest[0] ?? {};
    const name = this.#fresh(`${this.#prefix}${op}`);
    return this.#push(
      { op, inputs, attributes, name },
      (i) => i === 0 ? name : this.#fresh(`${name}_out${i}`)
    );
  }
  /** Adds a node of another graph under its own names, as far as they are free; returns all its outputs. */
  copy({
    op,
    name,
    outputs
  }, inputs, attributes) {
    const names = outputs.map((output) => this.#fresh(output));
    const own = outputs[0] === name ? names[0] ?? name : this.#fresh(name);
    return this.#push({ op, inputs, attributes, name: own }, (i) => {
      return names[i] ?? this.#fresh(`${own}_out${i}`);
    });
  }
  #push(node, nameOf) {
    const { inputs, attributes } = node;
    const rule = opRules[node.op];
    const output = {
      name: nameOf(0),
      dtype: rule.dtype?.(inputs, attributes) ?? inputs[0].dtype,
      shape: rule.shape(inputs, attributes)
    };
    const more = rule.more?.(inputs, attributes) ?? [];
    const others2 = more.map((type, i) => ({ ...type, name: nameOf(i + 1) }));
    const outputs = [output, ...others2];
    this.nodes.push({ ...node, outputs });
    return outputs;
  }
  /**
   * ONNX `Loop` over a fixed number of trips.
   *
   * `body` gets the trip's number (an int64 scalar) and the state, and returns the new state; it may use values of
   * this graph. Returns the last state.
   */
  loop(trips, state, body) {
    const inner = new _GraphBuilder(this);
    const trip = inner.input("trip", "int64", []);
    const going = inner.input("going", "bool", []);
    const carried = state.map((value) => inner.input(`${value.name}_in`, value.dtype, value.shape));
    inner.output(inner.add("Identity", [going]));
    for (const value of body(inner, trip, carried)) inner.output(value);
    const name = this.#fresh("Loop");
    const always = this.#constant(
      "bool true",
      [1],
      () => this.initializer("true", bytesSource("bool", [], Uint8Array.of(1)))
    );
    const [first, ...others2] = state.map((value) => ({
      ...value,
      name: this.#fresh(`${value.name}_out`)
    }));
    if (!first) throw new Error("Bug: a Loop carries at least one value");
    const outputs = [first, ...others2];
    const inputs = [trips, always, ...state];
    this.nodes.push({ op: "Loop", name, inputs, outputs, attributes: {}, body: inner });
    return outputs;
  }
  /**
   * ONNX `Scan` over the first axis of `scanned`, which all have the same size there.
   *
   * `body` gets the state and one slice of each, and returns the new state and what to collect; it may use values of
   * this graph. Returns the last state and the collected slices, stacked along a new first axis.
   */
  scan(state, scanned, body) {
    const inner = new _GraphBuilder(this);
    inner.#prefix = `${this.#prefix}step/`;
    const enter = (value, shape) => inner.input(`${value.name}_in`, value.dtype, shape);
    const carried = state.map((value) => enter(value, value.shape));
    const slices = scanned.map((value) => enter(value, value.shape.slice(1)));
    const made = body(inner, carried, slices);
    for (const value of [...made.state, ...made.collected]) {
      inner.output(inner.add("Identity", [value]));
    }
    const name = this.#fresh(`${this.#prefix}Scan`);
    const steps = scanned[0].shape[0] ?? 1;
    const lasts = state.map((value, i) => ({
      ...value,
      shape: made.state[i]?.shape ?? value.shape,
      name: this.#fresh(`${name}_state${i}`)
    }));
    const collected = made.collected.map((value, i) => ({
      ...value,
      shape: [steps, ...value.shape],
      name: this.#fresh(`${name}_out${i}`)
    }));
    const [first, ...others2] = [...lasts, ...collected];
    const [head, ...tail] = [...state, ...scanned];
    if (!first || !head) throw new Error("Bug: a Scan carries or collects at least one value");
    this.nodes.push({
      op: "Scan",
      name,
      inputs: [head, ...tail],
      outputs: [first, ...others2],
      attributes: { num_scan_inputs: scanned.length },
      body: inner
    });
    return { state: lasts, collected };
  }
  /** Names of nodes added by `emit` begin with `layer/`. */
  within(layer, emit) {
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
  rename(value, name, shape = value.shape) {
    const at = this.nodes.findLastIndex(({ outputs }) => outputs.includes(value));
    if (at < 0) throw new Error(`Bug: no node put out "${value.name}"`);
    const renamed = {
      ...value,
      shape,
      name: name === value.name ? name : this.#fresh(name)
    };
    this.#replace(value, renamed, at);
    return renamed;
  }
  /** Whether one of the nodes from the number `first` on puts this value out. */
  isMadeSince(first, value) {
    return this.nodes.slice(first).some(({ outputs }) => outputs.includes(value));
  }
  #replace(value, by, from) {
    const swap = (other) => other === value ? by : other;
    for (let i = from; i < this.nodes.length; i++) {
      const node = this.nodes[i];
      if (!node) continue;
      const [first, ...others2] = node.outputs;
      const inputs = node.inputs;
      const isUsed = inputs.includes(value) || node.outputs.includes(value);
      if (node.body) node.body.#replace(value, by, 0);
      if (!isUsed) continue;
      this.nodes[i] = {
        ...node,
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as many inputs as before, one of them renamed
        inputs: inputs.map((input) => input && swap(input)),
        outputs: [swap(first), ...others2.map(swap)]
      };
    }
    for (const [i, output] of this.outputs.entries()) this.outputs[i] = swap(output);
  }
  #root() {
    return this.#outer ? this.#outer.#root() : this;
  }
  #fresh(stem) {
    let name = stem;
    for (let i = 1; this.#used.has(name); i++) name = `${stem}_${i}`;
    this.#used.add(name);
    return name;
  }
};

// src/errors.ts
var ToolkitError = class extends Error {
  name = "ToolkitError";
  code;
  where;
  hint;
  constructor(code, what, options) {
    const where2 = options.where ?? {};
    const place = [
      where2.file,
      where2.path,
      where2.layer && `layer "${where2.layer}"`,
      where2.node && `node "${where2.node}"`
    ].filter(Boolean).join(", ");
    super(place ? `${what}
  at ${place}
  ${options.hint}` : `${what}
  ${options.hint}`, {
      cause: options.cause
    });
    this.code = code;
    this.where = where2;
    this.hint = options.hint;
  }
};

// src/onnx/schema.ts
import onnxProto from "onnx-proto";

// src/onnx/wire.ts
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import protobuf from "protobufjs/minimal.js";

// src/onnx/foreign.ts
var foreign = [
  {
    begins: "\x89HDF\r\n\n",
    is: "an HDF5 file, such as Keras writes",
    hint: "Turn it into ONNX first: graft convert FILE."
  },
  {
    begins: "version https://git-lfs",
    is: "a Git LFS pointer, not the file itself",
    hint: 'Run "git lfs pull" in the repository it came from, or download the file itself.'
  },
  {
    begins: "<",
    is: "a web page (HTML or XML), not the file itself",
    hint: "The download link led to a page: download the raw file."
  },
  {
    begins: "PK",
    is: "a zip archive",
    hint: "Unpack it and give the file inside; a .keras archive is turned into ONNX first."
  }
];
function foreignFault(file, head) {
  const text = Buffer.from(head).toString("latin1");
  const found = foreign.find(({ begins }) => text.startsWith(begins));
  if (!found) return void 0;
  return new ToolkitError("FILE_UNRECOGNISED", `Expected an ONNX file, but found ${found.is}`, {
    where: { file },
    hint: found.hint
  });
}

// src/onnx/wire.ts
function lengthOf(pieces) {
  return pieces.reduce((sum2, piece) => sum2 + piece.byteLength, 0);
}
function* bytesOf(pieces) {
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) yield piece;
    else yield* piece.chunks();
  }
}
function joined(pieces) {
  const out = new Uint8Array(lengthOf(pieces));
  let at = 0;
  for (const bytes of bytesOf(pieces)) {
    out.set(bytes, at);
    at += bytes.byteLength;
  }
  return out;
}
function field(number, content) {
  const head = protobuf.Writer.create().uint32(number << 3 | 2).uint64(lengthOf(content)).finish();
  return [head, ...content];
}
function textField(number, text) {
  return field(number, [new TextEncoder().encode(text)]);
}
function numberField(number, value) {
  return [
    protobuf.Writer.create().uint32(number << 3).uint64(value).finish()
  ];
}
var FileRanges = class {
  path;
  size;
  /** Changes when the file is written to. */
  stamp;
  #fd;
  constructor(path) {
    this.path = path;
    try {
      this.#fd = openSync(path, "r");
    } catch (error) {
      throw unreadable(path, error);
    }
    const stats = fstatSync(this.#fd);
    this.size = stats.size;
    this.stamp = `${stats.size} ${stats.mtimeMs} ${stats.ino}`;
    if (stats.isFile()) return;
    closeSync(this.#fd);
    throw new ToolkitError("FILE_UNREADABLE", "A file is needed, but this is a folder or device", {
      where: { file: path },
      hint: "Give the path of a file."
    });
  }
  read(start, length, into) {
    const bytes = into ? into.subarray(0, length) : new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const count = readSync(this.#fd, bytes, done, length - done, start + done);
      if (count === 0) throw truncated(this.path, start + length, start + done);
      done += count;
    }
    return bytes;
  }
  close() {
    closeSync(this.#fd);
  }
};
function unreadable(path, cause) {
  const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
  return new ToolkitError(
    isMissing ? "FILE_MISSING" : "FILE_UNREADABLE",
    isMissing ? "The file does not exist" : "The file cannot be opened",
    {
      where: { file: path },
      hint: isMissing ? "Check the path." : "Check the permissions of the file.",
      cause
    }
  );
}
function truncated(path, expected, found) {
  return new ToolkitError(
    "FILE_TRUNCATED",
    `The file should go on to byte ${expected}, but it ends at byte ${found}`,
    { where: { file: path }, hint: "Copy or download the file again." }
  );
}
var windowBytes = 64 * 1024;
var tagBytes = 20;
function* fieldsOf(file, from, to) {
  let window = new Uint8Array(0);
  let windowStart = from;
  let at = from;
  while (at < to) {
    const inWindow = at - windowStart;
    if (inWindow < 0 || inWindow + tagBytes > window.byteLength) {
      window = new Uint8Array(file.read(at, Math.min(windowBytes, to - at)));
      windowStart = at;
    }
    const next = fieldAt(window.subarray(at - windowStart), at);
    if (!next || next.end > to) throw notProtobuf(file, at, next?.end);
    yield next;
    at = next.end;
  }
}
var fixedBytes = { 1: 8, 5: 4 };
function fieldAt(bytes, start) {
  const reader = protobuf.Reader.create(bytes);
  try {
    const tag = reader.uint32();
    const type = tag & 7;
    const number = tag >>> 3;
    if (number === 0) return void 0;
    if (type === 0 || type === 2) {
      const value = Number(reader.uint64());
      const content2 = start + reader.pos;
      const end = type === 2 ? content2 + value : content2;
      return { number, type, start, content: content2, end, value };
    }
    const width = fixedBytes[type];
    const content = start + reader.pos;
    if (!width) return void 0;
    return { number, type, start, content, end: content + width, value: 0 };
  } catch {
    return void 0;
  }
}
function notProtobuf(file, at, end) {
  const foreign2 = foreignFault(file.path, file.read(0, Math.min(32, file.size)));
  if (foreign2) return foreign2;
  if (end !== void 0 && end > file.size && at > 0) return truncated(file.path, end, file.size);
  return new ToolkitError("ONNX_INVALID", `No ONNX field can be read at byte ${at}`, {
    where: { file: file.path },
    hint: "Check that this is a complete ONNX file: it may be another format, cut short, or damaged."
  });
}

// src/onnx/schema.ts
var { onnx } = onnxProto;
var irVersion = 8;
var opset = 17;
var modelField = { irVersion: 1, graph: 7, opsetImport: 8, metadata: 14 };
var graphField = {
  node: 1,
  name: 2,
  initializer: 5,
  input: 11,
  output: 12,
  valueInfo: 13
};
var tensorField = {
  dims: 1,
  dataType: 2,
  name: 8,
  rawData: 9,
  externalData: 13,
  dataLocation: 14
};
var dataTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16
};
var dtypes = new Map(
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.entries forgets the keys of a constant table
  Object.entries(dataTypes).map(([dtype, code]) => [code, dtype])
);
function dtypeOf(dataType) {
  return dtypes.get(dataType);
}
var floatAttributes = /* @__PURE__ */ new Set(["alpha", "beta", "gamma", "epsilon", "cubic_coeff_a"]);
function attributeOf(name, value) {
  const { AttributeType } = onnx.AttributeProto;
  if (name === "to") {
    return { name, type: AttributeType.INT, i: dataTypes[value] };
  }
  if (typeof value === "string") {
    return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value) };
  }
  if (Array.isArray(value)) return { name, type: AttributeType.INTS, ints: value.map(Number) };
  if (floatAttributes.has(name)) return { name, type: AttributeType.FLOAT, f: Number(value) };
  return { name, type: AttributeType.INT, i: Number(value) };
}
function encodeNode(node, rename) {
  const inputs = node.inputs;
  const attribute = Object.entries(node.attributes).filter(([, value]) => value !== void 0).map(([name, value]) => attributeOf(name, value));
  const proto = onnx.NodeProto.encode({
    opType: node.op,
    name: rename(node.name),
    input: trimmed(inputs.map((input) => input ? rename(input.name) : "")),
    output: node.outputs.map((output) => rename(output.name)),
    attribute
  }).finish();
  if (!node.body) return proto;
  const body = onnx.AttributeProto.encode({
    name: "body",
    type: onnx.AttributeProto.AttributeType.GRAPH
  }).finish();
  const graph = joined(encodeGraph(node.body, "body", rename));
  return joined([proto, ...field(5, [body, ...field(6, [graph])])]);
}
function trimmed(names) {
  const last = names.findLastIndex((name) => name !== "");
  return names.slice(0, last + 1);
}
function encodeValue(value, rename = (name) => name) {
  return onnx.ValueInfoProto.encode({
    name: rename(value.name),
    type: {
      tensorType: {
        elemType: dataTypes[value.dtype],
        shape: {
          dim: value.shape.map(
            (dim) => typeof dim === "number" ? { dimValue: dim } : { dimParam: dim }
          )
        }
      }
    }
  }).finish();
}
function decodeValue(bytes) {
  const proto = onnx.ValueInfoProto.decode(bytes);
  const tensor = proto.type?.tensorType;
  const dtype = dtypeOf(tensor?.elemType ?? 0);
  if (!tensor?.shape || !dtype) return void 0;
  const shape = (tensor.shape.dim ?? []).map((dim, axis) => {
    if (dim.dimParam) return dim.dimParam;
    const size2 = Number(dim.dimValue ?? 0);
    return size2 > 0 ? size2 : `${proto.name}_dim${axis}`;
  });
  return { name: proto.name, dtype, shape };
}
function decodeNode(bytes) {
  const proto = onnx.NodeProto.decode(bytes);
  return {
    name: proto.name,
    op: proto.opType,
    domain: proto.domain,
    inputs: proto.input,
    outputs: proto.output,
    attributes: new Map(
      proto.attribute.flatMap((attribute) => {
        const value = valueOf(attribute);
        return value === void 0 ? [] : [[attribute.name ?? "", value]];
      })
    ),
    captured: proto.attribute.flatMap(
      (attribute) => [...attribute.g ? [attribute.g] : [], ...attribute.graphs ?? []].flatMap(namesUsed)
    )
  };
}
function valueOf(attribute) {
  const { AttributeType } = onnx.AttributeProto;
  switch (attribute.type) {
    case AttributeType.FLOAT:
      return attribute.f ?? 0;
    case AttributeType.INT:
      return Number(attribute.i ?? 0);
    case AttributeType.STRING:
      return new TextDecoder().decode(attribute.s ?? new Uint8Array(0));
    case AttributeType.INTS:
      return (attribute.ints ?? []).map(Number);
    case AttributeType.FLOATS:
      return attribute.floats ?? [];
    default:
      return void 0;
  }
}
function namesUsed(graph) {
  return (graph.node ?? []).flatMap((node) => [
    ...node.input ?? [],
    ...(node.attribute ?? []).flatMap((attribute) => attribute.g ? namesUsed(attribute.g) : [])
  ]);
}
function encodeTensor(name, source) {
  return [
    tensorHead(name, source),
    ...field(tensorField.rawData, [
      { byteLength: byteLengthOf(source), chunks: () => source.chunks() }
    ])
  ];
}
function encodeExternalTensor(name, tensor, range) {
  return onnx.TensorProto.encode({
    name,
    dims: [...tensor.shape],
    dataType: dataTypes[tensor.dtype],
    dataLocation: onnx.TensorProto.DataLocation.EXTERNAL,
    externalData: Object.entries(range).map(([key, value]) => ({ key, value: String(value) }))
  }).finish();
}
function tensorHead(name, tensor) {
  return onnx.TensorProto.encode({
    name,
    dims: [...tensor.shape],
    dataType: dataTypes[tensor.dtype]
  }).finish();
}
function decodeTensor(bytes) {
  return onnx.TensorProto.decode(bytes);
}
function encodeGraph(graph, name, rename) {
  const declared = new Set([...graph.inputs, ...graph.outputs].map((value) => value.name));
  return [
    ...graph.nodes.flatMap((node) => field(graphField.node, [encodeNode(node, rename)])),
    ...field(graphField.name, [new TextEncoder().encode(name)]),
    ...[...graph.initializers].flatMap(
      ([key, source]) => field(graphField.initializer, encodeTensor(rename(key), source))
    ),
    ...graph.inputs.flatMap((value) => field(graphField.input, [encodeValue(value, rename)])),
    ...graph.outputs.flatMap((value) => field(graphField.output, [encodeValue(value, rename)])),
    ...graph.nodes.flatMap((node) => [...node.outputs]).filter((value) => !declared.has(value.name)).flatMap((value) => field(graphField.valueInfo, [encodeValue(value, rename)]))
  ];
}
function encodeEntry(key, value) {
  return onnx.StringStringEntryProto.encode({ key, value }).finish();
}
function decodeEntry(bytes) {
  const entry = onnx.StringStringEntryProto.decode(bytes);
  return [entry.key, entry.value];
}
function decodeOpset(bytes) {
  const proto = onnx.OperatorSetIdProto.decode(bytes);
  return { domain: proto.domain, version: Number(proto.version) };
}
function encodeOpset(version) {
  return onnx.OperatorSetIdProto.encode({ domain: "", version }).finish();
}

// src/onnx/write.ts
var largestModel = 2 ** 31 - 1;
function encodeModel(graph, options) {
  return joined([...modelPieces(graph, options.name), ...metadataPieces(options.metadata ?? {})]);
}
function modelPieces(graph, name) {
  return [
    ...numberField(modelField.irVersion, irVersion),
    // ModelProto: producer_name = 2
    ...textField(2, "graft"),
    ...field(modelField.opsetImport, [encodeOpset(opset)]),
    ...field(
      modelField.graph,
      encodeGraph(graph, name, (value) => value)
    )
  ];
}
function metadataPieces(metadata) {
  return Object.entries(metadata).flatMap(
    ([key, value]) => field(modelField.metadata, [encodeEntry(key, value)])
  );
}

// src/runtime/session.ts
import { createRequire } from "node:module";
import { dirname as dirname3, join as join3 } from "node:path";

// src/onnx/edit.ts
import { basename, dirname } from "node:path";
var inlineBytes = 1024;
function graphOnly(model, options = {}) {
  const file = openSame(model);
  try {
    const cut2 = options.outputs && neededFor(model, options.outputs);
    const keep = (name) => cut2?.values.has(name) ?? true;
    const outputs = options.outputs?.map(
      (name) => field(graphField.output, [outputOf(model, name)])
    );
    const nodes = cut2?.nodes ?? new Set(model.nodes);
    const parts = model.graphFields.flatMap((at) => {
      if (at.number === graphField.output) return outputs ? [] : [raw(file, at)];
      if (at.number === graphField.node) return kept(model.nodes, nodes, at) ? [raw(file, at)] : [];
      if (at.number === graphField.initializer) {
        const tensor = tensorAt(model, at);
        return tensor && keep(tensor.name) ? mapped(model, tensor, () => raw(file, at)) : [];
      }
      return [raw(file, at)];
    });
    const graph = field(modelField.graph, [...parts, ...outputs?.flat() ?? []]);
    const bytes = joined(
      model.modelFields.flatMap((at) => at.number === modelField.graph ? graph : [raw(file, at)])
    );
    return { bytes, folder: dirname(model.path) };
  } finally {
    file.close();
  }
}
function openSame(model) {
  const file = new FileRanges(model.path);
  if (file.stamp === model.stamp) return file;
  file.close();
  throw new ToolkitError("FILE_UNREADABLE", "The file was changed while it was in use", {
    where: { file: model.path },
    hint: "Start again with the file as it is now."
  });
}
function raw(file, { start, end }) {
  return file.read(start, end - start);
}
function kept(all, nodes, at) {
  const node = all.find((candidate) => candidate.field.start === at.start);
  return node !== void 0 && nodes.has(node);
}
function tensorAt(model, at) {
  for (const tensor of model.initializers.values()) {
    if (tensor.field.start === at.start) return tensor;
  }
  return void 0;
}
function mapped(model, tensor, inline) {
  const length = byteLengthOf(tensor);
  if (tensor.range?.file !== model.path) return [inline()];
  if (tensor.dtype === "int64" || length < inlineBytes) return [inline()];
  const { offset } = tensor.range;
  const location = basename(model.path);
  return field(graphField.initializer, [
    encodeExternalTensor(tensor.name, tensor, { location, offset, length })
  ]);
}
function outputOf(model, name) {
  const value = model.values.get(name);
  if (value) return encodeValue(value);
  return joined([
    ...field(1, [new TextEncoder().encode(name)]),
    ...field(2, field(1, [Uint8Array.of(8, 1)]))
  ]);
}
function neededFor(model, targets) {
  const producers = new Map(
    model.nodes.flatMap((node) => node.outputs.map((output) => [output, node]))
  );
  const nodes = /* @__PURE__ */ new Set();
  const values = /* @__PURE__ */ new Set();
  const open2 = [...targets];
  for (let name = open2.pop(); name !== void 0; name = open2.pop()) {
    if (name === "" || values.has(name)) continue;
    values.add(name);
    const node = producers.get(name);
    if (node && !nodes.has(node)) {
      nodes.add(node);
      open2.push(...node.inputs, ...node.captured);
    }
  }
  for (const target of targets) checkKnown(model, producers, target);
  return { nodes, values };
}
function checkKnown(model, producers, target) {
  const isInput = model.inputs.some(({ name }) => name === target);
  if (producers.has(target) || isInput) return;
  const known = model.nodes.flatMap(({ outputs }) => outputs).filter((name) => !name.includes("/"));
  throw new ToolkitError("ONNX_VALUE_UNKNOWN", `The graph has no value named "${target}"`, {
    where: { file: model.path },
    hint: `Values that it has: ${known.slice(0, 60).join(", ")}${known.length > 60 ? ", \u2026" : ""}.`
  });
}

// src/onnx/read.ts
import { realpathSync } from "node:fs";
import { dirname as dirname2, join, relative } from "node:path";

// src/onnx/numbers.ts
function big(value) {
  return BigInt(String(value));
}
var halves = ({ int32Data }) => Uint16Array.from(int32Data);
var octets = ({ int32Data }) => Uint8Array.from(int32Data);
var spelledOut = {
  float32: ({ floatData }) => Float32Array.from(floatData),
  float64: ({ doubleData }) => Float64Array.from(doubleData),
  float16: halves,
  bfloat16: halves,
  int64: ({ int64Data }) => BigInt64Array.from(int64Data, big),
  uint64: ({ uint64Data }) => BigUint64Array.from(uint64Data, big),
  int32: ({ int32Data }) => Int32Array.from(int32Data),
  uint32: ({ uint64Data }) => Uint32Array.from(uint64Data, Number),
  int16: ({ int32Data }) => Int16Array.from(int32Data),
  uint16: halves,
  int8: ({ int32Data }) => Int8Array.from(int32Data),
  uint8: octets,
  bool: octets
};
function numbersOf(proto, dtype) {
  const array = spelledOut[dtype](proto);
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

// src/onnx/read.ts
function readModel(path) {
  const file = new FileRanges(path);
  try {
    return readOpen(file, realpathSync(path));
  } finally {
    file.close();
  }
}
function readOpen(file, path) {
  const modelFields = [...fieldsOf(file, 0, file.size)];
  const graph = modelFields.findLast(({ number }) => number === modelField.graph);
  const irVersion2 = modelFields.find(({ number }) => number === modelField.irVersion)?.value ?? 0;
  if (graph?.type !== 2 || irVersion2 === 0) throw notOnnx(file.path);
  const graphFields = [...fieldsOf(file, graph.content, graph.end)];
  const content = ({ content: start, end }) => file.read(start, end - start);
  const ofGraph = (number) => graphFields.filter((candidate) => candidate.number === number && candidate.type === 2);
  const declared = (number) => ofGraph(number).flatMap((candidate) => decodeValue(content(candidate)) ?? []);
  const tensors = ofGraph(graphField.initializer).map((each) => storedTensor(file, path, each));
  const initializers = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const inputs = declared(graphField.input).filter(({ name }) => !initializers.has(name));
  const outputs = declared(graphField.output);
  const values = [...declared(graphField.valueInfo), ...tensors, ...inputs, ...outputs];
  return {
    path,
    bytes: file.size,
    irVersion: irVersion2,
    opset: opsetOf(modelFields, content),
    metadata: new Map(
      modelFields.filter(({ number }) => number === modelField.metadata).map((candidate) => decodeEntry(content(candidate)))
    ),
    inputs,
    outputs,
    nodes: ofGraph(graphField.node).map((each) => ({ ...decodeNode(content(each)), field: each })),
    initializers,
    values: new Map(values.map(({ name, dtype, shape }) => [name, { name, dtype, shape }])),
    modelFields,
    graphFields,
    stamp: file.stamp
  };
}
function opsetOf(fields, content) {
  const imports = fields.filter(({ number }) => number === modelField.opsetImport).map((candidate) => decodeOpset(content(candidate)));
  return imports.find(({ domain }) => domain === "" || domain === "ai.onnx")?.version ?? 1;
}
function notOnnx(path) {
  return new ToolkitError("ONNX_INVALID", "This is not an ONNX model: it has no graph", {
    where: { file: path },
    hint: "Give an .onnx file; a Keras file is turned into one with `graft convert`."
  });
}
function storedTensor(file, path, at) {
  const parts = [...fieldsOf(file, at.content, at.end)];
  const raw2 = parts.findLast(({ number }) => number === tensorField.rawData);
  const small = parts.filter((part) => part !== raw2);
  const proto = decodeTensor(
    Uint8Array.from(small.flatMap(({ start, end }) => [...headBytes(file, start, end)]))
  );
  const dtype = dtypeOf(proto.dataType);
  const where2 = { file: file.path, path: `initializer "${proto.name}"` };
  if (!dtype) {
    throw new ToolkitError("ONNX_INVALID", `Element type ${proto.dataType} is not supported`, {
      where: where2,
      hint: "Weights must be floats, integers or booleans of 8 to 64 bits."
    });
  }
  const head = { name: proto.name, dtype, shape: proto.dims.map(Number) };
  const external = new Map(proto.externalData.map(({ key, value }) => [key, value]));
  if (raw2) {
    checkLength(head, raw2.end - raw2.content, where2);
    return rangeTensor(head, at, { file: path, offset: raw2.content, stamp: file.stamp });
  }
  if (external.size > 0) {
    const target = externalFile(path, external.get("location") ?? "", where2);
    return rangeTensor(head, at, { file: target, offset: Number(external.get("offset") ?? 0) });
  }
  const bytes = numbersOf(proto, dtype);
  checkLength(head, bytes.byteLength, where2);
  const width = dtypeBytes[dtype];
  const source = sourceOf(
    dtype,
    head.shape,
    (start, count) => bytes.subarray(start * width, (start + count) * width)
  );
  return { ...source, name: head.name, field: at, range: void 0 };
}
var largestSpelledOut = 64 * 1024 * 1024;
function headBytes(file, start, end) {
  if (end - start <= largestSpelledOut) return file.read(start, end - start);
  throw new ToolkitError("ONNX_INVALID", "A weight is spelled out as more than 64 MiB of numbers", {
    where: { file: file.path },
    hint: "Save the model again with its weights as raw data."
  });
}
function checkLength(head, found, where2) {
  const expected = byteLengthOf(head);
  if (expected === found) return;
  throw new ToolkitError(
    "ONNX_INVALID",
    `A weight of ${head.dtype} [${head.shape.join(", ")}] takes ${expected} bytes, but it has ${found}`,
    { where: where2, hint: "The file is damaged: export or convert it again." }
  );
}
function externalFile(model, location, where2) {
  const target = join(dirname2(model), location);
  if (location !== "" && !relative(dirname2(model), target).startsWith("..")) return target;
  throw new ToolkitError(
    "ONNX_INVALID",
    `External data "${location}" lies outside the model's folder`,
    {
      where: where2,
      hint: "Put the data file beside the model."
    }
  );
}
function rangeTensor(head, field2, range) {
  const width = dtypeBytes[head.dtype];
  const source = sourceOf(head.dtype, head.shape, (start, count, into) => {
    const file = new FileRanges(range.file);
    try {
      if (range.stamp !== void 0 && file.stamp !== range.stamp) throw changed(range.file);
      return file.read(range.offset + start * width, count * width, into);
    } finally {
      file.close();
    }
  });
  return { ...source, name: head.name, field: field2, range };
}
function changed(path) {
  return new ToolkitError("FILE_UNREADABLE", "The file was changed while it was in use", {
    where: { file: path },
    hint: "Start again with the file as it is now."
  });
}

// src/runtime/providers.ts
import { existsSync } from "node:fs";
import { join as join2 } from "node:path";
var rules = {
  cpu: {
    execution: { name: "cpu" },
    missing: () => void 0,
    hint: () => "Every machine with onnxruntime-node has it."
  },
  cuda: {
    execution: { name: "cuda" },
    missing({ backends, folder }) {
      if (!backends.includes("cuda")) {
        return `onnxruntime-node has CUDA for Linux x64 only, this is ${process.platform} ${process.arch}`;
      }
      const library = "libonnxruntime_providers_cuda.so";
      return existsSync(join2(folder, library)) ? void 0 : `${library} is not in ${folder}`;
    },
    // onnxruntime-node's install.js fetches the libraries when the variable says "true"; it reads "cuda12" as "not set".
    hint: ({ version }) => `An NVIDIA GPU, CUDA 12 and cuDNN 9 are needed. Fetch CUDA for onnxruntime-node ${version} with
    ONNXRUNTIME_NODE_INSTALL=true npm rebuild onnxruntime-node
  and see that CUDA and cuDNN are on LD_LIBRARY_PATH. Or use --provider cpu.`
  },
  webgpu: {
    // onnxruntime's default layout, NHWC, gave wrong convolutions of 6 and 9 input channels on SwiftShader.
    execution: { name: "webgpu", preferredLayout: "NCHW" },
    missing({ backends }) {
      return backends.includes("webgpu") ? void 0 : `onnxruntime-node has no WebGPU for ${process.platform} ${process.arch}`;
    },
    hint: () => "A GPU with a Vulkan (Linux), Metal (macOS) or Direct3D 12 (Windows) driver is needed. Or use --provider cpu."
  }
};
var providers = rules;
function unavailable(provider, installed, fault) {
  return new ToolkitError(
    "PROVIDER_UNAVAILABLE",
    `The model was to run on "${provider}", which cannot be had: ${fault.why}`,
    {
      where: { file: fault.file },
      hint: providers[provider].hint(installed),
      cause: fault.cause
    }
  );
}

// src/runtime/session.ts
var onnxruntimeVersion = "1.30.0";
var Session = class {
  inputs;
  outputs;
  provider;
  /** Whether some nodes run on the CPU because the provider lacks them; never so without a provider other than `cpu`. */
  isPartlyOnCpu;
  #library;
  #file;
  #session;
  constructor(library, session, about) {
    this.#library = library;
    this.#session = session;
    this.#file = about.file;
    this.provider = about.provider;
    this.isPartlyOnCpu = about.isPartlyOnCpu;
    this.inputs = session.inputMetadata.map(valueOf2);
    this.outputs = session.outputMetadata.map(valueOf2);
  }
  /** Runs the model once; `fetches` are the outputs to compute, default all. Throws RUNTIME_FAILED. */
  async run(feeds, fetches) {
    const session = this.#session;
    if (!session) throw failed("The model could not be run", "it is closed", { file: this.#file });
    try {
      const inputs = Object.fromEntries(
        Object.entries(feeds).map(([name, tensor]) => [name, this.#wrap(tensor)])
      );
      const results = await session.run(inputs, fetches ?? session.outputNames);
      return Object.fromEntries(
        Object.entries(results).map(([name, result]) => [name, tensorOf(result)])
      );
    } catch (cause) {
      throw failed("The model could not be run", cause, {
        file: this.#file,
        hint: `It takes ${this.inputs.map(spelled).join(" and ")}.`
      });
    }
  }
  /** Frees the model. A second call does nothing. */
  async close() {
    const session = this.#session;
    this.#session = void 0;
    await session?.release();
  }
  #wrap({ dtype, data, shape }) {
    return new this.#library.ort.Tensor(dtype, data, shape);
  }
};
async function openSession(model, options = {}) {
  const provider = options.provider ?? "cpu";
  if (model instanceof Uint8Array) {
    return open(await loadLibrary(), { bytes: model, provider, options });
  }
  const stored = "nodes" in model ? model : readModel(model.path);
  const graph = graphOnly(stored, options.outputs ? { outputs: options.outputs } : {});
  const library = await loadLibrary();
  return open(library, { ...graph, file: stored.path, provider, options });
}
async function open(library, opening) {
  const { provider, file } = opening;
  const { installed } = library;
  const why = providers[provider].missing(installed);
  if (why !== void 0) throw unavailable(provider, installed, { why, file });
  const about = { provider, file, isPartlyOnCpu: false };
  try {
    return new Session(library, await create(library, opening, { isStrict: true }), about);
  } catch (cause) {
    if (provider === "cpu") throw failed("The model could not be loaded", cause, { file });
    const fault = await providerFault(library, provider);
    if (fault)
      throw unavailable(provider, installed, { why: messageOf(fault), file, cause: fault });
  }
  try {
    const session = await create(library, opening, { isStrict: false });
    return new Session(library, session, { ...about, isPartlyOnCpu: true });
  } catch (cause) {
    throw failed(`The model could not be loaded on "${provider}"`, cause, { file });
  }
}
async function providerFault(library, provider) {
  const graph = new GraphBuilder();
  graph.output(graph.add("Relu", [graph.input("x", "float32", [1])]));
  const bytes = encodeModel(graph, { name: "probe" });
  try {
    const session = await create(library, { bytes, provider, options: {} }, { isStrict: true });
    await session.release();
    return void 0;
  } catch (fault) {
    return fault;
  }
}
async function create({ ort }, { bytes, folder, provider, options }, { isStrict }) {
  return ort.InferenceSession.create(bytes, {
    executionProviders: [providers[provider].execution],
    // Everything that matters is thrown as well; a library does not write to the terminal.
    logSeverityLevel: 4,
    ...options.threads === void 0 ? {} : { intraOpNumThreads: options.threads },
    extra: {
      session: {
        ...options.prepack === false && { disable_prepacking: "1" },
        ...folder !== void 0 && { model_external_initializers_file_folder_path: folder },
        ...provider !== "cpu" && isStrict && { disable_cpu_ep_fallback: "1" }
      }
    }
  });
}
async function loadLibrary() {
  try {
    const ort = await import("onnxruntime-node");
    const home = dirname3(createRequire(import.meta.url).resolve("onnxruntime-node/package.json"));
    return {
      ort,
      installed: {
        backends: ort.listSupportedBackends().map(({ name }) => name),
        folder: join3(home, "bin", "napi-v6", process.platform, process.arch),
        version: onnxruntimeVersion
      }
    };
  } catch (cause) {
    throw new ToolkitError(
      "RUNTIME_MISSING",
      `Models are run by onnxruntime-node ${onnxruntimeVersion}, which could not be loaded: ${messageOf(cause)}`,
      {
        hint: `Install it with
    ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node@${onnxruntimeVersion}
  ("true" instead of "skip" also fetches CUDA, for NVIDIA GPUs on Linux).`,
        cause
      }
    );
  }
}
function valueOf2(metadata) {
  if (!metadata.isTensor) return { name: metadata.name, dtype: "float32", shape: [] };
  return { name: metadata.name, dtype: dtypeOf2(metadata.type), shape: metadata.shape };
}
function dtypeOf2(type) {
  if (type in dtypeBytes) {
    return type;
  }
  throw new Error(`values of type ${type} are not supported`);
}
function tensorOf(result) {
  const { data } = result;
  if (!ArrayBuffer.isView(data)) throw new Error(`values of type ${result.type} are not supported`);
  const numbers = result.type === "float16" ? new Uint16Array(data.buffer, data.byteOffset, data.byteLength / 2) : data;
  return { dtype: dtypeOf2(result.type), shape: result.dims, data: numbers };
}
function spelled({ name, dtype, shape }) {
  return `"${name}", ${dtype} [${shape.join(", ")}]`;
}
function failed(what, cause, { file, hint }) {
  return new ToolkitError("RUNTIME_FAILED", `${what}: ${messageOf(cause)}`, {
    where: { file },
    hint: hint ?? "See that the file is whole, and that onnxruntime knows its operators.",
    cause
  });
}
function messageOf(fault) {
  const text = fault instanceof Error ? fault.message : String(fault);
  return text.replace(/^\/\S*onnxruntime\S+:\d+ .* was false\. /s, "").replaceAll(/\s+/g, " ").trim();
}

// src/train/update.ts
function applyOptimizer(graph, optimizer, trainable) {
  const { parameters, slots, rate, iteration, settings = [] } = trainable;
  const clipped = clipGradients(graph, optimizer, withPenalties(graph, trainable));
  const decayed = decayedRate(graph, optimizer, rate, iteration);
  const count = graph.add("Add", [iteration, graph.floats("one", [1])]);
  const width = optimizer.slots.length;
  const updates = parameters.map((parameter, i) => {
    const own = slots.slice(i * width, (i + 1) * width);
    const gradient = clipped[i];
    if (!gradient) return { parameter, slots: own };
    const speed = scaled(graph, decayed, settings[i]?.rate ?? 1);
    const left = settings[i]?.decay === false ? parameter : decayedWeight(graph, optimizer, parameter, speed);
    return optimizer.update(graph, { parameter: left, gradient, slots: own, rate: speed, count });
  });
  return {
    parameters: updates.map((update) => update.parameter),
    slots: updates.flatMap((update) => update.slots)
  };
}
function rateAt({ decay }, learningRate, iteration) {
  return learningRate / (1 + decay * iteration);
}
function withPenalties(graph, { parameters, gradients: gradients2, settings = [] }) {
  return gradients2.map((gradient, i) => {
    const parameter = parameters[i];
    const { l1 = 0, l2 = 0 } = settings[i] ?? {};
    if (!gradient || !parameter) return void 0;
    let sum2 = gradient;
    if (l2 !== 0) sum2 = graph.add("Add", [sum2, scaled(graph, parameter, 2 * l2)]);
    if (l1 === 0) return sum2;
    const zero3 = graph.floats("zero", [0]);
    const step = (by) => graph.floats("l1", [by]);
    const right = graph.add("Where", [graph.add("Greater", [parameter, zero3]), step(l1), zero3]);
    const left = graph.add("Where", [graph.add("Less", [parameter, zero3]), step(-l1), zero3]);
    return graph.add("Add", [sum2, graph.add("Add", [right, left])]);
  });
}
function decayedWeight(graph, { weightDecay }, parameter, rate) {
  if (weightDecay === 0) return parameter;
  const share = scaled(graph, rate, weightDecay);
  return graph.add("Sub", [parameter, graph.add("Mul", [parameter, share])]);
}
function scaled(graph, x, factor) {
  return factor === 1 ? x : graph.add("Mul", [x, graph.floats("factor", [factor])]);
}
function decayedRate(graph, { decay }, rate, iteration) {
  if (decay === 0) return rate;
  const growth = graph.add("Mul", [graph.floats("decay", [decay]), iteration]);
  return graph.add("Div", [rate, graph.add("Add", [graph.floats("one", [1]), growth])]);
}
function clipGradients(graph, { clipnorm, globalClipnorm, clipvalue }, gradients2) {
  const known = gradients2.filter((gradient) => gradient !== void 0);
  const together = globalClipnorm === void 0 ? void 0 : normOf(graph, known);
  return gradients2.map((gradient) => {
    if (!gradient) return void 0;
    let clipped = gradient;
    if (together && globalClipnorm !== void 0) {
      clipped = limited(graph, gradient, together, globalClipnorm);
    }
    if (clipnorm !== void 0) {
      clipped = limited(graph, gradient, normOf(graph, [gradient]), clipnorm);
    }
    if (clipvalue === void 0) return clipped;
    const low = graph.floats("clip_low", [-clipvalue]);
    return graph.add("Clip", [clipped, low, graph.floats("clip_high", [clipvalue])]);
  });
}
function normOf(graph, tensors) {
  const squares = tensors.map((tensor) => {
    const axes = graph.integers(
      "axes",
      tensor.shape.map((_, axis) => axis)
    );
    return graph.add("ReduceSum", [graph.add("Mul", [tensor, tensor]), axes], { keepdims: 0 });
  });
  return graph.add("Sqrt", [squares.reduce((sum2, square2) => graph.add("Add", [sum2, square2]))]);
}
function limited(graph, tensor, norm, most) {
  const limit2 = graph.floats("clipnorm", [most]);
  const scale = graph.add("Div", [limit2, graph.add("Max", [norm, limit2])]);
  return graph.add("Mul", [tensor, scale]);
}

// src/train/array-update.ts
function updateArrays(optimizer, moving, time) {
  for (const each of moving) addPenalties(each);
  if (optimizer.globalClipnorm !== void 0) limit(moving, optimizer.globalClipnorm);
  for (const { settings, ...arrays } of moving) {
    if (optimizer.clipnorm !== void 0) limit([arrays], optimizer.clipnorm);
    if (optimizer.clipvalue !== void 0) clip(arrays.gradient, optimizer.clipvalue);
    const rate = rateAt(optimizer, time.learningRate, time.iteration) * (settings.rate ?? 1);
    const shrink = settings.decay === false ? 1 : 1 - rate * optimizer.weightDecay;
    optimizer.apply({ ...arrays, rate, shrink, count: time.iteration + 1 });
  }
}
function isPiecewise({ clipnorm, globalClipnorm, slots }) {
  const hasOneNumber = slots.some(({ start }) => start === 1);
  return clipnorm === void 0 && globalClipnorm === void 0 && !hasOneNumber;
}
function addPenalties({ settings, parameter, gradient }) {
  const { l1 = 0, l2 = 0 } = settings;
  if (l1 === 0 && l2 === 0) return;
  for (let i = 0; i < gradient.length; i++) {
    const p = parameter[i] ?? 0;
    gradient[i] = (gradient[i] ?? 0) + 2 * l2 * p + l1 * Math.sign(p);
  }
}
function limit(moving, most) {
  let squares = 0;
  for (const { gradient } of moving) for (const g of gradient) squares += g * g;
  const norm = Math.sqrt(squares);
  if (norm <= most) return;
  for (const { gradient } of moving) {
    for (let i = 0; i < gradient.length; i++) gradient[i] = (gradient[i] ?? 0) * most / norm;
  }
}
function clip(gradient, most) {
  for (let i = 0; i < gradient.length; i++) {
    gradient[i] = Math.max(-most, Math.min(most, gradient[i] ?? 0));
  }
}

// src/train/gradients/rule.ts
function zero(graph) {
  return graph.floats("zero", [0]);
}
function one(graph) {
  return graph.floats("one", [1]);
}
function where(graph, mask, dy) {
  return graph.add("Where", [mask, dy, zero(graph)]);
}
function whereNot(graph, mask, dy) {
  return graph.add("Where", [mask, zero(graph), dy]);
}
function zerosLike(graph, x) {
  const sizes = x.shape.filter((dim) => typeof dim === "number");
  if (sizes.length === x.shape.length) {
    return graph.add("Expand", [zero(graph), graph.integers("shape", sizes)]);
  }
  return where(graph, graph.add("Less", [x, x]), x);
}
function positiveAxis(axis, rank) {
  return axis < 0 ? axis + rank : axis;
}
function knownSize(node, value, axis) {
  const size2 = value.shape[axis];
  if (typeof size2 === "number") return size2;
  throw unsupportedForm(node, `along axis ${axis}, whose size is only known at run time,`);
}
function unsupportedForm(node, form) {
  return new ToolkitError("GRADIENT_MISSING", `No gradient is known for ${node.op} ${form}`, {
    where: { node: node.name },
    hint: "Freeze the layers up to and including this node."
  });
}

// src/train/gradients/activations.ts
var activations = {
  // By the output, not the input, so that the input need not be kept.
  Relu: ({ outputs: [y] }, dy, graph) => [where(graph, positive(graph, y), dy)],
  Sigmoid: ({ outputs: [y] }, dy, graph) => {
    const rest = graph.add("Sub", [graph.floats("one", [1]), y]);
    return [graph.add("Mul", [dy, graph.add("Mul", [y, rest])])];
  },
  Tanh: ({ outputs: [y] }, dy, graph) => {
    const rest = graph.add("Sub", [graph.floats("one", [1]), graph.add("Mul", [y, y])]);
    return [graph.add("Mul", [dy, rest])];
  },
  Softplus: ({ inputs: [x] }, dy, graph) => [graph.add("Mul", [dy, graph.add("Sigmoid", [x])])],
  Softsign: ({ inputs: [x] }, dy, graph) => {
    const root2 = graph.add("Add", [graph.floats("one", [1]), graph.add("Abs", [x])]);
    return [graph.add("Div", [dy, graph.add("Mul", [root2, root2])])];
  },
  Elu: ({ inputs: [x], outputs: [y], attributes: { alpha } }, dy, graph) => {
    const slope = graph.add("Add", [y, graph.floats("alpha", [alpha])]);
    return [graph.add("Where", [positive(graph, x), dy, graph.add("Mul", [dy, slope])])];
  },
  Selu: ({ inputs: [x], outputs: [y], attributes: { alpha, gamma } }, dy, graph) => {
    const right = graph.add("Mul", [dy, graph.floats("gamma", [gamma])]);
    const slope = graph.add("Add", [y, graph.floats("alpha_gamma", [alpha * gamma])]);
    return [graph.add("Where", [positive(graph, x), right, graph.add("Mul", [dy, slope])])];
  },
  LeakyRelu: ({ inputs: [x], attributes: { alpha } }, dy, graph) => {
    const left = graph.add("Mul", [dy, graph.floats("alpha", [alpha])]);
    return [graph.add("Where", [positive(graph, x), dy, left])];
  },
  ThresholdedRelu: ({ inputs: [x], attributes: { alpha } }, dy, graph) => [
    where(graph, graph.add("Greater", [x, graph.floats("alpha", [alpha])]), dy)
  ],
  HardSigmoid: ({ outputs: [y], attributes: { alpha } }, dy, graph) => {
    const below = graph.add("Less", [y, graph.floats("one", [1])]);
    const inside2 = graph.add("And", [positive(graph, y), below]);
    return [where(graph, inside2, graph.add("Mul", [dy, graph.floats("alpha", [alpha])]))];
  },
  PRelu: ({ inputs: [x, slope] }, dy, graph) => {
    const right = positive(graph, x);
    return [
      graph.add("Where", [right, dy, graph.add("Mul", [dy, slope])]),
      whereNot(graph, right, graph.add("Mul", [dy, x]))
    ];
  },
  Softmax: ({ outputs: [y], attributes: { axis } }, dy, graph) => {
    const product2 = graph.add("Mul", [dy, y]);
    const sum2 = graph.add("ReduceSum", [product2, graph.integers("axes", [axis])], { keepdims: 1 });
    return [graph.add("Sub", [product2, graph.add("Mul", [y, sum2])])];
  },
  LogSoftmax: ({ outputs: [y], attributes: { axis } }, dy, graph) => {
    const sum2 = graph.add("ReduceSum", [dy, graph.integers("axes", [axis])], { keepdims: 1 });
    return [graph.add("Sub", [dy, graph.add("Mul", [graph.add("Exp", [y]), sum2])])];
  }
};
function positive(graph, x) {
  return graph.add("Greater", [x, zero(graph)]);
}

// src/train/gradients/arithmetic.ts
var floats = /* @__PURE__ */ new Set(["float32", "float64", "float16", "bfloat16"]);
var arithmetic = {
  Add: (_, dy) => [dy, dy],
  Sub: (_, dy, graph) => [dy, graph.add("Neg", [dy])],
  Mul: ({ inputs: [a, b] }, dy, graph) => [graph.add("Mul", [dy, b]), graph.add("Mul", [dy, a])],
  Div: ({ inputs: [, b], outputs: [y] }, dy, graph) => {
    const da = graph.add("Div", [dy, b]);
    return [da, graph.add("Neg", [graph.add("Mul", [da, y])])];
  },
  Pow: ({ inputs: [a, b], outputs: [y] }, dy, graph) => {
    const lower = graph.add("Pow", [a, graph.add("Sub", [b, graph.floats("one", [1])])]);
    const da = graph.add("Mul", [dy, graph.add("Mul", [b, lower])]);
    const log = where(graph, graph.add("Greater", [a, zero(graph)]), graph.add("Log", [a]));
    return [da, graph.add("Mul", [dy, graph.add("Mul", [y, log])])];
  },
  // Of two equal numbers the first gets the gradient, as in TensorFlow.
  Max: ({ inputs: [a, b] }, dy, graph) => {
    const less = graph.add("Less", [a, b]);
    return [whereNot(graph, less, dy), where(graph, less, dy)];
  },
  Min: ({ inputs: [a, b] }, dy, graph) => {
    const greater = graph.add("Greater", [a, b]);
    return [whereNot(graph, greater, dy), where(graph, greater, dy)];
  },
  Neg: (_, dy, graph) => [graph.add("Neg", [dy])],
  Abs: ({ inputs: [x] }, dy, graph) => {
    const positive2 = where(graph, graph.add("Greater", [x, zero(graph)]), dy);
    const negative = where(graph, graph.add("Less", [x, zero(graph)]), dy);
    return [graph.add("Sub", [positive2, negative])];
  },
  Exp: ({ outputs: [y] }, dy, graph) => [graph.add("Mul", [dy, y])],
  Log: ({ inputs: [x] }, dy, graph) => [graph.add("Div", [dy, x])],
  Sqrt: ({ outputs: [y] }, dy, graph) => [
    graph.add("Div", [dy, graph.add("Mul", [graph.floats("two", [2]), y])])
  ],
  Erf: ({ inputs: [x] }, dy, graph) => {
    const bell = graph.add("Exp", [graph.add("Neg", [graph.add("Mul", [x, x])])]);
    const slope = graph.floats("two_over_sqrt_pi", [2 / Math.sqrt(Math.PI)]);
    return [graph.add("Mul", [dy, graph.add("Mul", [slope, bell])])];
  },
  // At the bounds themselves the gradient passes, as in TensorFlow and Theano.
  Clip: ({ inputs: [x, low, high] }, dy, graph) => {
    const below = graph.add("Less", [x, low]);
    const above = graph.add("Greater", [x, high]);
    return [
      whereNot(graph, below, whereNot(graph, above, dy)),
      where(graph, below, dy),
      where(graph, above, dy)
    ];
  },
  Identity: (_, dy) => [dy],
  Cast: ({ inputs: [x], attributes: { to } }, dy, graph) => {
    if (!floats.has(x.dtype) || !floats.has(to)) return [void 0];
    return [graph.add("Cast", [dy], { to: x.dtype })];
  },
  Where: ({ inputs: [condition] }, dy, graph) => [
    void 0,
    where(graph, condition, dy),
    whereNot(graph, condition, dy)
  ]
};

// src/train/lowering/geometry.ts
function offsetsOf({ kernel_shape, dilations }) {
  return kernel_shape.reduce(
    (lists, size2, axis) => lists.flatMap(
      (list2) => Array.from({ length: size2 }, (_, i) => [...list2, i * (dilations?.[axis] ?? 1)])
    ),
    [[]]
  );
}
function paddedMaps(graph, x, { pads }, { first = 2, fill = 0 } = {}) {
  if (pads.every((pad) => pad === 0)) return x;
  const rank = pads.length / 2;
  const none = x.shape.map(() => 0);
  const isSpatial = (axis) => axis >= first && axis < first + rank;
  const before = none.map((_, axis) => isSpatial(axis) ? pads[axis - first] ?? 0 : 0);
  const after = none.map((_, axis) => isSpatial(axis) ? pads[axis - first + rank] ?? 0 : 0);
  const sizes = graph.integers("pads", [...before, ...after]);
  const inputs = fill === 0 ? [x, sizes] : [x, sizes, graph.floats("fill", [fill])];
  return graph.add("Pad", inputs, { mode: "constant" });
}
function met(graph, x, at) {
  const { offset, strides, counts, first = 2 } = at;
  const ends = counts.map((count, i) => (offset[i] ?? 0) + (count - 1) * (strides[i] ?? 1) + 1);
  const isWhole = counts.every(
    (_, i) => offset[i] === 0 && strides[i] === 1 && ends[i] === x.shape[first + i]
  );
  if (isWhole) return x;
  const inputs = [
    x,
    graph.integers("starts", offset),
    graph.integers("ends", ends),
    graph.integers(
      "axes",
      counts.map((_, i) => first + i)
    )
  ];
  return strides.every((stride) => stride === 1) ? graph.add("Slice", [...inputs]) : graph.add("Slice", [...inputs, graph.integers("steps", strides)]);
}
function placed(graph, x, places) {
  const spread3 = apart(
    graph,
    x,
    places.filter(({ step }) => step > 1)
  );
  const sizeAt = (axis) => Number(spread3.shape[axis]);
  const rank = x.shape.length;
  const pads = Array.from({ length: 2 * rank }, () => 0);
  const cuts = [];
  for (const { axis, start, size: size2 } of places) {
    const rest = size2 - start - sizeAt(axis);
    pads[axis] = start;
    if (rest >= 0) pads[axis + rank] = rest;
    else cuts.push({ axis, end: size2 - start });
  }
  const cut2 = cuts.length === 0 ? spread3 : shortened(graph, spread3, cuts);
  if (pads.every((pad) => pad === 0)) return cut2;
  return graph.add("Pad", [cut2, graph.integers("pads", pads)], { mode: "constant" });
}
function apart(graph, x, places) {
  if (places.length === 0) return x;
  const steps = new Map(places.map(({ axis, step }) => [axis, step]));
  const axes = [];
  const pads = [];
  const merged = x.shape.map((dim, axis) => {
    pads.push(0);
    const step = steps.get(axis);
    if (step === void 0) return dim;
    axes.push(pads.length);
    pads.push(step - 1);
    return Number(dim) * step;
  });
  const opened = graph.add("Unsqueeze", [x, graph.integers("axes", axes)]);
  const none = pads.map(() => 0);
  const padded2 = graph.add("Pad", [opened, graph.integers("pads", [...none, ...pads])], {
    mode: "constant"
  });
  return graph.add("Reshape", [padded2, shapeList(graph, merged)]);
}
function shortened(graph, x, cuts) {
  return graph.add("Slice", [
    x,
    graph.integers(
      "starts",
      cuts.map(() => 0)
    ),
    graph.integers(
      "ends",
      cuts.map(({ end }) => end)
    ),
    graph.integers(
      "axes",
      cuts.map(({ axis }) => axis)
    )
  ]);
}
function shapeList(graph, shape) {
  const open2 = shape.filter((dim) => typeof dim === "string").length;
  if (open2 > 1) throw new Error(`Bug: [${shape.join(", ")}] has more than one open size`);
  return graph.integers(
    "shape",
    shape.map((dim) => typeof dim === "number" ? dim : -1)
  );
}
function spatialSizes({ shape }) {
  const sizes = shape.slice(2).filter((dim) => typeof dim === "number");
  return sizes.length === shape.length - 2 ? sizes : void 0;
}

// src/train/gradients/convolutions.ts
var convolutions = {
  Conv: (node, dy, graph, { lower }) => {
    const [x, w, bias] = node.inputs;
    const convolution = convolutionOf(node, node.attributes, { x, w, dy });
    return [
      lower.convolutionInput(graph, convolution),
      lower.convolutionKernel(graph, convolution),
      bias && summedButChannels(graph, dy)
    ];
  },
  // y = ConvTranspose(x, w) is the gradient of a convolution of y-like maps to x-like ones by the same kernel.
  ConvTranspose: (node, dy, graph, { lower }) => {
    const [x, w, bias] = node.inputs;
    const { output_padding: _, ...window } = node.attributes;
    const convolution = convolutionOf(node, window, { x: dy, w, dy: x });
    return [
      graph.add("Conv", [dy, w], window),
      lower.convolutionKernel(graph, convolution),
      bias && summedButChannels(graph, dy)
    ];
  }
};
function convolutionOf(node, window, values) {
  const sizes = spatialSizes(values.x);
  const outSizes = spatialSizes(values.dy);
  if (sizes && outSizes) return { window, ...values, sizes, outSizes };
  throw unsupportedForm(node, `over [${values.x.shape.join(", ")}]`);
}
function summedButChannels(graph, x) {
  const axes = x.shape.flatMap((_, axis) => axis === 1 ? [] : [axis]);
  return graph.add("ReduceSum", [x, graph.integers("axes", axes)], { keepdims: 0 });
}

// src/train/gradients/einsum.ts
var einsum = {
  Einsum: (node, dy, graph) => {
    const { terms, result } = spelledOut2(node);
    const gradientOf = (operand, i) => {
      const term = terms[i] ?? "";
      const others2 = terms.filter((_, j) => j !== i);
      const known = /* @__PURE__ */ new Set([...result, ...others2.join("")]);
      const isPlain = new Set(term).size === term.length && [...term].every((at) => known.has(at));
      if (!isPlain) throw unsupportedForm(node, `"${node.attributes.equation}"`);
      const operands = node.inputs.filter((_, j) => j !== i);
      const equation = `${[result, ...others2].join(",")}->${term}`;
      return graph.rename(
        graph.add("Einsum", [dy, ...operands], { equation }),
        `${operand.name}_gradient`
      );
    };
    const [first, ...rest] = node.inputs;
    return [gradientOf(first, 0), ...rest.map((operand, i) => gradientOf(operand, i + 1))];
  }
};
function spelledOut2(node) {
  const [left = "", result = ""] = node.attributes.equation.replaceAll(" ", "").split("->");
  const spare2 = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"].filter((letter) => !left.includes(letter));
  let widest = "";
  const terms = left.split(",").map((term, i) => {
    const rank = node.inputs[i]?.shape.length ?? 0;
    const width = rank - term.replace("...", "").length;
    const letters = spare2.slice(8 - width, 8).join("");
    if (term.includes("...") && letters.length > widest.length) widest = letters;
    return term.replace("...", letters);
  });
  return { terms, result: result.replace("...", widest) };
}

// src/train/gradients/functions.ts
var functions = {
  Reciprocal: ({ outputs: [y] }, dy, graph) => [
    graph.add("Neg", [graph.add("Mul", [dy, graph.add("Mul", [y, y])])])
  ],
  Sin: ({ inputs: [x] }, dy, graph) => [graph.add("Mul", [dy, graph.add("Cos", [x])])],
  Cos: ({ inputs: [x] }, dy, graph) => [
    graph.add("Neg", [graph.add("Mul", [dy, graph.add("Sin", [x])])])
  ],
  Tan: ({ outputs: [y] }, dy, graph) => [graph.add("Mul", [dy, onePlusSquare(graph, y)])],
  Asin: ({ inputs: [x] }, dy, graph) => [graph.add("Div", [dy, root(graph, oneLess(graph, x))])],
  Acos: ({ inputs: [x] }, dy, graph) => [
    graph.add("Neg", [graph.add("Div", [dy, root(graph, oneLess(graph, x))])])
  ],
  Atan: ({ inputs: [x] }, dy, graph) => [graph.add("Div", [dy, onePlusSquare(graph, x)])],
  Sinh: ({ inputs: [x] }, dy, graph) => [graph.add("Mul", [dy, graph.add("Cosh", [x])])],
  Cosh: ({ inputs: [x] }, dy, graph) => [graph.add("Mul", [dy, graph.add("Sinh", [x])])],
  Asinh: ({ inputs: [x] }, dy, graph) => [
    graph.add("Div", [dy, root(graph, onePlusSquare(graph, x))])
  ],
  Acosh: ({ inputs: [x] }, dy, graph) => [
    graph.add("Div", [dy, root(graph, graph.add("Sub", [square(graph, x), one(graph)]))])
  ],
  Atanh: ({ inputs: [x] }, dy, graph) => [graph.add("Div", [dy, oneLess(graph, x)])],
  // a - b · q, where q is the whole part of a / b: no gradient flows through q.
  Mod: ({ inputs: [a, b], attributes: { fmod } }, dy, graph) => {
    const quotient2 = graph.add("Div", [a, b]);
    const floor = graph.add("Floor", [quotient2]);
    const isPositive = graph.add("Greater", [quotient2, graph.floats("zero", [0])]);
    const whole = fmod === 0 ? floor : graph.add("Where", [isPositive, floor, graph.add("Ceil", [quotient2])]);
    return [dy, graph.add("Neg", [graph.add("Mul", [dy, whole])])];
  },
  ReduceL2: ({ inputs: [x], outputs: [y], attributes: { axes, keepdims } }, dy, graph) => {
    const kept3 = (value) => keepdims === 1 ? value : graph.add("Unsqueeze", [value, graph.integers("axes", axes)]);
    const isLong = graph.add("Greater", [kept3(y), graph.floats("zero", [0])]);
    return [graph.add("Mul", [x, where(graph, isLong, graph.add("Div", [kept3(dy), kept3(y)]))])];
  },
  ReduceLogSumExp: ({ inputs: [x], outputs: [y], attributes: { axes, keepdims } }, dy, graph) => {
    const kept3 = (value) => keepdims === 1 ? value : graph.add("Unsqueeze", [value, graph.integers("axes", axes)]);
    const share = graph.add("Exp", [graph.add("Sub", [x, kept3(y)])]);
    return [graph.add("Mul", [share, kept3(dy)])];
  }
};
function square(graph, x) {
  return graph.add("Mul", [x, x]);
}
function onePlusSquare(graph, x) {
  return graph.add("Add", [one(graph), square(graph, x)]);
}
function oneLess(graph, x) {
  return graph.add("Sub", [one(graph), square(graph, x)]);
}
function root(graph, x) {
  return graph.add("Sqrt", [x]);
}

// src/train/gradients/gathering.ts
var gathering = {
  Gather: (node, dy, graph) => [gatherGradient(node, dy, graph), void 0],
  GatherElements: ({ inputs: [x, indices], attributes: { axis } }, dy, graph) => [
    addedBack(graph, { x, indices, dy, axis }),
    void 0
  ],
  TopK: ({ inputs: [x], outputs: [, indices], attributes: { axis } }, dy, graph) => {
    if (!indices) throw new Error("Bug: TopK puts out indices");
    return [addedBack(graph, { x, indices, dy, axis }), void 0];
  }
};
function addedBack(graph, {
  x,
  indices,
  dy,
  axis
}) {
  return graph.add("ScatterElements", [zerosLike(graph, x), indices, dy], {
    axis,
    reduction: "add"
  });
}
function gatherGradient(node, dy, graph) {
  const [x, indices] = node.inputs;
  const axis = positiveAxis(node.attributes.axis, x.shape.length);
  const count = knownSize(node, x, axis);
  const others2 = x.shape.toSpliced(axis, 1);
  const open2 = others2.find((dim) => typeof dim === "string");
  if (open2 !== void 0) return fromOpen(node, dy, { graph, axis, count });
  const rest = others2.map(Number);
  const width = rest.reduce((product2, dim) => product2 * dim, 1);
  const taken = graph.add("Reshape", [indices, graph.integers("shape", [-1, 1])]);
  const rows4 = graph.add("Reshape", [
    toFront(graph, dy, axis, indices.shape.length),
    graph.integers("shape", [-1, width])
  ]);
  const like = graph.add("Less", [rows4, rows4]);
  const wide = graph.add("Where", [like, taken, taken]);
  const zeros = graph.add("Expand", [
    graph.floats("zero", [0]),
    graph.integers("shape", [count, width])
  ]);
  const sum2 = graph.add("ScatterElements", [zeros, wide, rows4], { axis: 0, reduction: "add" });
  const spread3 = graph.add("Reshape", [sum2, graph.integers("shape", [count, ...rest])]);
  return axis === 0 ? spread3 : fromFront(graph, spread3, axis);
}
function fromOpen(node, dy, {
  graph,
  axis,
  count
}) {
  const [x, indices] = node.inputs;
  const picked = indices.constant;
  if (!picked) throw unsupportedForm(node, `from [${x.shape.join(", ")}]`);
  const places = picked.map((index) => index < 0 ? index + count : index);
  const table = Array.from({ length: count }, (_, i) => places.map((place) => +(place === i)));
  const matrix2 = graph.floats("places", table.flat(), [count, places.length]);
  const rank = indices.shape.length;
  const front = toFront(graph, dy, axis, rank);
  const rest = x.shape.toSpliced(axis, 1);
  const rows4 = graph.add("Reshape", [front, shapeList(graph, [places.length, "rest"])]);
  const sum2 = graph.add("MatMul", [matrix2, rows4]);
  const spread3 = graph.add("Reshape", [sum2, shapeList(graph, [count, ...rest])]);
  return axis === 0 ? spread3 : fromFront(graph, spread3, axis);
}
function toFront(graph, x, axis, width) {
  if (axis === 0) return x;
  const all = x.shape.map((_, i) => i);
  const moved = all.slice(axis, axis + width);
  const perm = [...moved, ...all.filter((i) => !moved.includes(i))];
  return graph.add("Transpose", [x], { perm });
}
function fromFront(graph, x, axis) {
  const others2 = x.shape.slice(1).map((_, i) => i + 1);
  return graph.add("Transpose", [x], { perm: others2.toSpliced(axis, 0, 0) });
}

// src/train/gradients/matrices.ts
var matrices = {
  MatMul: ({ inputs: [a, b] }, dy, graph) => {
    if (a.shape.length === 2 && b.shape.length === 2) {
      return [graph.add("Gemm", [dy, b], { transB: 1 }), graph.add("Gemm", [a, dy], { transA: 1 })];
    }
    return batchedProduct(graph, a, b, dy);
  },
  // The four cases of onnxruntime's GetGemmGradient; dC is summed back by `backward`.
  Gemm: (node, dy, graph) => {
    const [, , c] = node.inputs;
    const { alpha = 1, beta = 1 } = node.attributes;
    const [da, db] = gemmProducts(node, dy, graph);
    return [scaled2(graph, da, alpha), scaled2(graph, db, alpha), c && scaled2(graph, dy, beta)];
  }
};
function gemmProducts({ inputs: [a, b], attributes }, dy, graph) {
  const transA = attributes.transA ?? 0;
  const transB = attributes.transB ?? 0;
  const flipA = transA === 0 ? 1 : 0;
  const flipB = transB === 0 ? 1 : 0;
  return [
    transA === 0 ? graph.add("Gemm", [dy, b], { transB: flipB }) : graph.add("Gemm", [b, dy], { transA: transB, transB: 1 }),
    transB === 0 ? graph.add("Gemm", [a, dy], { transA: flipA }) : graph.add("Gemm", [dy, a], { transA: 1, transB: transA })
  ];
}
function scaled2(graph, x, factor) {
  return factor === 1 ? x : graph.add("Mul", [x, graph.floats("factor", [factor])]);
}
function batchedProduct(graph, a, b, dy) {
  const rowA = a.shape.length === 1;
  const columnB = b.shape.length === 1;
  const left = rowA ? unsqueezed(graph, a, 0) : a;
  const right = columnB ? unsqueezed(graph, b, 1) : b;
  let grown = columnB ? unsqueezed(graph, dy, dy.shape.length) : dy;
  if (rowA) grown = unsqueezed(graph, grown, grown.shape.length - 1);
  const da = graph.add("MatMul", [grown, swapped(graph, right)]);
  const db = rightGradient(graph, left, right, grown);
  return [rowA ? dropped(graph, da, -2) : da, columnB ? dropped(graph, db, -1) : db];
}
function rightGradient(graph, left, right, dy) {
  if (right.shape.length > 2) return graph.add("MatMul", [swapped(graph, left), dy]);
  return graph.add("Gemm", [rows(graph, left), rows(graph, dy)], { transA: 1 });
}
function rows(graph, x) {
  return x.shape.length === 2 ? x : graph.add("Flatten", [x], { axis: x.shape.length - 1 });
}
function swapped(graph, x) {
  const rank = x.shape.length;
  const perm = x.shape.map((_, axis) => axis < rank - 2 ? axis : 2 * rank - 3 - axis);
  return graph.add("Transpose", [x], { perm });
}
function unsqueezed(graph, x, axis) {
  return graph.add("Unsqueeze", [x, graph.integers("axes", [axis])]);
}
function dropped(graph, x, axis) {
  return graph.add("Squeeze", [x, graph.integers("axes", [axis])]);
}

// src/train/gradients/normalisations.ts
var normalisations = {
  // With frozen statistics: the running mean and variance are counted, not learned.
  BatchNormalization: ({ inputs, attributes: { epsilon: epsilon2 } }, dy, graph) => {
    const [x, scale, , mean, variance] = inputs;
    const safe = graph.add("Add", [variance, graph.floats("epsilon", [epsilon2])]);
    const deviation = alongChannels(graph, graph.add("Sqrt", [safe]), x);
    const dyPerDeviation = graph.add("Div", [dy, deviation]);
    const centred = graph.add("Sub", [x, alongChannels(graph, mean, x)]);
    return [
      graph.add("Mul", [dyPerDeviation, alongChannels(graph, scale, x)]),
      summedButChannels(graph, graph.add("Mul", [dyPerDeviation, centred])),
      summedButChannels(graph, dy),
      void 0,
      void 0
    ];
  },
  LayerNormalization: ({ inputs: [x, scale, bias], attributes: { axis, epsilon: epsilon2 } }, dy, graph) => {
    const rank = x.shape.length;
    const first = axis < 0 ? axis + rank : axis;
    const axes = Array.from({ length: rank - first }, (_, i) => first + i);
    const normal = normalised(graph, x, { axes, epsilon: epsilon2 });
    const grown = graph.add("Mul", [dy, scale]);
    return [
      throughNormal(graph, normal, { dy: grown, axes }),
      graph.add("Mul", [dy, normal.x]),
      bias && dy
    ];
  },
  InstanceNormalization: ({ inputs: [x, scale], attributes: { epsilon: epsilon2 } }, dy, graph) => {
    const axes = x.shape.flatMap((_, axis) => axis < 2 ? [] : [axis]);
    const normal = normalised(graph, x, { axes, epsilon: epsilon2 });
    const grown = graph.add("Mul", [dy, alongChannels(graph, scale, x)]);
    return [
      throughNormal(graph, normal, { dy: grown, axes }),
      summedButChannels(graph, graph.add("Mul", [dy, normal.x])),
      summedButChannels(graph, dy)
    ];
  }
};
function alongChannels(graph, value, x) {
  const ones = x.shape.slice(2).map(() => 1);
  return graph.add("Reshape", [value, graph.integers("shape", [-1, ...ones])]);
}
function normalised(graph, x, { axes, epsilon: epsilon2 }) {
  const keep = { axes, keepdims: 1 };
  const centred = graph.add("Sub", [x, graph.add("ReduceMean", [x], keep)]);
  const variance = graph.add("ReduceMean", [graph.add("Mul", [centred, centred])], keep);
  const safe = graph.add("Add", [variance, graph.floats("epsilon", [epsilon2])]);
  const deviation = graph.add("Sqrt", [safe]);
  return { x: graph.add("Div", [centred, deviation]), deviation };
}
function throughNormal(graph, normal, { dy, axes }) {
  const keep = { axes, keepdims: 1 };
  const level = graph.add("Sub", [dy, graph.add("ReduceMean", [dy], keep)]);
  const slope = graph.add("ReduceMean", [graph.add("Mul", [dy, normal.x])], keep);
  const bent = graph.add("Sub", [level, graph.add("Mul", [normal.x, slope])]);
  return graph.add("Div", [bent, normal.deviation]);
}

// src/train/gradients/pooling.ts
var pooling = {
  MaxPool: (node, dy, graph, { lower }) => {
    const { storage_order: _, ...window } = node.attributes;
    const [x] = node.inputs;
    return [lower.maxPool(graph, { window, x, y: node.outputs[0], dy, ...sizesOf(node, dy) })];
  },
  AveragePool: (node, dy, graph) => {
    const { kernel_shape, strides, pads } = node.attributes;
    const [x] = node.inputs;
    const { sizes, outSizes } = sizesOf(node, dy);
    const share = shared(graph, node, { dy, sizes, outSizes });
    const isTiled = pads.every((pad) => pad === 0) && kernel_shape.every((size2, i) => size2 === strides[i]);
    return [
      isTiled ? repeated(graph, share, { kernel_shape, sizes }) : spread(graph, node, { share, x })
    ];
  }
};
function sizesOf(node, dy) {
  const sizes = spatialSizes(node.inputs[0]);
  const outSizes = spatialSizes(dy);
  if (sizes && outSizes) return { sizes, outSizes };
  throw unsupportedForm(node, `over [${node.inputs[0].shape.join(", ")}]`);
}
function shared(graph, { attributes }, { dy, sizes, outSizes }) {
  const { kernel_shape, strides, pads, count_include_pad } = attributes;
  const rank = sizes.length;
  const countsOf = (axis) => Array.from({ length: outSizes[axis] ?? 1 }, (_, i) => {
    const before = pads[axis] ?? 0;
    const start = i * (strides[axis] ?? 1) - before;
    const [low, high] = count_include_pad === 1 ? [-before, (sizes[axis] ?? 1) + (pads[axis + rank] ?? 0)] : [0, sizes[axis] ?? 1];
    return Math.min(start + (kernel_shape[axis] ?? 1), high) - Math.max(start, low);
  });
  const counts = outSizes.reduce(
    (all2, _, axis) => all2.flatMap((count) => countsOf(axis).map((each) => count * each)),
    [1]
  );
  const all = sizeOf(kernel_shape);
  if (counts.every((count) => count === all)) {
    return graph.add("Div", [dy, graph.floats("count", [all])]);
  }
  const table = graph.initializer("counts", floatSource([1, 1, ...outSizes], counts));
  return graph.add("Div", [dy, table]);
}
function repeated(graph, share, {
  kernel_shape,
  sizes
}) {
  const scales = graph.floats("scales", [1, 1, ...kernel_shape], [kernel_shape.length + 2]);
  const large = graph.add("Resize", [share, void 0, scales], {
    mode: "nearest",
    coordinate_transformation_mode: "asymmetric",
    nearest_mode: "floor"
  });
  const places = sizes.map((size2, i) => ({ axis: i + 2, start: 0, step: 1, size: size2 }));
  return placed(graph, large, places);
}
function spread(graph, node, { share, x }) {
  const { kernel_shape, strides } = node.attributes;
  const channels = x.shape[1];
  if (typeof channels !== "number") throw unsupportedForm(node, "of an unknown number of channels");
  const shape = [channels, 1, ...kernel_shape];
  const ones = graph.initializer(
    "ones",
    floatSource(shape, new Float32Array(sizeOf(shape)).fill(1))
  );
  const none = kernel_shape.flatMap(() => [0, 0]);
  const whole = graph.add("ConvTranspose", [share, ones], {
    kernel_shape,
    strides,
    pads: none,
    dilations: kernel_shape.map(() => 1),
    group: channels
  });
  return inside(graph, node, whole);
}
function inside(graph, { inputs: [x], attributes }, whole) {
  const { pads } = attributes;
  const sizes = x.shape.slice(2).map(Number);
  const axes = sizes.map((_, i) => i + 2);
  const starts = sizes.map((_, i) => pads[i] ?? 0);
  const cut2 = graph.add("Slice", [
    whole,
    graph.integers("starts", starts),
    graph.integers(
      "ends",
      starts.map((start, i) => start + (sizes[i] ?? 1))
    ),
    graph.integers("axes", axes)
  ]);
  return placed(
    graph,
    cut2,
    axes.map((axis, i) => ({ axis, start: 0, step: 1, size: sizes[i] ?? 1 }))
  );
}

// src/train/gradients/reductions.ts
var reductions = {
  ReduceSum: ({ inputs: [x, axes], attributes: { keepdims } }, dy, graph) => [
    spread2(graph, kept2(graph, dy, axes.constant ?? [], keepdims), x),
    void 0
  ],
  ReduceMean: ({ inputs: [x], attributes: { axes, keepdims } }, dy, graph) => {
    const share = graph.add("Div", [dy, countAlong(graph, x, axes)]);
    return [spread2(graph, kept2(graph, share, axes, keepdims), x)];
  },
  ReduceMax: ({ inputs: [x], outputs: [y], attributes: { axes, keepdims } }, dy, graph) => [
    shareOfMaxima(graph, x, axes, {
      y: kept2(graph, y, axes, keepdims),
      dy: kept2(graph, dy, axes, keepdims)
    })
  ],
  ReduceMin: ({ inputs: [x], outputs: [y], attributes: { axes, keepdims } }, dy, graph) => [
    shareOfMaxima(graph, x, axes, {
      y: kept2(graph, y, axes, keepdims),
      dy: kept2(graph, dy, axes, keepdims)
    })
  ],
  GlobalAveragePool: ({ inputs: [x] }, dy, graph) => {
    const share = graph.add("Div", [dy, countAlong(graph, x, spatialAxes(x))]);
    return [spread2(graph, share, x)];
  },
  GlobalMaxPool: ({ inputs: [x], outputs: [y] }, dy, graph) => [
    shareOfMaxima(graph, x, spatialAxes(x), { y, dy })
  ]
};
function spatialAxes(x) {
  return x.shape.flatMap((_, axis) => axis < 2 ? [] : [axis]);
}
function kept2(graph, value, axes, keepdims) {
  if (keepdims === 1) return value;
  return graph.add("Unsqueeze", [value, graph.integers("axes", axes)]);
}
function spread2(graph, value, x) {
  const sizes = x.shape.filter((dim) => typeof dim === "number");
  if (sizes.length === x.shape.length) {
    return graph.add("Expand", [value, graph.integers("shape", sizes)]);
  }
  return graph.add("Where", [graph.add("Less", [x, x]), value, value]);
}
function countAlong(graph, x, axes) {
  const dims = axes.map((axis) => [axis, x.shape.at(axis)]);
  const known = dims.reduce((n, [, dim]) => typeof dim === "number" ? n * dim : n, 1);
  let count = graph.floats("count", [known]);
  for (const [axis, dim] of dims) {
    if (typeof dim === "number") continue;
    const at = graph.integers("axis", [axis < 0 ? axis + x.shape.length : axis], []);
    const size2 = graph.add("Gather", [graph.add("Shape", [x]), at], { axis: 0 });
    const float = graph.add("Cast", [size2], { to: "float32" });
    count = known === 1 && count.constant ? float : graph.add("Mul", [count, float]);
  }
  return count;
}
function shareOfMaxima(graph, x, axes, { y, dy }) {
  const isMaximum = graph.add("Cast", [graph.add("Equal", [x, y])], { to: "float32" });
  const ties = graph.add("ReduceSum", [isMaximum, graph.integers("axes", axes)], { keepdims: 1 });
  return graph.add("Mul", [isMaximum, graph.add("Div", [dy, ties])]);
}

// src/train/gradients/resizing.ts
var resizing = {
  Resize: (node, dy, graph) => [
    resizeGradient(node, dy, graph),
    void 0,
    void 0,
    void 0,
    void 0
  ],
  // What padding with zeros added is cut off; what mirrored or repeated numbers got is added back to them.
  Pad: (node, dy, graph) => {
    const sizes = node.inputs[1].constant;
    if (!sizes) throw unsupportedForm(node, "by sizes that are only known at run time");
    const back = node.attributes.mode === "constant" ? cut(graph, node, { dy, sizes }) : folded(graph, node, { dy, sizes });
    return [back, void 0, void 0];
  }
};
function resizeGradient(node, dy, graph) {
  const [x] = node.inputs;
  return x.shape.reduce((value, dim, axis) => {
    const out = dy.shape[axis];
    if (dim === out) return value;
    const [from, to] = [knownSize(node, x, axis), knownSize(node, dy, axis)];
    const factor = to / from;
    if (isRepeat(node, factor)) return summedRuns(graph, value, { axis, from, factor });
    return throughAxis(graph, value, axis, resizeMatrix(node, { from, to }));
  }, dy);
}
function isRepeat({ attributes }, factor) {
  if (attributes.mode !== "nearest" || !Number.isInteger(factor)) return false;
  return attributes.coordinate_transformation_mode === "asymmetric" ? attributes.nearest_mode === "floor" : attributes.coordinate_transformation_mode === "half_pixel";
}
function summedRuns(graph, value, { axis, from, factor }) {
  const split = value.shape.toSpliced(axis, 1, from, factor);
  const runs = graph.add("Reshape", [value, shapeList(graph, split)]);
  return graph.add("ReduceSum", [runs, graph.integers("axes", [axis + 1])], { keepdims: 0 });
}
function resizeMatrix(node, { from, to }) {
  const { mode, coordinate_transformation_mode: coordinates } = node.attributes;
  if (mode === "cubic") throw unsupportedForm(node, "of mode cubic");
  return Array.from({ length: to }, (_, i) => {
    const place = placeOf(i, coordinates, { from, to });
    const row = Array.from({ length: from }, () => 0);
    const add2 = (at, share) => {
      const inside2 = Math.min(from - 1, Math.max(0, at));
      row[inside2] = (row[inside2] ?? 0) + share;
    };
    if (mode === "nearest") add2(nearest(place, node.attributes.nearest_mode), 1);
    else {
      const low = Math.floor(place);
      add2(low, 1 - (place - low));
      add2(low + 1, place - low);
    }
    return row;
  });
}
function placeOf(i, coordinates, { from, to }) {
  const scale = to / from;
  if (coordinates === "align_corners") return to === 1 ? 0 : i * (from - 1) / (to - 1);
  return coordinates === "asymmetric" ? i / scale : (i + 0.5) / scale - 0.5;
}
function nearest(place, mode = "round_prefer_floor") {
  if (mode === "floor") return Math.floor(place);
  return mode === "round_prefer_ceil" ? Math.floor(place + 0.5) : Math.ceil(place - 0.5);
}
function throughAxis(graph, dy, axis, matrix2) {
  const shape = [matrix2.length, matrix2[0]?.length ?? 1];
  const table = graph.initializer("shares", floatSource(shape, matrix2.flat()));
  const last = dy.shape.length - 1;
  const perm = dy.shape.map((_, i) => i === axis ? last : i === last ? axis : i);
  const moved = axis === last ? dy : graph.add("Transpose", [dy], { perm });
  const product2 = graph.add("MatMul", [moved, table]);
  return axis === last ? product2 : graph.add("Transpose", [product2], { perm });
}
function cut(graph, { inputs: [x] }, { dy, sizes }) {
  const rank = x.shape.length;
  const axes = x.shape.flatMap(
    (_, axis) => (sizes[axis] ?? 0) === 0 && (sizes[axis + rank] ?? 0) === 0 ? [] : [axis]
  );
  if (axes.length === 0) return dy;
  if (sizes.some((size2) => size2 < 0)) {
    const back = sizes.map((size2) => size2 === 0 ? 0 : -size2);
    return graph.add("Pad", [dy, graph.integers("pads", back)], { mode: "constant" });
  }
  const last = 2 ** 31 - 1;
  const ends = axes.map((axis) => sizes[axis + rank] ? -(sizes[axis + rank] ?? 0) : last);
  const sliced2 = graph.add("Slice", [
    dy,
    graph.integers(
      "starts",
      axes.map((axis) => sizes[axis] ?? 0)
    ),
    graph.integers("ends", ends),
    graph.integers("axes", axes)
  ]);
  return graph.rename(sliced2, sliced2.name, x.shape);
}
function folded(graph, node, { dy, sizes }) {
  const [x] = node.inputs;
  const rank = x.shape.length;
  return x.shape.reduce((value, _, axis) => {
    const [before, after] = [sizes[axis] ?? 0, sizes[axis + rank] ?? 0];
    if (before === 0 && after === 0) return value;
    const size2 = knownSize(node, x, positiveAxis(axis, rank));
    const matrix2 = Array.from({ length: before + size2 + after }, (__, i) => {
      const from = sourceOf2(i - before, size2, node.attributes.mode);
      return Array.from({ length: size2 }, (___, j) => +(j === from));
    });
    return throughAxis(graph, value, axis, matrix2);
  }, dy);
}
function sourceOf2(place, size2, mode) {
  if (mode === "edge") return Math.min(size2 - 1, Math.max(0, place));
  const period = Math.max(1, 2 * (size2 - 1));
  const inside2 = (place % period + period) % period;
  return inside2 < size2 ? inside2 : period - inside2;
}

// src/train/gradients/shapes.ts
var shapes = {
  Reshape: (node, dy, graph) => [shapedLike(graph, node, dy), void 0],
  Flatten: (node, dy, graph) => [shapedLike(graph, node, dy)],
  Unsqueeze: ({ inputs: [, axes] }, dy, graph) => [graph.add("Squeeze", [dy, axes]), void 0],
  Squeeze: ({ inputs: [, axes] }, dy, graph) => [graph.add("Unsqueeze", [dy, axes]), void 0],
  Transpose: ({ attributes: { perm } }, dy, graph) => [
    graph.add("Transpose", [dy], { perm: perm.map((_, axis) => perm.indexOf(axis)) })
  ],
  Expand: (_, dy) => [dy, void 0],
  Concat: (node, dy, graph) => {
    const [first, ...others2] = node.inputs;
    const axis = positiveAxis(node.attributes.axis, first.shape.length);
    let start = 0;
    const part = (input) => {
      const from = start;
      start += knownSize(node, input, axis);
      const range = [graph.integers("start", [from]), graph.integers("end", [start])];
      return graph.add("Slice", [dy, ...range, graph.integers("axes", [axis])]);
    };
    return [part(first), ...others2.map(part)];
  },
  Slice: (node, dy, graph) => [
    sliceGradient(node, dy, graph),
    void 0,
    void 0,
    void 0,
    void 0
  ],
  Split: ({ outputs, attributes: { axis } }, _, graph, { dys }) => {
    const [first, ...others2] = outputs.map((output, i) => dys[i] ?? zerosLike(graph, output));
    if (!first) throw new Error("Bug: a Split puts out at least one part");
    return [graph.add("Concat", [first, ...others2], { axis }), void 0];
  },
  Tile: (node, dy, graph) => [tileGradient(node, dy, graph), void 0],
  CumSum: ({ inputs: [, axis], attributes: { exclusive = 0, reverse = 0 } }, dy, graph) => [
    graph.add("CumSum", [dy, axis], { exclusive, reverse: reverse === 1 ? 0 : 1 }),
    void 0
  ],
  Trilu: ({ inputs: [, diagonal], attributes: { upper } }, dy, graph) => [
    graph.add("Trilu", diagonal ? [dy, diagonal] : [dy], { upper }),
    void 0
  ],
  SpaceToDepth: ({ attributes: { blocksize } }, dy, graph) => [
    graph.add("DepthToSpace", [dy], { blocksize, mode: "DCR" })
  ],
  DepthToSpace: ({ inputs: [x], attributes: { blocksize, mode } }, dy, graph) => {
    const blocks = graph.add("SpaceToDepth", [dy], { blocksize });
    if (mode === "DCR") return [blocks];
    const [, channels = 1, ...space] = x.shape;
    const places = blocksize ** 2;
    const split = ["n", places, Number(channels) / places, ...space];
    const apart2 = graph.add("Reshape", [blocks, shapeList(graph, split)]);
    const turned2 = graph.add("Transpose", [apart2], { perm: [0, 2, 1, 3, 4] });
    return [graph.add("Reshape", [turned2, shapeList(graph, x.shape)])];
  }
};
function shapedLike(graph, node, dy) {
  const { shape } = node.inputs[0];
  let isOpen = false;
  const target = shape.map((dim, axis) => {
    if (typeof dim === "number") return dim;
    if (dy.shape[axis] === dim) return 0;
    if (isOpen) throw unsupportedForm(node, `from [${shape.join(", ")}]`);
    isOpen = true;
    return -1;
  });
  return graph.add("Reshape", [dy, graph.integers("shape", target)]);
}
function sliceGradient(node, dy, graph) {
  const [x, starts, ends, axes, steps] = node.inputs;
  const from = starts.constant;
  const to = ends.constant;
  if (!from || !to) throw unsupportedForm(node, "with bounds that are only known at run time");
  const reversed = [];
  const places = from.flatMap((start, i) => {
    const axis = positiveAxis(axes?.constant?.[i] ?? i, x.shape.length);
    const step = steps?.constant?.[i] ?? 1;
    const end = to[i] ?? largest;
    if (start === 0 && step === 1 && end >= largest) return [];
    if (step < 0) reversed.push(axis);
    const size2 = knownSize(node, x, axis);
    return [{ axis, step: Math.abs(step), size: size2, start: firstOf({ start, step, size: size2 }, dy, axis) }];
  });
  const ordered = reversed.length === 0 ? dy : flipped(graph, dy, reversed);
  return placed(graph, ordered, places);
}
var largest = 2 ** 31 - 1;
function firstOf({ start, step, size: size2 }, dy, axis) {
  const high = step > 0 ? size2 : size2 - 1;
  const first = Math.min(high, Math.max(0, start < 0 ? start + size2 : start));
  return step > 0 ? first : first + step * (Number(dy.shape[axis]) - 1);
}
function flipped(graph, x, axes) {
  const all = (number) => axes.map(() => number);
  const lowest = -(2 ** 31);
  return graph.add("Slice", [
    x,
    graph.integers("starts", all(-1)),
    graph.integers("ends", all(lowest)),
    graph.integers("axes", axes),
    graph.integers("steps", all(-1))
  ]);
}
function tileGradient(node, dy, graph) {
  const [x, repeats] = node.inputs;
  const counts = repeats.constant;
  if (!counts) throw unsupportedForm(node, "a number of times that is only known at run time");
  const axes = [];
  const split = [];
  x.shape.forEach((dim, axis) => {
    const count = counts[axis] ?? 1;
    if (count > 1) {
      axes.push(split.length);
      split.push(count);
    }
    split.push(dim);
  });
  if (axes.length === 0) return dy;
  const apart2 = graph.add("Reshape", [dy, shapeList(graph, split)]);
  return graph.add("ReduceSum", [apart2, graph.integers("axes", axes)], { keepdims: 0 });
}

// src/train/gradients.ts
var gradients = {
  ...arithmetic,
  ...activations,
  ...matrices,
  ...shapes,
  ...reductions,
  ...convolutions,
  ...pooling,
  ...normalisations,
  ...functions,
  ...gathering,
  ...resizing,
  ...einsum
};
var flat = /* @__PURE__ */ new Set([
  "Equal",
  "Greater",
  "GreaterOrEqual",
  "Less",
  "LessOrEqual",
  "And",
  "Or",
  "Xor",
  "Not",
  "IsNaN",
  "Sign",
  "Floor",
  "Ceil",
  "Round",
  "ArgMax",
  "ArgMin",
  "Shape",
  "Range",
  "ConstantOfShape"
]);

// src/train/lowering/conv-input.ts
function transposedConvolution(graph, { window, x, w, dy, sizes, outSizes }) {
  const { kernel_shape, strides, pads, dilations, group } = window;
  const output_padding = sizes.map((size2, i) => {
    const kernel = ((kernel_shape[i] ?? 1) - 1) * (dilations[i] ?? 1) + 1;
    const padded2 = size2 + (pads[i] ?? 0) + (pads[i + sizes.length] ?? 0);
    return padded2 - ((outSizes[i] ?? 1) - 1) * (strides[i] ?? 1) - kernel;
  });
  const excess = output_padding.map((extra, i) => Math.max(0, extra - (strides[i] ?? 1) + 1));
  const small = graph.add("ConvTranspose", [dy, w], {
    kernel_shape,
    strides,
    pads,
    dilations,
    group,
    output_padding: output_padding.map((extra, i) => extra - (excess[i] ?? 0))
  });
  if (excess.every((extra) => extra === 0)) return small;
  const none = x.shape.map(() => 0);
  return graph.add("Pad", [small, graph.integers("pads", [...none, 0, 0, ...excess])], {
    mode: "constant"
  });
}
function flippedConvolution(graph, { window, w, dy, sizes }) {
  const { kernel_shape, strides, pads, dilations, group } = window;
  const reach = kernel_shape.map((size2, i) => (size2 - 1) * (dilations[i] ?? 1));
  const around = pads.map((pad, i) => (reach[i % sizes.length] ?? 0) - pad);
  const kernel = turned(graph, exchanged(graph, w, group), kernel_shape);
  return graph.add("Conv", [dy, kernel], { kernel_shape, strides, pads: around, dilations, group });
}
function isFlippable({ window }) {
  const { kernel_shape, strides, pads, dilations } = window;
  const rank = kernel_shape.length;
  return strides.every((stride) => stride === 1) && pads.every((pad, i) => pad <= ((kernel_shape[i % rank] ?? 1) - 1) * (dilations[i % rank] ?? 1));
}
function exchanged(graph, w, group) {
  const [outputs = 1, inputs = 1, ...kernel] = w.shape.map(Number);
  if (group === 1) {
    const perm2 = w.shape.map((_, axis) => axis < 2 ? 1 - axis : axis);
    return graph.add("Transpose", [w], { perm: perm2 });
  }
  if (inputs === 1 && outputs === group) return w;
  const split = shapeList(graph, [group, outputs / group, inputs, ...kernel]);
  const perm = [0, 2, 1, ...kernel.map((_, i) => i + 3)];
  const swapped3 = graph.add("Transpose", [graph.add("Reshape", [w, split])], { perm });
  return graph.add("Reshape", [
    swapped3,
    shapeList(graph, [group * inputs, outputs / group, ...kernel])
  ]);
}
function turned(graph, w, kernel) {
  const axes = kernel.flatMap((size2, i) => size2 > 1 ? [i + 2] : []);
  if (axes.length === 0) return w;
  const all = (number) => axes.map(() => number);
  return graph.add("Slice", [
    w,
    graph.integers("starts", all(-1)),
    graph.integers("ends", all(-(2 ** 31))),
    graph.integers("axes", axes),
    graph.integers("steps", all(-1))
  ]);
}

// src/train/lowering/conv-kernel.ts
function productsByPlace(graph, conv) {
  const { window, outSizes } = conv;
  const [outputs = 1, inputs = 1] = conv.w.shape.map(Number);
  const x = paddedMaps(graph, channelsLast(graph, conv.x), window, { first: 1 });
  const dy = rows2(graph, channelsLast(graph, conv.dy), outputs);
  const parts = offsetsOf(window).map((offset) => {
    const seen = met(graph, x, { offset, strides: window.strides, counts: outSizes, first: 1 });
    return graph.add("Gemm", [rows2(graph, seen, inputs), dy], { transA: 1 });
  });
  return kernelOf(graph, stacked(graph, parts, 0), [...window.kernel_shape, inputs, outputs]);
}
function productOfColumns(graph, conv) {
  const { window, outSizes } = conv;
  const [outputs = 1, inputs = 1] = conv.w.shape.map(Number);
  const x = paddedMaps(graph, channelsLast(graph, conv.x), window, { first: 1 });
  const dy = rows2(graph, channelsLast(graph, conv.dy), outputs);
  const seen = offsetsOf(window).map(
    (offset) => met(graph, x, { offset, strides: window.strides, counts: outSizes, first: 1 })
  );
  const columns = rows2(graph, stacked(graph, seen, conv.x.shape.length - 1), seen.length * inputs);
  const product2 = graph.add("Gemm", [columns, dy], { transA: 1 });
  return kernelOf(graph, product2, [...window.kernel_shape, inputs, outputs]);
}
function productsByGroup(graph, conv) {
  const { window, outSizes } = conv;
  const { group, kernel_shape } = window;
  const [outputs = 1, inputs = 1] = conv.w.shape.map(Number);
  const places = sizeOf(outSizes);
  const x = paddedMaps(graph, conv.x, window);
  const dy = graph.add("Reshape", [
    conv.dy,
    shapeList(graph, ["n", group, outputs / group, places])
  ]);
  const parts = offsetsOf(window).map((offset) => {
    const seen = met(graph, x, { offset, strides: window.strides, counts: outSizes });
    const split = graph.add("Reshape", [seen, shapeList(graph, ["n", group, inputs, places])]);
    const product2 = graph.add("MatMul", [
      dy,
      graph.add("Transpose", [split], { perm: [0, 1, 3, 2] })
    ]);
    const sum2 = graph.add("ReduceSum", [product2, graph.integers("axes", [0])], { keepdims: 1 });
    return graph.add("Reshape", [sum2, shapeList(graph, [1, outputs, inputs])]);
  });
  const all = stacked(graph, parts, 0);
  const last = graph.add("Transpose", [all], { perm: [1, 2, 0] });
  return graph.add("Reshape", [last, shapeList(graph, [outputs, inputs, ...kernel_shape])]);
}
function exchangedConvolution(graph, conv) {
  const { window, outSizes } = conv;
  const perm = conv.x.shape.map((_, axis) => axis < 2 ? 1 - axis : axis);
  const exchanged2 = (value) => graph.add("Transpose", [value], { perm });
  const product2 = graph.add("Conv", [exchanged2(conv.x), exchanged2(conv.dy)], {
    kernel_shape: outSizes,
    strides: window.dilations,
    dilations: window.strides,
    pads: window.pads,
    group: 1
  });
  const zeros = window.kernel_shape.map(() => 0);
  const ones = window.kernel_shape.map(() => 1);
  const at = { offset: zeros, strides: ones, counts: window.kernel_shape };
  return exchanged2(met(graph, product2, at));
}
function channelsLast(graph, x) {
  const perm = x.shape.map((_, axis) => axis === 0 ? 0 : axis + 1);
  return graph.add("Transpose", [x], { perm: perm.with(-1, 1) });
}
function rows2(graph, x, width) {
  return graph.add("Reshape", [x, graph.integers("shape", [-1, width])]);
}
function stacked(graph, parts, axis) {
  const [first, ...others2] = parts;
  if (!first) throw new Error("Bug: a kernel has at least one place");
  return others2.length === 0 ? first : graph.add("Concat", [first, ...others2], { axis });
}
function kernelOf(graph, product2, shape) {
  const rank = shape.length;
  const spread3 = graph.add("Reshape", [product2, shapeList(graph, shape)]);
  const perm = [rank - 1, rank - 2, ...Array.from({ length: rank - 2 }, (_, i) => i)];
  return graph.add("Transpose", [spread3], { perm });
}

// src/train/lowering/max-pool.ts
function unpooledGradient(graph, { window, x, dy, sizes, outSizes }) {
  const { ceil_mode, ...plain2 } = window;
  const mode = ceil_mode === void 0 ? {} : { ceil_mode };
  const [, indices] = graph.addAll("MaxPool", [x], { ...plain2, ...mode, storage_order: 0 });
  if (!indices) throw new Error("Bug: MaxPool with a storage order puts out indices");
  const exact = outSizes.map(
    (out, i) => (out - 1) * (window.strides[i] ?? 1) + (window.kernel_shape[i] ?? 1) - (window.pads[i] ?? 0) - (window.pads[i + outSizes.length] ?? 0)
  );
  if (exact.every((size2, i) => size2 === sizes[i])) {
    return graph.add("MaxUnpool", [dy, indices], plain2);
  }
  const sparse = graph.add("MaxUnpool", [dy, indices, graph.add("Shape", [x])], plain2);
  return graph.rename(sparse, sparse.name, x.shape);
}
function isApart({ window }) {
  return window.kernel_shape.every((size2, i) => size2 <= (window.strides[i] ?? 1));
}
function comparedGradient(graph, pooling2) {
  const { window, x, y, dy, sizes, outSizes } = pooling2;
  const rank = sizes.length;
  const reach = sizes.map((size2, i) => {
    const before = window.pads[i] ?? 0;
    const last = ((outSizes[i] ?? 1) - 1) * (window.strides[i] ?? 1) + (window.kernel_shape[i] ?? 1);
    return { before, after: Math.max(0, last - before - size2) };
  });
  const pads = [...reach.map(({ before }) => before), ...reach.map(({ after }) => after)];
  const padded2 = paddedMaps(graph, x, { pads }, { fill: -34e37 });
  let isFree;
  let sum2;
  for (const offset of offsetsOf(window)) {
    const seen = met(graph, padded2, { offset, strides: window.strides, counts: outSizes });
    const isMaximum = graph.add("Equal", [seen, y]);
    const isFirst = isFree ? graph.add("And", [isMaximum, isFree]) : isMaximum;
    const isOther = graph.add("Not", [isMaximum]);
    isFree = isFree ? graph.add("And", [isFree, isOther]) : isOther;
    const part = graph.add("Where", [isFirst, dy, graph.floats("zero", [0])]);
    const spread3 = placed(
      graph,
      part,
      Array.from({ length: rank }, (_, i) => ({
        axis: i + 2,
        start: offset[i] ?? 0,
        step: window.strides[i] ?? 1,
        size: Number(padded2.shape[i + 2])
      }))
    );
    sum2 = sum2 ? graph.add("Add", [sum2, spread3]) : spread3;
  }
  if (!sum2) throw new Error("Bug: a window has at least one place");
  const inside2 = reach.map(({ before }) => before);
  return met(graph, sum2, { offset: inside2, strides: inside2.map(() => 1), counts: sizes });
}

// src/train/lowering/winograd.ts
var inputRows = [
  [1, 0, -1, 0],
  [0, 1, 1, 0],
  [0, -1, 1, 0],
  [0, 1, 0, -1]
];
var kernelRows = [
  [1, 0, 0],
  [0.5, 0.5, 0.5],
  [0.5, -0.5, 0.5],
  [0, 0, 1]
];
var outputRows = [
  [1, 1, 1, 0],
  [0, 1, -1, -1]
];
var turnedRows = [3, 1, 2, 0];
function isWinograd({ window, x, w }) {
  const { kernel_shape, strides, dilations, group, pads } = window;
  const [outputs = 0, inputs = 0] = w.shape.map(Number);
  return group === 1 && spatialSizes(x)?.length === 2 && kernel_shape.every((size2) => size2 === 3) && [...strides, ...dilations].every((each) => each === 1) && pads.every((pad) => pad >= 0 && pad <= 2) && Math.min(outputs, inputs) >= fewestChannels;
}
var fewestChannels = 32;
function winogradConvolution(graph, convolution) {
  const { window, x, w, bias } = convolution;
  const from = graph.nodes.length;
  const [outputs = 1, inputs = 1] = w.shape.map(Number);
  const kernels = kernelTransform(graph, w);
  const seen = transformed(graph, x, { pads: window.pads });
  const product2 = graph.add("MatMul", [seen.tiles, kernels]);
  const plain2 = backTransformed(graph, product2, { ...seen, channels: outputs });
  const y = bias ? graph.add("Add", [plain2, graph.add("Reshape", [bias, graph.integers("shape", [-1, 1, 1])])]) : plain2;
  const around = window.pads.map((pad) => 2 - pad);
  const gradient = (dy) => {
    const turned2 = graph.add("Gather", [kernels, graph.integers("turned", turnedPlaces)], {
      axis: 0
    });
    const back = transformed(graph, dy, { pads: around });
    const spread3 = graph.add("MatMul", [back.tiles, swapped2(graph, turned2)]);
    const dx = backTransformed(graph, spread3, { ...back, channels: inputs });
    const dw = kernelGradient(graph, { tiles: seen, dy, inputs, outputs });
    const axes = graph.integers("axes", [0, 2, 3]);
    return [dx, dw, bias && graph.add("ReduceSum", [dy, axes], { keepdims: 0 })];
  };
  const nodes = graph.nodes.slice(from);
  return { y, unit: { op: "Conv", nodes, inputs: [x, w, bias], output: y, gradient } };
}
var turnedPlaces = turnedRows.flatMap((row) => turnedRows.map((column) => row * 4 + column));
function kronecker(rows4) {
  return rows4.flatMap((a) => rows4.map((b) => a.flatMap((x) => b.map((y) => x * y))));
}
function matrix(graph, name, rows4) {
  return graph.floats(name, rows4.flat(), [rows4.length, rows4[0]?.length ?? 0]);
}
function transpose(rows4) {
  return (rows4[0] ?? []).map((_, i) => rows4.map((row) => row[i] ?? 0));
}
function kernelTransform(graph, w) {
  const [outputs = 1, inputs = 1] = w.shape.map(Number);
  const places = graph.add("Transpose", [w], { perm: [2, 3, 1, 0] });
  const rows4 = graph.add("Reshape", [places, graph.integers("shape", [9, inputs * outputs])]);
  const product2 = graph.add("Gemm", [matrix(graph, "G", kronecker(kernelRows)), rows4], {});
  return graph.add("Reshape", [product2, graph.integers("shape", [16, inputs, outputs])]);
}
function transformed(graph, x, { pads }) {
  const [, channels = 1, height = 1, width = 1] = x.shape.map(Number);
  const [top = 0, left = 0, bottom = 0, right = 0] = pads;
  const sizes = [height + top + bottom - 2, width + left + right - 2];
  const counts = [Math.ceil(sizes[0] / 2), Math.ceil(sizes[1] / 2)];
  const last = graph.add("Transpose", [x], { perm: [0, 2, 3, 1] });
  const below = counts[0] * 2 + 2 - height - top;
  const beside = counts[1] * 2 + 2 - width - left;
  const around = graph.integers("pads", [0, top, left, 0, 0, below, beside, 0]);
  const padded2 = graph.add("Pad", [last, around], { mode: "constant" });
  const axes = graph.integers("axes", [1, 2]);
  const places = Array.from({ length: 16 }, (_, i) => [Math.floor(i / 4), i % 4]);
  const [first, ...others2] = places.map(([row, column]) => {
    const ends = [row + counts[0] * 2 - 1, column + counts[1] * 2 - 1];
    const seen = graph.add("Slice", [
      padded2,
      graph.integers("starts", [row, column]),
      graph.integers("ends", ends),
      axes,
      graph.integers("steps", [2, 2])
    ]);
    return graph.add("Reshape", [seen, graph.integers("shape", [1, -1])]);
  });
  if (!first) throw new Error("Bug: a tile has sixteen places");
  const all = graph.add("Concat", [first, ...others2], { axis: 0 });
  const product2 = graph.add("Gemm", [matrix(graph, "B", kronecker(inputRows)), all], {});
  const tiles = graph.add("Reshape", [product2, graph.integers("shape", [16, -1, channels])]);
  return { tiles, counts, sizes };
}
function backTransformed(graph, product2, { counts, sizes, channels }) {
  const rows4 = graph.add("Reshape", [product2, graph.integers("shape", [16, -1])]);
  const places = graph.add("Gemm", [matrix(graph, "A", kronecker(outputRows)), rows4], {});
  const split = graph.integers("shape", [2, 2, -1, ...counts, channels]);
  const apart2 = graph.add("Reshape", [places, split]);
  const woven = graph.add("Transpose", [apart2], { perm: [2, 5, 3, 0, 4, 1] });
  const even = [counts[0] * 2, counts[1] * 2];
  const maps = graph.add("Reshape", [woven, graph.integers("shape", [-1, channels, ...even])]);
  return placed(
    graph,
    maps,
    sizes.map((size2, i) => ({ axis: i + 2, start: 0, step: 1, size: size2 }))
  );
}
function kernelGradient(graph, {
  tiles: { tiles, counts, sizes },
  dy,
  inputs,
  outputs
}) {
  const even = placed(
    graph,
    dy,
    sizes.map((_, i) => ({ axis: i + 2, start: 0, step: 1, size: (counts[i] ?? 1) * 2 }))
  );
  const split = graph.integers("shape", [-1, outputs, counts[0], 2, counts[1], 2]);
  const apart2 = graph.add("Reshape", [even, split]);
  const places = graph.add("Transpose", [apart2], { perm: [3, 5, 0, 2, 4, 1] });
  const rows4 = graph.add("Reshape", [places, graph.integers("shape", [4, -1])]);
  const spread3 = matrix(graph, "A_transposed", transpose(kronecker(outputRows)));
  const product2 = graph.add("Gemm", [spread3, rows4], {});
  const wide = graph.add("Reshape", [product2, graph.integers("shape", [16, -1, outputs])]);
  const sums = graph.add("MatMul", [swapped2(graph, tiles), wide]);
  const flat2 = graph.add("Reshape", [sums, graph.integers("shape", [16, inputs * outputs])]);
  const back = matrix(graph, "G_transposed", transpose(kronecker(kernelRows)));
  const kernels = graph.add("Gemm", [back, flat2], {});
  const apartAgain = graph.integers("shape", [9, inputs, outputs]);
  const turned2 = graph.add("Transpose", [graph.add("Reshape", [kernels, apartAgain])], {
    perm: [2, 1, 0]
  });
  return graph.add("Reshape", [turned2, graph.integers("shape", [outputs, inputs, 3, 3])]);
}
function swapped2(graph, x) {
  return graph.add("Transpose", [x], { perm: [0, 2, 1] });
}

// src/train/lowering.ts
var lowerings = {
  cpu: {
    trainedConvolution: (graph, convolution) => isWinograd(convolution) ? winogradConvolution(graph, convolution) : void 0,
    convolutionInput: (graph, conv) => isFlippable(conv) && (conv.window.group > 1 || sizeOf(conv.sizes) >= largeMap) ? flippedConvolution(graph, conv) : transposedConvolution(graph, conv),
    convolutionKernel: products,
    maxPool: (graph, pooling2) => isApart(pooling2) && pooling2.sizes.length === 2 ? unpooledGradient(graph, pooling2) : comparedGradient(graph, pooling2),
    logSoftmax: (graph, x, axis) => graph.add("LogSoftmax", [x], { axis })
  },
  cuda: {
    trainedConvolution: () => void 0,
    convolutionInput: transposedConvolution,
    convolutionKernel: (graph, conv) => conv.window.group === 1 ? exchangedConvolution(graph, conv) : productsByGroup(graph, conv),
    maxPool: comparedGradient,
    logSoftmax: (graph, x, axis) => graph.add("LogSoftmax", [x], { axis })
  },
  webgpu: {
    trainedConvolution: () => void 0,
    convolutionInput: (graph, conv) => isFlippable(conv) ? flippedConvolution(graph, conv) : transposedConvolution(graph, conv),
    convolutionKernel: products,
    maxPool: comparedGradient,
    logSoftmax: shiftedLogSoftmax
  }
};
var largeMap = 28 * 28;
var fewChannels = 16;
function products(graph, conv) {
  if (conv.window.group > 1) return productsByGroup(graph, conv);
  return Number(conv.x.shape[1]) <= fewChannels ? productOfColumns(graph, conv) : productsByPlace(graph, conv);
}
function shiftedLogSoftmax(graph, x, axis) {
  const maximum = graph.add("ReduceMax", [x], { axes: [axis], keepdims: 1 });
  const shifted = graph.add("Sub", [x, maximum]);
  const axes = graph.integers("axes", [axis]);
  const sum2 = graph.add("ReduceSum", [graph.add("Exp", [shifted]), axes], { keepdims: 1 });
  return graph.add("Sub", [shifted, graph.add("Log", [sum2])]);
}

// src/train/backward.ts
function backward(graph, asked) {
  const { loss, seed, targets } = asked;
  const length = graph.nodes.length;
  const steps = stepsOf(graph, asked);
  const moving = dependents(steps, asked);
  const path = stepsBetween(steps, moving, loss);
  refuseMissing(path, loss);
  const grads = /* @__PURE__ */ new Map([[loss.name, seed]]);
  for (const { inputs, outputs, gradient } of path.toReversed()) {
    const dys = outputs.map(({ name }) => grads.get(name));
    if (!gradient || dys.every((dy) => dy === void 0)) continue;
    const parts = gradient(dys);
    inputs.forEach((input, i) => {
      const part = parts[i];
      if (!input || !part || !moving.has(input.name)) return;
      const summed = sumTo(graph, part, input);
      const before = grads.get(input.name);
      grads.set(input.name, before ? graph.add("Add", [before, summed]) : summed);
    });
  }
  const results = targets.map((target) => grads.get(target.name));
  dropUnused(graph, length, results);
  return results;
}
function stepsOf(graph, { units = [], lower = lowerings.cpu }) {
  const unitOf = new Map(units.flatMap((unit) => unit.nodes.map((node) => [node, unit])));
  return graph.nodes.flatMap((node) => {
    const unit = unitOf.get(node);
    if (!unit) return [nodeStep(graph, node, lower)];
    if (node !== unit.nodes.at(-1)) return [];
    const { op, inputs, output } = unit;
    const gradient = ([dy]) => dy ? unit.gradient(dy) : [];
    return [{ op, name: output.name, inputs, outputs: [output], gradient }];
  });
}
function nodeStep(graph, node, lower) {
  const rule = gradients[node.op];
  const gradient = (dys) => {
    const dy = dys.find((each) => each !== void 0);
    return rule && dy ? rule(node, dy, graph, { dys, lower }) : [];
  };
  return { ...node, gradient: rule && gradient };
}
function dependents(steps, { targets, constants = [] }) {
  const fixed = new Set(constants.map((value) => value.name));
  const moving = new Set(targets.map((target) => target.name));
  for (const step of steps) {
    if (flat.has(step.op)) continue;
    if (!step.inputs.some((input) => input && moving.has(input.name))) continue;
    for (const output of step.outputs) if (!fixed.has(output.name)) moving.add(output.name);
  }
  return moving;
}
function stepsBetween(steps, moving, loss) {
  const wanted = /* @__PURE__ */ new Set([loss.name]);
  const path = steps.toReversed().filter((step) => {
    const isBetween = step.outputs.some(({ name }) => wanted.has(name) && moving.has(name));
    if (isBetween) {
      for (const input of step.inputs) if (input) wanted.add(input.name);
    }
    return isBetween;
  });
  return path.toReversed();
}
function refuseMissing(path, loss) {
  const missing = path.filter((step) => !step.gradient);
  const [first] = missing;
  if (!first) return;
  const list2 = missing.map((step) => `${step.op} (${wayTo(path, step, loss)})`).join("; ");
  throw new ToolkitError("GRADIENT_MISSING", `No gradient is known for ${list2}`, {
    where: { node: first.name },
    hint: "Train only layers behind these nodes, or add rules to src/train/gradients.ts."
  });
}
function wayTo(path, step, loss) {
  const users = /* @__PURE__ */ new Map();
  for (const each of path) for (const input of each.inputs) if (input) users.set(input.name, each);
  const way = [step];
  for (let at = step; at && !at.outputs.some((y) => y.name === loss.name); ) {
    at = at.outputs.map(({ name }) => users.get(name)).find(Boolean);
    if (at) way.push(at);
  }
  const names = way.toReversed().map(({ name }) => name);
  const short = names.length > 8 ? [...names.slice(0, 3), "\u2026", ...names.slice(-4)] : names;
  return `loss \u2190 ${short.join(" \u2190 ")}`;
}
function sumTo(graph, gradient, input) {
  const extra = gradient.shape.length - input.shape.length;
  const axes = gradient.shape.flatMap(
    (dim, axis) => axis < extra || input.shape[axis - extra] === 1 && dim !== 1 ? [axis] : []
  );
  if (axes.length === 0) return gradient;
  const along = graph.integers("axes", axes);
  if (axes.length === extra) return graph.add("ReduceSum", [gradient, along], { keepdims: 0 });
  const sum2 = graph.add("ReduceSum", [gradient, along], { keepdims: 1 });
  if (extra === 0) return sum2;
  const leading = axes.filter((axis) => axis < extra);
  return graph.add("Squeeze", [sum2, graph.integers("axes", leading)]);
}
function dropUnused(graph, from, results) {
  const used = new Set(results.map((result) => result?.name));
  const kept3 = graph.nodes.splice(from).toReversed().filter((node) => {
    const isUsed = node.outputs.some((output) => used.has(output.name));
    if (isUsed) for (const input of node.inputs) used.add(input?.name);
    return isUsed;
  });
  graph.nodes.push(...kept3.toReversed());
}

// src/train/batch-statistics.ts
function normaliseByBatch(graph, {
  node,
  inputs,
  by
}) {
  const [x, scale, offset, mean, variance] = inputs;
  if (!x || !scale || !offset || !mean || !variance) {
    throw new Error(`Bug: node "${node.name}" has five inputs`);
  }
  const axes = x.shape.flatMap((_, axis) => axis === 1 ? [] : [axis]);
  const along = (value) => alongChannels(graph, value, x);
  const own = graph.add("ReduceMean", [x], { axes, keepdims: 0 });
  const centred = graph.add("Sub", [x, along(own)]);
  const spread3 = graph.add("ReduceMean", [graph.add("Mul", [centred, centred])], {
    axes,
    keepdims: 0
  });
  const epsilon2 = "epsilon" in node.attributes ? node.attributes.epsilon : 0;
  const safe = graph.add("Add", [spread3, graph.floats("epsilon", [epsilon2])]);
  const factor = graph.add("Div", [scale, graph.add("Sqrt", [safe])]);
  const y = graph.add("Add", [graph.add("Mul", [centred, along(factor)]), along(offset)]);
  const seen = by.keras === 1 ? safe : spread3;
  return { y, statistics: [follow(graph, by, mean, own), follow(graph, by, variance, seen)] };
}
function follow(graph, { momentum: momentum2 = 0.99 }, running, own) {
  const kept3 = graph.add("Mul", [running, graph.floats("momentum", [momentum2])]);
  const taken = graph.add("Mul", [own, graph.floats("rest", [1 - momentum2])]);
  return graph.add("Add", [kept3, taken]);
}

// src/train/losses.ts
var epsilon = 1e-7;
var losses = {
  /**
   * log Σ exp(z) · Σ t - Σ t·z, of the logits z shifted by their maximum: it has a gradient however wrong z is.
   *
   * Without LogSoftmax, which WebGPU lacks. The maximum cancels, so nothing flows through it.
   */
  categorical_crossentropy: {
    of: "logits",
    targets: "scores",
    emit(graph, logits, target) {
      const { shifted, logSum, maximum } = logSumExp(graph, logits);
      const weight = graph.add("ReduceSum", [target, lastAxis(graph)], { keepdims: 0 });
      const hit = sumLast(graph, graph.add("Mul", [target, shifted]));
      const whole = graph.add("Mul", [weight, logSum]);
      return { losses: graph.add("Sub", [whole, hit]), constants: [maximum] };
    }
  },
  /** The same for targets that are class numbers, int64 [N]. */
  sparse_categorical_crossentropy: {
    of: "logits",
    targets: "numbers",
    emit(graph, logits, target) {
      const { shifted, logSum, maximum } = logSumExp(graph, logits);
      const hits = graph.add("Where", [isTarget(graph, logits, target), shifted, zero2(graph)]);
      const hit = sumLast(graph, hits);
      return { losses: graph.add("Sub", [logSum, hit]), constants: [maximum] };
    }
  },
  /**
   * -Σ t·log(clip(p / Σp, ε, 1 - ε)), as Keras computes it of probabilities.
   *
   * Where p is clipped the gradient is 0: a sample that is wrong with full confidence teaches nothing any more.
   */
  keras_categorical_crossentropy: {
    of: "output",
    targets: "scores",
    emit(graph, probabilities, target) {
      const sum2 = graph.add("ReduceSum", [probabilities, lastAxis(graph)], { keepdims: 1 });
      const clipped = clip2(graph, graph.add("Div", [probabilities, sum2]));
      const log = graph.add("Log", [clipped]);
      return { losses: graph.add("Neg", [sumLast(graph, graph.add("Mul", [target, log]))]) };
    }
  },
  /** The same for targets that are class numbers, int64 [N]; without p / Σp, as Keras computes it. */
  keras_sparse_categorical_crossentropy: {
    of: "output",
    targets: "numbers",
    emit(graph, probabilities, target) {
      const log = graph.add("Log", [clip2(graph, probabilities)]);
      const hit = graph.add("Where", [isTarget(graph, probabilities, target), log, zero2(graph)]);
      return { losses: graph.add("Neg", [sumLast(graph, hit)]) };
    }
  },
  /** -(t·log(p) + (1-t)·log(1-p)) of p clipped to [ε, 1 - ε], the mean over the last axis. */
  keras_binary_crossentropy: {
    of: "output",
    targets: "scores",
    emit(graph, output, target) {
      const one2 = graph.floats("one", [1]);
      const p = clip2(graph, output);
      const yes = graph.add("Mul", [target, graph.add("Log", [p])]);
      const no = graph.add("Mul", [
        graph.add("Sub", [one2, target]),
        graph.add("Log", [graph.add("Sub", [one2, p])])
      ]);
      const each = graph.add("Neg", [graph.add("Add", [yes, no])]);
      return { losses: graph.add("ReduceMean", [each], { axes: [-1], keepdims: 0 }) };
    }
  },
  /** log(1 + exp(z)) - t·z, the mean over the last axis; z are logits. */
  binary_crossentropy: {
    of: "logits",
    targets: "scores",
    emit(graph, logits, target) {
      const soft = graph.add("Softplus", [logits]);
      const each = graph.add("Sub", [soft, graph.add("Mul", [target, logits])]);
      return { losses: graph.add("ReduceMean", [each], { axes: [-1], keepdims: 0 }) };
    }
  },
  /** (p - t)², the mean over the last axis. */
  mean_squared_error: {
    of: "output",
    targets: "scores",
    emit(graph, output, target) {
      const error = graph.add("Sub", [output, target]);
      const square2 = graph.add("Mul", [error, error]);
      return { losses: graph.add("ReduceMean", [square2], { axes: [-1], keepdims: 0 }) };
    }
  }
};
function logSumExp(graph, logits) {
  const maximum = graph.add("ReduceMax", [logits], { axes: [-1], keepdims: 1 });
  const shifted = graph.add("Sub", [logits, maximum]);
  const logSum = graph.add("Log", [sumLast(graph, graph.add("Exp", [shifted]))]);
  return { shifted, logSum, maximum };
}
function isTarget(graph, scores, target) {
  const classes = Array.from({ length: Number(scores.shape.at(-1)) }, (_, i) => i);
  const column = graph.add("Unsqueeze", [target, lastAxis(graph)]);
  return graph.add("Equal", [column, graph.integers("classes", classes)]);
}
function clip2(graph, probabilities) {
  const low = graph.floats("epsilon", [epsilon]);
  return graph.add("Clip", [probabilities, low, graph.floats("most", [1 - epsilon])]);
}
function lastAxis(graph) {
  return graph.integers("last_axis", [-1]);
}
function sumLast(graph, x) {
  return graph.add("ReduceSum", [x, lastAxis(graph)], { keepdims: 0 });
}
function zero2(graph) {
  return graph.floats("zero", [0]);
}

// src/train/network-loss.ts
function targetInput(graph, { loss }, output) {
  const { targets } = losses[loss];
  if (targets === "numbers") return graph.input("targets", "int64", ["n"]);
  return graph.input("targets", "float32", ["n", widthOf(output)]);
}
function widthOf(output) {
  return output.shape.slice(1).reduce((product2, dim) => product2 * Number(dim), 1);
}
function measure(graph, { loss: name, labelSmoothing = 0 }, output, { target, weights }) {
  const loss = losses[name];
  const isEntropy = name.endsWith("categorical_crossentropy");
  const logits = rows3(graph, loss.of === "logits" ? logitsOf(graph, name, output) : output);
  if (isEntropy && output.shape.length !== 2) {
    throw unfit(name, `puts out [${output.shape.join(", ")}], where one row of scores is expected`);
  }
  const goal = smoothed(graph, { name, labelSmoothing }, target);
  const { losses: each, constants = [] } = loss.emit(graph, logits, goal);
  const right = isRight(graph, loss, rows3(graph, output), target);
  return {
    lossSum: sum(graph, graph.add("Mul", [each, weights])),
    correct: counted(graph, right),
    saturated: isEntropy ? counted(graph, graph.add("Greater", [each, graph.floats("saturated", [saturatedLoss])])) : graph.floats("zero", [0]),
    constants
  };
}
var saturatedLoss = 16.11;
function rows3(graph, x) {
  return x.shape.length === 2 ? x : graph.add("Flatten", [x], { axis: 1 });
}
function sum(graph, x) {
  return graph.add("ReduceSum", [x, graph.integers("axes", [0])], { keepdims: 0 });
}
function counted(graph, right) {
  return sum(graph, graph.add("Cast", [right], { to: "float32" }));
}
var others = /* @__PURE__ */ new Set([
  "Relu",
  "Tanh",
  "Elu",
  "Selu",
  "Softplus",
  "Softsign"
]);
function logitsOf(graph, name, output) {
  const node = producerOf(graph, output);
  const undone = name === "binary_crossentropy" ? "Sigmoid" : "Softmax";
  if (node?.op === undone && isAlongRows(node)) return node.inputs[0];
  const wrong = undone === "Sigmoid" ? "Softmax" : "Sigmoid";
  if (node && (node.op === wrong || others.has(node.op))) {
    throw unfit(name, `ends in ${node.op}, where ${undone} or nothing is expected`);
  }
  return output;
}
function producerOf(graph, value) {
  const node = graph.nodes.find(({ outputs }) => outputs.some((each) => each.name === value.name));
  return node?.op === "Identity" ? producerOf(graph, node.inputs[0]) : node;
}
function isAlongRows(node) {
  if (!("axis" in node.attributes)) return true;
  const { axis } = node.attributes;
  return axis === -1 || axis === node.inputs[0].shape.length - 1;
}
function unfit(name, what) {
  return new ToolkitError("OPTION_INVALID", `The network ${what} by the loss ${name}`, {
    hint: "Choose another loss, or another head."
  });
}
function smoothed(graph, { name, labelSmoothing }, target) {
  if (labelSmoothing === 0) return target;
  const isFit = name.endsWith("crossentropy") && losses[name].targets === "scores";
  if (!isFit || labelSmoothing < 0 || labelSmoothing >= 1) {
    throw new ToolkitError(
      "OPTION_INVALID",
      `Labels should be smoothed by a share from 0 to 1 of scores, but "${name}" was to be smoothed by ${labelSmoothing}`,
      { hint: "Leave it out, or take categorical_crossentropy or binary_crossentropy." }
    );
  }
  const among = name === "binary_crossentropy" ? 2 : Number(target.shape[1]);
  const kept3 = graph.add("Mul", [target, graph.floats("kept", [1 - labelSmoothing])]);
  return graph.add("Add", [kept3, graph.floats("spread", [labelSmoothing / among])]);
}
function isRight(graph, loss, output, target) {
  const largest2 = (value) => graph.add("ArgMax", [value], { axis: -1, keepdims: 0 });
  if (loss.targets === "numbers") return graph.add("Equal", [largest2(output), target]);
  if (output.shape[1] !== 1) return graph.add("Equal", [largest2(output), largest2(target)]);
  const isYes = (value) => graph.add("Greater", [
    graph.add("Squeeze", [value, graph.integers("last_axis", [-1])]),
    graph.floats("half", [0.5])
  ]);
  return graph.add("Equal", [isYes(output), isYes(target)]);
}

// src/train/outer-gradient.ts
var largeKernel = 4 * 2 ** 20;
var pieceSize = 4 * 2 ** 20;
function takeFactors(graph, gradient) {
  const [rows4, columns] = gradient.shape;
  if (typeof rows4 !== "number" || typeof columns !== "number") return void 0;
  const at = graph.nodes.findIndex(({ outputs }) => outputs[0].name === gradient.name);
  const node = graph.nodes[at];
  if (!node || rows4 * columns < largeKernel || !isProduct(node)) return void 0;
  const isUsed = graph.nodes.some(({ inputs }) => inputs.some((x2) => x2?.name === gradient.name));
  if (isUsed) return void 0;
  graph.nodes.splice(at, 1);
  const [x, dy] = [node.inputs[0], node.inputs[1]].map((value) => {
    const named = value && graph.add("Identity", [value]);
    if (named) graph.output(named);
    return named?.name ?? "";
  });
  return { x: x ?? "", dy: dy ?? "", rows: rows4, columns };
}
function isProduct(node) {
  if (!isGemm(node) || node.inputs[2]) return false;
  const { transA = 0, transB = 0, alpha = 1 } = node.attributes;
  return transA === 1 && transB === 0 && alpha === 1;
}
function isGemm(node) {
  return node.op === "Gemm";
}
var OuterGradient = class _OuterGradient {
  #session;
  constructor(session) {
    this.#session = session;
  }
  static async open(options) {
    const graph = new GraphBuilder();
    const x = graph.input("x", "float32", ["n", "rows"]);
    const dy = graph.input("dy", "float32", ["n", "columns"]);
    graph.output(graph.add("Gemm", [x, dy], { transA: 1 }));
    return new _OuterGradient(await openSession(encodeModel(graph, { name: "outer" }), options));
  }
  /** The gradient piece by piece, each with the place of its first number. */
  async *pieces({ rows: rows4, columns, ...names }, results) {
    const [x, dy] = [results[names.x], results[names.dy]];
    if (!(x?.data instanceof Float32Array) || !dy) throw new Error("Bug: factors were not put out");
    const step = Math.max(1, Math.floor(pieceSize / columns));
    for (let row = 0; row < rows4; row += step) {
      const part = columnsOf(x.data, { width: rows4, from: row, to: Math.min(rows4, row + step) });
      const found = await this.#session.run({ x: part, dy });
      const gradient = Object.values(found)[0]?.data;
      if (!(gradient instanceof Float32Array)) throw new Error("Bug: a product is float32");
      yield { from: row * columns, gradient };
    }
  }
  /** Frees the graph. */
  async close() {
    await this.#session.close();
  }
};
function columnsOf(numbers, { width, from, to }) {
  const shape = [numbers.length / width, to - from];
  const data = new Float32Array(sizeOf(shape));
  for (let row = 0; row * width < numbers.length; row++) {
    data.set(numbers.subarray(row * width + from, row * width + to), row * (to - from));
  }
  return { dtype: "float32", shape, data };
}

// src/train/network.ts
var fedBytes = 16 * 2 ** 20;
function stepGraph(plan, { provider, update }) {
  const rebuilt = rebuild(plan, { isTraining: true, provider });
  const { graph, output, values } = rebuilt;
  const target = targetInput(graph, plan, output);
  const weights = graph.input("weights", "float32", ["n"]);
  const scale = graph.input("scale", "float32", []);
  const measured = measure(graph, plan, output, { target, weights });
  const parameters = plan.parameters.map(({ name }) => valueOf3(values, name));
  const gradients2 = backward(graph, {
    loss: measured.lossSum,
    seed: scale,
    targets: parameters,
    constants: measured.constants,
    units: rebuilt.units,
    lower: lowerings[provider]
  });
  const common = commonNames(rebuilt, { target, weights, measured });
  const feeds = { ...common.feeds, scale: scale.name };
  if (update === "arrays") {
    const isByPieces = isPiecewise(plan.optimizer);
    const own = gradients2.map((gradient) => {
      const factors = isByPieces && gradient ? takeFactors(graph, gradient) : void 0;
      if (factors || !gradient) return factors;
      const output2 = distinct(graph, gradient);
      graph.output(output2);
      return output2.name;
    });
    return {
      graph,
      feeds: { ...feeds, rate: "", iteration: "", slots: [] },
      fetches: { ...common.fetches, gradients: own }
    };
  }
  return withUpdate(plan, { graph, feeds, fetches: common.fetches }, { parameters, gradients: gradients2 });
}
function evaluationGraphOf(plan, provider) {
  const rebuilt = rebuild(plan, { isTraining: false, provider });
  const { graph, output } = rebuilt;
  const target = targetInput(graph, plan, output);
  const weights = graph.input("weights", "float32", ["n"]);
  const measured = measure(graph, plan, output, { target, weights });
  const { feeds, fetches } = commonNames(rebuilt, { target, weights, measured });
  return { graph, feeds: { ...feeds, scale: "", rate: "", iteration: "", slots: [] }, fetches };
}
function commonNames({ graph, inputs, fed, masks, output, statistics }, {
  target,
  weights,
  measured
}) {
  const { lossSum, correct, saturated } = measured;
  const results = [lossSum, correct, saturated, output].map((value) => distinct(graph, value));
  for (const value of [...results, ...statistics.values()]) graph.output(value);
  const [loss = "", right = "", full = "", out = ""] = results.map(({ name }) => name);
  return {
    feeds: { inputs, targets: target, weights: weights.name, fed, masks },
    fetches: {
      lossSum: loss,
      correct: right,
      saturated: full,
      output: out,
      gradients: [],
      parameters: [],
      slots: [],
      statistics: new Map([...statistics].map(([name, value]) => [name, value.name]))
    }
  };
}
function distinct(graph, value) {
  const isMade = graph.nodes.some(({ outputs }) => outputs.includes(value));
  return isMade && !graph.outputs.includes(value) ? value : graph.add("Identity", [value]);
}
function withUpdate(plan, {
  graph,
  feeds,
  fetches
}, {
  parameters,
  gradients: gradients2
}) {
  const rate = graph.input("learning_rate", "float32", []);
  const iteration = graph.input("iteration", "float32", []);
  const slots = parameters.flatMap(
    ({ name, shape }) => plan.optimizer.slots.map((slot) => graph.input(`${name}:${slot.name}`, "float32", shape))
  );
  const trainable = { parameters, gradients: gradients2, slots, rate, iteration, settings: plan.parameters };
  const updated = applyOptimizer(graph, plan.optimizer, trainable);
  const results = [...updated.parameters, ...updated.slots].map((value) => distinct(graph, value));
  for (const value of results) graph.output(value);
  const names = results.map(({ name }) => name);
  return {
    graph,
    feeds: {
      ...feeds,
      rate: rate.name,
      iteration: iteration.name,
      slots: slots.map(({ name }) => name)
    },
    fetches: {
      ...fetches,
      parameters: names.slice(0, parameters.length),
      slots: names.slice(parameters.length)
    }
  };
}
function rebuild(plan, { isTraining, provider }) {
  const graph = new GraphBuilder();
  const state = {
    graph,
    values: /* @__PURE__ */ new Map(),
    masks: [],
    statistics: /* @__PURE__ */ new Map(),
    units: [],
    plan,
    isTraining,
    provider
  };
  const inputs = plan.graph.inputs.map((input) => {
    const value = graph.input(input.name, input.dtype, ["n", ...input.shape.slice(1)]);
    state.values.set(input.name, dropped2(state, input.name, value));
    return value;
  });
  const fed = fedNames(plan);
  for (const [name, source] of plan.graph.initializers) {
    const value = fed.has(name) ? graph.input(name, source.dtype, source.shape) : graph.initializer(name, source);
    state.values.set(name, value);
  }
  restoreConstants(plan.graph, state.values);
  for (const node of plan.graph.nodes) rebuildNode(state, node);
  const [output] = plan.graph.outputs;
  if (!output) throw new Error("Bug: a network has an output");
  return { ...state, inputs, fed: [...fed], output: valueOf3(state.values, output.name) };
}
function fedNames({ graph, parameters, batchNormalization }) {
  const missing = parameters.find(({ name }) => !graph.initializers.has(name));
  if (missing) {
    throw new ToolkitError("ONNX_VALUE_UNKNOWN", `The network has no weight "${missing.name}"`, {
      hint: `Its weights: ${[...graph.initializers.keys()].slice(0, 60).join(", ")}.`
    });
  }
  const large = [...graph.initializers].filter(([, source]) => byteLengthOf(source) >= fedBytes);
  return /* @__PURE__ */ new Set([
    ...parameters.map(({ name }) => name),
    ...large.map(([name]) => name),
    ...batchNormalization && batchNormalization !== "frozen" ? statisticsOf(graph, batchNormalization) : []
  ]);
}
function statisticsOf(graph, by) {
  return graph.nodes.flatMap(
    (node) => isByBatch(node, by) ? node.inputs.slice(3).flatMap((input) => input?.name ?? []) : []
  );
}
function isByBatch(node, { nodes }) {
  return node.op === "BatchNormalization" && (nodes?.includes(node.name) ?? true);
}
function restoreConstants(graph, values) {
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      const value = input?.constant && values.get(input.name);
      const isInput = value && !value.constant && graph.initializers.has(value.name);
      if (input?.constant && isInput)
        values.set(input.name, { ...value, constant: input.constant });
    }
  }
}
function rebuildNode(state, node) {
  const { graph, values, plan } = state;
  const inputs = node.inputs.map((input) => input && valueOf3(values, input.name));
  const by = plan.batchNormalization;
  if (state.isTraining && by && by !== "frozen" && isByBatch(node, by)) {
    const { y, statistics } = normaliseByBatch(graph, { node, inputs, by });
    node.inputs.slice(3).forEach((input, i) => {
      const moved = statistics[i];
      if (input && moved) state.statistics.set(input.name, moved);
    });
    values.set(node.outputs[0].name, dropped2(state, node.outputs[0].name, y));
    return;
  }
  const outputs = copied(state, node, inputs);
  node.outputs.forEach(({ name }, i) => {
    const output = outputs[i];
    if (output) values.set(name, dropped2(state, name, output));
  });
}
function copied(state, node, inputs) {
  const { graph, provider, isTraining } = state;
  const [x] = inputs;
  if (node.op === "LogSoftmax" && x && "axis" in node.attributes) {
    return [lowerings[provider].logSoftmax(graph, x, node.attributes.axis)];
  }
  const trained = isTraining && trainedConvolution(state, node, inputs);
  if (trained) return [trained];
  const op = node.op;
  const outputs = node.outputs.map(({ name }) => name);
  return graph.copy({ op, name: node.name, outputs }, inputs, node.attributes);
}
function isConvolution(node) {
  return node.op === "Conv";
}
function trainedConvolution({ graph, plan, provider, units }, node, [x, w, bias]) {
  const kernel = node.inputs[1];
  const isTrained = plan.parameters.some(({ name }) => name === kernel?.name);
  if (!isConvolution(node) || !isTrained || !x || !w) {
    return void 0;
  }
  const window = node.attributes;
  const made = lowerings[provider].trainedConvolution(graph, { window, x, w, bias });
  if (made) units.push(made.unit);
  return made?.y;
}
function dropped2({ graph, masks, plan, isTraining }, name, value) {
  const site = isTraining && plan.dropout?.find(({ at, rate }) => at === name && rate > 0);
  if (!site) return value;
  const mask = graph.input(`${name}:kept`, "bool", value.shape);
  const shape = value.shape.slice(1).map(Number);
  masks.push({ input: mask.name, shape, rate: site.rate });
  const grown = graph.add("Mul", [value, graph.floats("grown", [1 / (1 - site.rate)])]);
  return graph.add("Where", [mask, grown, graph.floats("zero", [0])]);
}
function valueOf3(values, name) {
  const value = values.get(name);
  if (!value) throw new Error(`Bug: "${name}" is not in the network's graph`);
  return value;
}

// src/train/random.ts
import { createHash } from "node:crypto";
var size = 624;
var shift = 397;
var RandomState = class {
  #state = new Uint32Array(size);
  #at = size;
  /** A whole number from 0 to 2³² - 1. */
  constructor(seed) {
    this.#state[0] = seed;
    for (let i = 1; i < size; i++) {
      const before = this.#state[i - 1] ?? 0;
      this.#state[i] = Math.imul(1812433253, before ^ before >>> 30) + i;
    }
  }
  /** The next 32 bits. */
  uint32() {
    if (this.#at === size) this.#refill();
    let y = this.#state[this.#at++] ?? 0;
    y ^= y >>> 11;
    y ^= y << 7 & 2636928640;
    y ^= y << 15 & 4022730752;
    y ^= y >>> 18;
    return y >>> 0;
  }
  /** A number in [0, 1) with 53 random bits. */
  double() {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }
  /** Numbers in [low, high), rounded to float32. */
  uniform(low, high, count) {
    return Float32Array.from({ length: count }, () => low + (high - low) * this.double());
  }
  /** The numbers 0 to n - 1 in random order. */
  permutation(n) {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.#upTo(i);
      const kept3 = order[i] ?? 0;
      order[i] = order[j] ?? 0;
      order[j] = kept3;
    }
    return order;
  }
  /** A whole number from 0 to less than `count`, as `randint(0, count)`: the only one there is costs no draw. */
  below(count) {
    return count <= 1 ? 0 : this.#upTo(count - 1);
  }
  /** A whole number from 0 to `most`, by throwing away what is too large. */
  #upTo(most) {
    const mask = 2 ** (32 - Math.clz32(most)) - 1;
    for (; ; ) {
      const drawn = (this.uint32() & mask) >>> 0;
      if (drawn <= most) return drawn;
    }
  }
  #refill() {
    const state = this.#state;
    for (let i = 0; i < size; i++) {
      const next = state[(i + 1) % size] ?? 0;
      const y = (state[i] ?? 0) & 2147483648 | next & 2147483647;
      const mixed = (state[(i + shift) % size] ?? 0) ^ y >>> 1;
      state[i] = y & 1 ? mixed ^ 2567483615 : mixed;
    }
    this.#at = 0;
  }
};
function streamSeed(seed, purpose) {
  return createHash("sha256").update(`${seed} ${purpose}`).digest().readUInt32LE(0);
}
function dropoutMask(seed, count, rate) {
  const mask = new Uint8Array(count);
  const limit2 = Math.round(rate * 65536);
  const start = new RandomState(seed);
  let [x, y, z] = [start.uint32(), start.uint32(), start.uint32()];
  let w = start.uint32() | 1;
  for (let i = 0; i < count; i += 2) {
    const t = x ^ x << 11;
    x = y;
    y = z;
    z = w;
    w = w ^ w >>> 19 ^ t ^ t >>> 8;
    mask[i] = (w & 65535) >= limit2 ? 1 : 0;
    mask[i + 1] = w >>> 16 >= limit2 ? 1 : 0;
  }
  return mask;
}

// src/train/network-training.ts
async function openNetworkTraining(plan, options = {}) {
  const provider = options.provider ?? "cpu";
  const update = options.update ?? (provider === "cpu" ? "arrays" : "graph");
  const step = stepGraph(plan, { provider, update });
  const session = await openSession(encodeModel(step.graph, { name: "step" }), options);
  const isFactored = step.fetches.gradients.some((gradient) => typeof gradient === "object");
  try {
    const outer = isFactored ? await OuterGradient.open(options) : void 0;
    return new NetworkTraining(plan, { step, session, outer, update, options });
  } catch (error) {
    await session.close();
    throw error;
  }
}
var NetworkTraining = class {
  #plan;
  #opened;
  /** Everything that is fed by name and does not change with the batch. */
  #tensors = /* @__PURE__ */ new Map();
  #moved;
  #evaluation;
  #iteration = 0;
  constructor(plan, opened) {
    this.#plan = plan;
    this.#opened = opened;
    const { graph, parameters, optimizer, batchNormalization: by } = plan;
    for (const name of opened.step.feeds.fed) this.#tensors.set(name, numbersFrom(graph, name));
    for (const { name } of parameters) {
      const size2 = this.#array(name).length;
      for (const slot of optimizer.slots) {
        this.#tensors.set(slotName(name, slot.name), new Float32Array(size2).fill(slot.start));
      }
    }
    const statistics = by && by !== "frozen" ? statisticsOf(graph, by) : [];
    this.#moved = [...parameters.map(({ name }) => name), ...statistics];
  }
  /** Trained parameters and running statistics as they are. The arrays change with the next step: copy them to keep them. */
  parameters() {
    return new Map(this.#moved.map((name) => [name, this.#array(name)]));
  }
  /** All that a step changes. The arrays change with the next step: copy them to keep them. */
  state() {
    const slots = this.#slotNames().map((name) => [name, this.#array(name)]);
    return { iteration: this.#iteration, tensors: new Map([...this.parameters(), ...slots]) };
  }
  /** Goes back to a state, bit for bit; takes over its arrays. A tensor that the state lacks stays as it is. */
  load({ iteration, tensors }) {
    for (const [name, numbers] of tensors) {
      if (this.#array(name).length !== numbers.length) {
        throw new Error(
          `Bug: "${name}" has ${this.#array(name).length} numbers, not ${numbers.length}`
        );
      }
      this.#tensors.set(name, numbers);
    }
    this.#iteration = iteration;
  }
  /**
   * Learns from one batch.
   *
   * Throws TRAINING_DIVERGED when the loss is not a number, before anything has changed.
   */
  async step(batch, { learningRate, seed = 0 }) {
    const { step, session, update } = this.#opened;
    const scale = 1 / this.#divisor(batch);
    const feeds = {
      ...this.#batchFeeds(step, batch),
      ...this.#maskFeeds(step, batch.count, seed),
      [step.feeds.scale]: scalar(scale),
      ...update === "graph" && {
        [step.feeds.rate]: scalar(learningRate),
        [step.feeds.iteration]: scalar(this.#iteration),
        ...this.#fixedFeeds(step.feeds.slots)
      }
    };
    const __a=process.cpuUsage();const results = await session.run(feeds);const __b=process.cpuUsage(__a);
    globalThis.__run=(__b.user+__b.system)/1000;
    const measures = this.#measures(step, results, { batch, scale });
    if (!Number.isFinite(measures.loss)) throw diverged(measures.loss, learningRate);
    if (update === "graph") this.#take(step, results);
    else {const __c=process.cpuUsage();await this.#updateArrays(step, results, learningRate);const __d=process.cpuUsage(__c);console.log('run',globalThis.__run.toFixed(0),'update',((__d.user+__d.system)/1000).toFixed(0));}
    for (const [name, output] of step.fetches.statistics) {
      this.#tensors.set(name, numbersOf2(results, output));
    }
    this.#iteration += 1;
    return measures;
  }
  /** Judges a batch by the network as it runs: without dropout, by the running statistics. */
  async evaluate(batch) {
    const { graph, session } = await this.#evaluating();
    const results = await session.run(this.#batchFeeds(graph, batch));
    const scale = 1 / this.#divisor(batch);
    const { loss, correct, count } = this.#measures(graph, results, { batch, scale });
    return { loss, correct, count, output: numbersOf2(results, graph.fetches.output) };
  }
  /** Frees the graphs; the numbers stay. */
  async close() {
    const { session, outer } = this.#opened;
    const opened = [session, outer, this.#evaluation?.session];
    await Promise.all(opened.map((each) => each?.close()));
  }
  async #evaluating() {
    const { options } = this.#opened;
    if (this.#evaluation) return this.#evaluation;
    const graph = evaluationGraphOf(this.#plan, options.provider ?? "cpu");
    const session = await openSession(encodeModel(graph.graph, { name: "evaluation" }), options);
    this.#evaluation = { graph, session };
    return this.#evaluation;
  }
  /** Keras 1 divides by the rows that count at all, Keras 3 by all rows. */
  #divisor({ count, weights }) {
    if (!weights || this.#plan.optimizer.keras === 3) return count;
    return Math.max(
      1,
      weights.reduce((sum2, weight) => sum2 + (weight === 0 ? 0 : 1), 0)
    );
  }
  #batchFeeds({ feeds }, batch) {
    const { count, targets, weights } = batch;
    const inputs = feeds.inputs.map(({ name, shape }, i) => [
      name,
      inputTensor([count, ...shape.slice(1).map(Number)], batch.inputs[i], feeds.inputs[i]?.dtype)
    ]);
    const width = widthOf(feeds.targets);
    const target = targets instanceof BigInt64Array ? { dtype: "int64", shape: [count], data: targets } : { dtype: "float32", shape: [count, width], data: targets };
    return {
      ...Object.fromEntries(inputs),
      [feeds.targets.name]: target,
      [feeds.weights]: {
        dtype: "float32",
        shape: [count],
        data: weights ?? new Float32Array(count).fill(1)
      },
      ...this.#fixedFeeds(feeds.fed)
    };
  }
  #fixedFeeds(names) {
    return Object.fromEntries(
      names.map((name) => {
        const parameter = this.#plan.parameters.find((each) => name.startsWith(`${each.name}:`));
        const source = this.#plan.graph.initializers.get(parameter?.name ?? name);
        return [name, { dtype: "float32", shape: source?.shape ?? [], data: this.#array(name) }];
      })
    );
  }
  #maskFeeds({ feeds }, count, seed) {
    return Object.fromEntries(
      feeds.masks.map(({ input, shape, rate }, i) => {
        const data = dropoutMask(streamSeed(seed, `dropout ${i}`), count * sizeOf(shape), rate);
        return [input, { dtype: "bool", shape: [count, ...shape], data }];
      })
    );
  }
  #measures({ fetches }, results, { batch, scale }) {
    const one2 = (name) => numbersOf2(results, name)[0] ?? Number.NaN;
    return {
      loss: one2(fetches.lossSum) * scale + this.#penalty(),
      correct: one2(fetches.correct),
      saturated: one2(fetches.saturated),
      count: batch.count
    };
  }
  /** Σ l1·|p| + l2·p² over the parameters that have penalties. */
  #penalty() {
    let sum2 = 0;
    for (const { name, l1 = 0, l2 = 0 } of this.#plan.parameters) {
      if (l1 === 0 && l2 === 0) continue;
      for (const p of this.#array(name)) sum2 += l1 * Math.abs(p) + l2 * p * p;
    }
    return sum2;
  }
  async #updateArrays({ fetches }, results, learningRate) {
    const { optimizer, parameters } = this.#plan;
    const time = { learningRate, iteration: this.#iteration };
    const whole = [];
    for (const [i, settings] of parameters.entries()) {
      const found = fetches.gradients[i];
      const parameter = this.#array(settings.name);
      const slots = optimizer.slots.map((slot) => this.#array(slotName(settings.name, slot.name)));
      if (typeof found === "string") {
        whole.push({ settings, parameter, gradient: numbersOf2(results, found), slots });
      } else if (found) {
        for await (const { from, gradient } of this.#opened.outer?.pieces(found, results) ?? []) {
          const part = (all) => all.subarray(from, from + gradient.length);
          const moving = { settings, parameter: part(parameter), gradient, slots: slots.map(part) };
          updateArrays(optimizer, [moving], time);
        }
      }
    }
    updateArrays(optimizer, whole, time);
  }
  #take({ fetches, feeds }, results) {
    this.#plan.parameters.forEach(({ name }, i) => {
      this.#tensors.set(name, numbersOf2(results, fetches.parameters[i] ?? ""));
    });
    feeds.slots.forEach((name, i) => {
      this.#tensors.set(name, numbersOf2(results, fetches.slots[i] ?? ""));
    });
  }
  #slotNames() {
    const { parameters, optimizer } = this.#plan;
    return parameters.flatMap(
      ({ name }) => optimizer.slots.map((slot) => slotName(name, slot.name))
    );
  }
  #array(name) {
    const array = this.#tensors.get(name);
    if (!array) throw new Error(`Bug: the training has no tensor "${name}"`);
    return array;
  }
};
function slotName(parameter, slot) {
  return `${parameter}:${slot}`;
}
function inputTensor(shape, rows4, dtype = "float32") {
  if (!rows4) throw new Error("Bug: a network gets rows for each of its inputs");
  if (dtype === "int64") return { dtype, shape, data: BigInt64Array.from(rows4, BigInt) };
  if (dtype === "int32") return { dtype, shape, data: Int32Array.from(rows4) };
  return { dtype: "float32", shape, data: rows4 };
}
function numbersFrom(graph, name) {
  const source = graph.initializers.get(name);
  if (source?.dtype !== "float32") throw new Error(`Bug: "${name}" is no float32 weight`);
  const numbers = new Float32Array(sizeOf(source.shape));
  const bytes = new Uint8Array(numbers.buffer);
  let at = 0;
  for (const chunk of source.chunks()) {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  }
  if (at !== numbers.length * dtypeBytes.float32) throw new Error(`Bug: "${name}" was cut short`);
  return numbers;
}
function scalar(number) {
  return { dtype: "float32", shape: [], data: Float32Array.of(number) };
}
function numbersOf2(results, name) {
  const data = results[name]?.data;
  if (data instanceof Float32Array) return data;
  throw new Error(`Bug: the graph has no float32 output "${name}"`);
}
function diverged(loss, learningRate) {
  return new ToolkitError(
    "TRAINING_DIVERGED",
    `The loss is ${loss} at learning rate ${learningRate}, where a finite number was expected`,
    { hint: `Lower the learning rate, to ${learningRate / 10} for a start. Nothing was written.` }
  );
}

// src/train/optimizers/rules.ts
function slotsNamed(...names) {
  return names.map((name) => ({ name, start: 0 }));
}
function arrayOf(slots, at) {
  const array = slots[at];
  if (!array) throw new Error("Bug: a slot of the optimizer was not given");
  return array;
}
function smoothed2(graph, before, now, factor) {
  if (!before) throw new Error("Bug: a slot of the optimizer was not given");
  const old = graph.add("Mul", [graph.floats("keep", [factor]), before]);
  return graph.add("Add", [old, graph.add("Mul", [graph.floats("take", [1 - factor]), now])]);
}
function rootWith(graph, x, epsilon2, place) {
  const tiny = graph.floats("epsilon", [epsilon2]);
  if (place === "inside") return graph.add("Sqrt", [graph.add("Add", [x, tiny])]);
  return graph.add("Add", [graph.add("Sqrt", [x]), tiny]);
}
function remainder(graph, factor, count) {
  const power = graph.add("Pow", [graph.floats("factor", [factor]), count]);
  return graph.add("Sub", [graph.floats("one", [1]), power]);
}
function squareOf(graph, x) {
  return graph.add("Mul", [x, x]);
}

// src/train/optimizers/adagrad.ts
function adagrad({ keras, epsilon: epsilon2 }) {
  const place = keras === 1 ? "outside" : "inside";
  return {
    slots: [{ name: "accumulator", start: keras === 1 ? 0 : 0.1 }],
    update(graph, { parameter, gradient, slots: [before], rate }) {
      if (!before) throw new Error("Bug: a slot of the optimizer was not given");
      const sum2 = graph.add("Add", [before, squareOf(graph, gradient)]);
      const root2 = rootWith(graph, sum2, epsilon2, place);
      const step = graph.add("Div", [graph.add("Mul", [rate, gradient]), root2]);
      return { parameter: graph.add("Sub", [parameter, step]), slots: [sum2] };
    },
    apply(step) {
      const { parameter, gradient, rate, shrink } = step;
      const accumulator = arrayOf(step.slots, 0);
      const inside2 = place === "inside" ? epsilon2 : 0;
      const outside = place === "inside" ? 0 : epsilon2;
      for (let i = 0; i < parameter.length; i++) {
        const g = gradient[i] ?? 0;
        const a = (accumulator[i] ?? 0) + g * g;
        accumulator[i] = a;
        parameter[i] = (parameter[i] ?? 0) * shrink - rate * g / (Math.sqrt(a + inside2) + outside);
      }
    }
  };
}
function adadelta({ rho, epsilon: epsilon2 }) {
  return {
    slots: slotsNamed("accumulator", "delta"),
    update(graph, { parameter, gradient, slots: [oldSum, oldDelta], rate }) {
      if (!oldDelta) throw new Error("Bug: a slot of the optimizer was not given");
      const sum2 = smoothed2(graph, oldSum, squareOf(graph, gradient), rho);
      const grown = graph.add("Mul", [gradient, rootWith(graph, oldDelta, epsilon2, "inside")]);
      const move = graph.add("Div", [grown, rootWith(graph, sum2, epsilon2, "inside")]);
      const delta = smoothed2(graph, oldDelta, squareOf(graph, move), rho);
      const step = graph.add("Mul", [rate, move]);
      return { parameter: graph.add("Sub", [parameter, step]), slots: [sum2, delta] };
    },
    apply(step) {
      const { parameter, gradient, rate, shrink, slots } = step;
      const [accumulator, delta] = [arrayOf(slots, 0), arrayOf(slots, 1)];
      for (let i = 0; i < parameter.length; i++) {
        const g = gradient[i] ?? 0;
        const a = rho * (accumulator[i] ?? 0) + (1 - rho) * g * g;
        const d = delta[i] ?? 0;
        const move = g * Math.sqrt(d + epsilon2) / Math.sqrt(a + epsilon2);
        accumulator[i] = a;
        delta[i] = rho * d + (1 - rho) * move * move;
        parameter[i] = (parameter[i] ?? 0) * shrink - rate * move;
      }
    }
  };
}

// src/train/optimizers/adam.ts
function adam({ beta1, beta2, amsgrad, epsilon: epsilon2 }) {
  return {
    slots: slotsNamed("mean", "velocity", ...amsgrad ? ["highest"] : []),
    update(graph, { parameter, gradient, slots: [oldMean, oldVelocity, oldHighest], rate, count }) {
      const mean = smoothed2(graph, oldMean, gradient, beta1);
      const velocity = smoothed2(graph, oldVelocity, squareOf(graph, gradient), beta2);
      const highest = oldHighest && graph.add("Max", [oldHighest, velocity]);
      const correction = graph.add("Div", [
        graph.add("Sqrt", [remainder(graph, beta2, count)]),
        remainder(graph, beta1, count)
      ]);
      const root2 = rootWith(graph, highest ?? velocity, epsilon2, "outside");
      const size2 = graph.add("Mul", [rate, correction]);
      const step = graph.add("Div", [graph.add("Mul", [size2, mean]), root2]);
      const slots = highest ? [mean, velocity, highest] : [mean, velocity];
      return { parameter: graph.add("Sub", [parameter, step]), slots };
    },
    apply(step) {
      const { parameter, gradient, rate, count, shrink, slots } = step;
      const [mean, velocity] = [arrayOf(slots, 0), arrayOf(slots, 1)];
      const highest = amsgrad ? arrayOf(slots, 2) : void 0;
      const size2 = rate * Math.sqrt(1 - beta2 ** count) / (1 - beta1 ** count);
      for (let i = 0; i < parameter.length; i++) {
        const g = gradient[i] ?? 0;
        const m = beta1 * (mean[i] ?? 0) + (1 - beta1) * g;
        const v = beta2 * (velocity[i] ?? 0) + (1 - beta2) * g * g;
        mean[i] = m;
        velocity[i] = v;
        let top = v;
        if (highest) {
          top = Math.max(highest[i] ?? 0, v);
          highest[i] = top;
        }
        parameter[i] = (parameter[i] ?? 0) * shrink - size2 * m / (Math.sqrt(top) + epsilon2);
      }
    }
  };
}
function adamax({ beta1, beta2, epsilon: epsilon2 }) {
  return {
    slots: slotsNamed("mean", "norm"),
    update(graph, { parameter, gradient, slots: [oldMean, oldNorm], rate, count }) {
      if (!oldNorm) throw new Error("Bug: a slot of the optimizer was not given");
      const mean = smoothed2(graph, oldMean, gradient, beta1);
      const faded = graph.add("Mul", [graph.floats("beta2", [beta2]), oldNorm]);
      const norm = graph.add("Max", [faded, graph.add("Abs", [gradient])]);
      const size2 = graph.add("Div", [rate, remainder(graph, beta1, count)]);
      const safe = graph.add("Add", [norm, graph.floats("epsilon", [epsilon2])]);
      const step = graph.add("Div", [graph.add("Mul", [size2, mean]), safe]);
      return { parameter: graph.add("Sub", [parameter, step]), slots: [mean, norm] };
    },
    apply(step) {
      const { parameter, gradient, rate, count, shrink, slots } = step;
      const [mean, norm] = [arrayOf(slots, 0), arrayOf(slots, 1)];
      const size2 = rate / (1 - beta1 ** count);
      for (let i = 0; i < parameter.length; i++) {
        const g = gradient[i] ?? 0;
        const m = beta1 * (mean[i] ?? 0) + (1 - beta1) * g;
        const u = Math.max(beta2 * (norm[i] ?? 0), Math.abs(g));
        mean[i] = m;
        norm[i] = u;
        parameter[i] = (parameter[i] ?? 0) * shrink - size2 * m / (u + epsilon2);
      }
    }
  };
}
function nadam({ beta1, beta2, epsilon: epsilon2, keras }) {
  const pace = keras === 1 ? 4e-3 : 1;
  const momentumAt = (count) => beta1 * (1 - 0.5 * 0.96 ** (count * pace));
  return {
    slots: [...slotsNamed("mean", "velocity"), { name: "schedule", start: 1 }],
    update(graph, step) {
      const { parameter, gradient, slots, rate, count } = step;
      const [oldMean, oldVelocity, before] = slots;
      if (!before) throw new Error("Bug: a slot of the optimizer was not given");
      const one2 = graph.floats("one", [1]);
      const now = momentum(graph, { beta1, pace }, count);
      const next = momentum(graph, { beta1, pace }, graph.add("Add", [count, one2]));
      const schedule = graph.add("Mul", [before, now]);
      const mean = smoothed2(graph, oldMean, gradient, beta1);
      const velocity = smoothed2(graph, oldVelocity, squareOf(graph, gradient), beta2);
      const ahead = graph.add("Sub", [one2, graph.add("Mul", [schedule, next])]);
      const first = graph.add("Div", [graph.add("Mul", [next, mean]), ahead]);
      const share = graph.add("Mul", [graph.add("Sub", [one2, now]), gradient]);
      const second = graph.add("Div", [share, graph.add("Sub", [one2, schedule])]);
      const even = graph.add("Div", [velocity, remainder(graph, beta2, count)]);
      const root2 = rootWith(graph, even, epsilon2, "outside");
      const move = graph.add("Mul", [rate, graph.add("Add", [first, second])]);
      const moved = graph.add("Sub", [parameter, graph.add("Div", [move, root2])]);
      return { parameter: moved, slots: [mean, velocity, schedule] };
    },
    apply(step) {
      const { parameter, gradient, rate, count, shrink, slots } = step;
      const [mean, velocity, schedule] = [arrayOf(slots, 0), arrayOf(slots, 1), arrayOf(slots, 2)];
      const [now, next] = [momentumAt(count), momentumAt(count + 1)];
      const product2 = (schedule[0] ?? 1) * now;
      schedule.fill(product2);
      const even = 1 - beta2 ** count;
      for (let i = 0; i < parameter.length; i++) {
        const g = gradient[i] ?? 0;
        const m = beta1 * (mean[i] ?? 0) + (1 - beta1) * g;
        const v = beta2 * (velocity[i] ?? 0) + (1 - beta2) * g * g;
        mean[i] = m;
        velocity[i] = v;
        const ahead = next * m / (1 - product2 * next) + (1 - now) * g / (1 - product2);
        const move = rate * ahead / (Math.sqrt(v / even) + epsilon2);
        parameter[i] = (parameter[i] ?? 0) * shrink - move;
      }
    }
  };
}
function momentum(graph, { beta1, pace }, count) {
  const steps = graph.add("Mul", [count, graph.floats("pace", [pace])]);
  const faded = graph.add("Pow", [graph.floats("schedule_decay", [0.96]), steps]);
  const half = graph.add("Mul", [graph.floats("half_beta1", [beta1 / 2]), faded]);
  return graph.add("Sub", [graph.floats("beta1", [beta1]), half]);
}

// src/train/optimizers/rmsprop.ts
function rmsprop(settings) {
  const { rho, centered, momentum: momentum2, epsilon: epsilon2, keras } = settings;
  const names = ["velocity", ...centered ? ["mean"] : [], ...momentum2 > 0 ? ["momentum"] : []];
  return {
    slots: slotsNamed(...names),
    update(graph, { parameter, gradient, slots: before, rate }) {
      const slot = (name) => before[names.indexOf(name)];
      const velocity = smoothed2(graph, slot("velocity"), squareOf(graph, gradient), rho);
      const mean = slot("mean") && smoothed2(graph, slot("mean"), gradient, rho);
      const spread3 = mean ? graph.add("Sub", [velocity, squareOf(graph, mean)]) : velocity;
      const root2 = rootWith(graph, spread3, epsilon2, keras === 1 ? "outside" : "inside");
      const step = graph.add("Div", [graph.add("Mul", [rate, gradient]), root2]);
      const old = slot("momentum");
      const factor = graph.floats("momentum", [momentum2]);
      const move = old && graph.add("Add", [graph.add("Mul", [factor, old]), step]);
      const after = [velocity, mean, move].filter((value) => value !== void 0);
      return { parameter: graph.add("Sub", [parameter, move ?? step]), slots: after };
    },
    apply(step) {
      if (names.length === 1) plain(settings, step);
      else general(settings, step, names);
    }
  };
}
function plain({ rho, epsilon: epsilon2, keras }, step) {
  const { parameter, gradient, rate, shrink } = step;
  const velocity = arrayOf(step.slots, 0);
  const inside2 = keras === 1 ? 0 : epsilon2;
  const outside = keras === 1 ? epsilon2 : 0;
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i] ?? 0;
    const a = rho * (velocity[i] ?? 0) + (1 - rho) * g * g;
    velocity[i] = a;
    parameter[i] = (parameter[i] ?? 0) * shrink - rate * g / (Math.sqrt(a + inside2) + outside);
  }
}
function general({ rho, epsilon: epsilon2, centered, momentum: momentum2 }, step, names) {
  const { parameter, gradient, rate, shrink, slots } = step;
  const velocity = arrayOf(slots, 0);
  const mean = centered ? arrayOf(slots, 1) : void 0;
  const speed = momentum2 > 0 ? arrayOf(slots, names.length - 1) : void 0;
  for (let i = 0; i < parameter.length; i++) {
    const g = gradient[i] ?? 0;
    const a = rho * (velocity[i] ?? 0) + (1 - rho) * g * g;
    velocity[i] = a;
    let spread3 = a;
    if (mean) {
      const m = rho * (mean[i] ?? 0) + (1 - rho) * g;
      mean[i] = m;
      spread3 -= m * m;
    }
    let move = rate * g / Math.sqrt(spread3 + epsilon2);
    if (speed) {
      move += momentum2 * (speed[i] ?? 0);
      speed[i] = move;
    }
    parameter[i] = (parameter[i] ?? 0) * shrink - move;
  }
}

// src/train/optimizers/sgd.ts
function sgd({ momentum: momentum2, nesterov }) {
  return {
    slots: momentum2 === 0 ? [] : slotsNamed("momentum"),
    update(graph, { parameter, gradient, slots: [before], rate }) {
      const step = graph.add("Mul", [rate, gradient]);
      if (!before) return { parameter: graph.add("Sub", [parameter, step]), slots: [] };
      const factor = graph.floats("momentum", [momentum2]);
      const velocity = graph.add("Sub", [graph.add("Mul", [factor, before]), step]);
      const move = nesterov ? graph.add("Sub", [graph.add("Mul", [factor, velocity]), step]) : velocity;
      return { parameter: graph.add("Add", [parameter, move]), slots: [velocity] };
    },
    apply(step) {
      const { parameter, gradient, rate, shrink } = step;
      if (momentum2 === 0) {
        for (let i = 0; i < parameter.length; i++) {
          parameter[i] = (parameter[i] ?? 0) * shrink - rate * (gradient[i] ?? 0);
        }
        return;
      }
      const velocity = arrayOf(step.slots, 0);
      for (let i = 0; i < parameter.length; i++) {
        const move = rate * (gradient[i] ?? 0);
        const v = momentum2 * (velocity[i] ?? 0) - move;
        velocity[i] = v;
        parameter[i] = (parameter[i] ?? 0) * shrink + (nesterov ? momentum2 * v - move : v);
      }
    }
  };
}

// src/train/optimizers.ts
var special = [
  "momentum",
  "nesterov",
  "rho",
  "centered",
  "beta1",
  "beta2",
  "amsgrad",
  "weightDecay"
];
var betas = ["beta1", "beta2"];
var optimizers = {
  sgd: { learningRate: [0.01, 0.01], takes: ["momentum", "nesterov"], later: [], make: sgd },
  rmsprop: {
    learningRate: [1e-3, 1e-3],
    takes: ["rho", "momentum", "centered"],
    later: ["momentum", "centered"],
    make: rmsprop
  },
  adam: {
    learningRate: [1e-3, 1e-3],
    takes: [...betas, "amsgrad"],
    later: ["amsgrad"],
    make: adam
  },
  adamw: {
    learningRate: [void 0, 1e-3],
    takes: [...betas, "amsgrad"],
    later: [],
    make: adam,
    defaults: { weightDecay: 4e-3 }
  },
  adagrad: { learningRate: [0.01, 1e-3], takes: [], later: [], make: adagrad },
  adadelta: {
    learningRate: [1, 1e-3],
    takes: ["rho"],
    later: [],
    make: adadelta,
    defaults: { rho: 0.95 }
  },
  adamax: { learningRate: [2e-3, 1e-3], takes: betas, later: [], make: adamax },
  nadam: { learningRate: [2e-3, 1e-3], takes: betas, later: [], make: nadam }
};
function makeOptimizer(options) {
  const { name, keras = 3, clipvalue } = options;
  const row = optimizers[name];
  const learningRate = options.learningRate ?? row.learningRate[keras === 1 ? 0 : 1];
  if (learningRate === void 0 || keras === 1 && row.learningRate[0] === void 0) {
    throw new ToolkitError("OPTION_INVALID", `Keras 1 has no ${name}`, {
      hint: "Take the rules of Keras 3, or another optimizer."
    });
  }
  checkClipping(options);
  checkSpecial(options, row);
  const weightDecay = options.weightDecay ?? row.defaults?.weightDecay ?? 0;
  return {
    name,
    keras,
    learningRate,
    decay: options.decay ?? 0,
    weightDecay,
    clipnorm: keras === 3 ? options.clipnorm : void 0,
    globalClipnorm: keras === 1 ? options.clipnorm : options.globalClipnorm,
    clipvalue,
    ...row.make(settingsOf(options, row))
  };
}
function settingsOf(options, { defaults }) {
  const keras = options.keras ?? 3;
  return {
    keras,
    epsilon: options.epsilon ?? (keras === 1 ? 1e-8 : 1e-7),
    momentum: options.momentum ?? 0,
    nesterov: options.nesterov ?? false,
    rho: options.rho ?? defaults?.rho ?? 0.9,
    centered: options.centered ?? false,
    beta1: options.beta1 ?? 0.9,
    beta2: options.beta2 ?? 0.999,
    amsgrad: options.amsgrad ?? false
  };
}
function checkClipping({ keras = 3, ...options }) {
  if (keras === 1) return;
  const kinds = ["clipnorm", "globalClipnorm", "clipvalue"].filter(
    (kind) => options[kind] !== void 0
  );
  if (kinds.length <= 1) return;
  const given = kinds.map((kind) => `${kind} ${options[kind]}`).join(" and ");
  throw new ToolkitError(
    "OPTION_INVALID",
    `Keras 3 clips by norm or by value, but ${given} were given`,
    { hint: "Give one of them, or take the rules of Keras 1." }
  );
}
function checkSpecial(options, { takes, later }) {
  const { name, keras = 3, momentum: momentum2 = 0 } = options;
  const known = keras === 1 ? takes.filter((setting) => !later.includes(setting)) : [...takes, "weightDecay"];
  const unknown = special.filter(
    (setting) => options[setting] !== void 0 && !known.includes(setting)
  );
  if (unknown.length > 0) {
    throw new ToolkitError("OPTION_INVALID", `${name} of Keras ${keras} has no ${list(unknown)}`, {
      hint: `It has ${list([...known, "learningRate", "decay", "epsilon"])}: leave the rest out, or take another optimizer.`
    });
  }
  if (momentum2 >= 0 && momentum2 <= 1) return;
  throw new ToolkitError("OPTION_INVALID", `"momentum" should be from 0 to 1, but is ${momentum2}`, {
    hint: "Correct it, or leave it out for none."
  });
}
function list(names) {
  return names.join(", ");
}
export {
  GraphBuilder,
  encodeModel,
  floatSource,
  makeOptimizer,
  openNetworkTraining,
  stepGraph
};
