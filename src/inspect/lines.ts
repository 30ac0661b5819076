import type { LayerRecord } from '../onnx/card.ts';
import { type DType, dtypeBytes, type Shape, sizeOf } from '../tensor.ts';

/** One layer of a summary. */
export interface Line {
  readonly name: string;
  readonly class: string;
  /** With the batch first; `null` for a size known only at run time. Absent where the file does not say it. */
  readonly shape: readonly (number | null)[] | undefined;
  readonly parameters: number;
  /** How many of the parameters training can change. */
  readonly trainable: number;
  /** Whether the file says that they are not to be changed. */
  readonly isFrozen: boolean;
  /** Bytes of its weights; weights that layers share count with the first. */
  readonly weightBytes: number;
  /** Positions of the lines whose outputs it reads. */
  readonly inputs: readonly number[];
  /** Numbers that it puts out for one sample, in memory of its own: 0 where it only views or overwrites its input. */
  readonly activations: number | undefined;
}

/** What of a graph a summary needs; both a graph under construction and one in a file have it. */
export interface GraphView {
  readonly inputs: readonly { readonly name: string; readonly shape: Shape }[];
  readonly nodes: readonly {
    readonly name: string;
    readonly op: string;
    readonly inputs: readonly string[];
    readonly outputs: readonly string[];
  }[];
  readonly initializers: ReadonlyMap<string, { readonly dtype: DType; readonly shape: Shape }>;
  readonly shapes: ReadonlyMap<string, Shape>;
}

/** Keras layers, and ONNX operators, whose output lies in the memory of their input, or may overwrite it. */
const reuses = new Set(
  `Flatten Reshape Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout GaussianNoise
   AlphaDropout ActivityRegularization Activation ReLU LeakyReLU ELU ThresholdedReLU Softmax
   Identity Squeeze Unsqueeze Relu LeakyRelu Elu Selu Clip Sigmoid Tanh HardSigmoid ThresholdedRelu`.split(
    /\s+/,
  ),
);

/** The lines of a model that says which Keras layers it has. */
export function layerLines(layers: readonly LayerRecord[], graph: GraphView): readonly Line[] {
  const head = inputLines(graph, layers);
  const outputs = [
    ...head.map(({ name }): string | null => name),
    ...layers.map(({ output }) => output),
  ];
  const origins = new Origins(graph);
  const counted = new Set<string>();
  return [
    ...head,
    ...layers.map((layer, i): Line => {
      const at = head.length + i;
      const earlier = outputs.slice(0, at);
      const isView = layer.output === null || earlier.includes(layer.output);
      const fresh = layer.parameters.filter(({ name }) => !counted.has(name));
      for (const { name } of fresh) counted.add(name);
      return {
        name: layer.name,
        class: layer.class,
        shape: layer.shape,
        parameters: layer.count ?? sizesOf(layer.parameters),
        trainable: layer.count ?? sizesOf(trainableOf(layer)),
        isFrozen: false,
        weightBytes: sum(fresh.map((each) => bytesOf(graph, each))),
        inputs: isView ? [viewed(layer.output, earlier)] : read(origins, layer.output, earlier),
        activations: isView || reuses.has(layer.class) ? 0 : perSample(layer.shape),
      };
    }),
  ];
}

function sizesOf(parameters: LayerRecord['parameters']): number {
  return sum(parameters.map(({ shape }) => sizeOf(shape)));
}

/** A layer that was fused stands for what came before it; one that passes its input on, for that. */
function viewed(output: string | null, earlier: readonly (string | null)[]): number {
  return output === null ? earlier.length - 1 : earlier.lastIndexOf(output);
}

/** Where a layer reads what was fused away before it, it reads the line that stands for that. */
function read(
  origins: Origins,
  output: string | null,
  earlier: readonly (string | null)[],
): readonly number[] {
  const last = earlier.findLastIndex((name) => name !== null);
  return origins.of(output, earlier).map((at) => (at === last ? earlier.length - 1 : at));
}

/** The model's inputs, where no layer stands for them. */
function inputLines({ inputs }: GraphView, layers: readonly LayerRecord[]): readonly Line[] {
  const known = new Set(layers.map(({ output }) => output));
  return inputs
    .filter(({ name }) => !known.has(name))
    .map(({ name, shape }) => ({
      ...bare,
      name,
      class: 'InputLayer',
      shape: numeric(shape),
      activations: perSample(numeric(shape)),
    }));
}

const bare = { parameters: 0, trainable: 0, isFrozen: false, weightBytes: 0, inputs: [] } as const;

/** Keras counts the running statistics of BatchNormalization as weights that are not trained. */
function trainableOf({ class: kind, parameters }: LayerRecord): LayerRecord['parameters'] {
  if (kind === 'Normalization') return [];
  if (kind !== 'BatchNormalization') return parameters;
  return parameters.filter(({ name }) => !/\/moving_(mean|variance)$/.test(name));
}

/** The lines of a model that says nothing of layers: its nodes. */
export function nodeLines(graph: GraphView): readonly Line[] {
  const head = inputLines(graph, []);
  const outputs = [...head.map(({ name }) => [name]), ...graph.nodes.map((node) => node.outputs)];
  const madeBy = new Map(outputs.flatMap((names, i) => names.map((name) => [name, i] as const)));
  const counted = new Set<string>();
  return [
    ...head,
    ...graph.nodes.map((node): Line => {
      const weights = node.inputs.filter((name) => graph.initializers.has(name));
      const fresh = weights.filter((name) => !counted.has(name));
      for (const name of fresh) counted.add(name);
      const shape = graph.shapes.get(node.outputs[0] ?? '');
      const parameters = sum(fresh.map((name) => sizeIn(graph, name)));
      return {
        name: node.name || (node.outputs[0] ?? ''),
        class: node.op,
        shape: shape && numeric(shape),
        parameters,
        trainable: parameters,
        isFrozen: false,
        weightBytes: sum(fresh.map((name) => bytesOf(graph, { name }))),
        inputs: distinct(node.inputs.flatMap((name) => madeBy.get(name) ?? [])),
        activations: reuses.has(node.op) ? 0 : shape && perSample(numeric(shape)),
      };
    }),
  ];
}

/** Finds the layers from which a value is made. */
class Origins {
  readonly #makers: ReadonlyMap<string, readonly string[]>;

  constructor({ nodes }: GraphView) {
    this.#makers = new Map(
      nodes.flatMap(({ inputs, outputs }) => outputs.map((name) => [name, inputs] as const)),
    );
  }

  /** Positions, among `earlier` outputs, of the nearest ones that lead to `value`. */
  of(value: string | null, earlier: readonly (string | null)[]): readonly number[] {
    const positions = new Map(earlier.flatMap((name, i) => (name === null ? [] : [[name, i]])));
    const found: number[] = [];
    const seen = new Set<string>();
    const open = [...(this.#makers.get(value ?? '') ?? [])];
    for (let name = open.pop(); name !== undefined; name = open.pop()) {
      if (seen.has(name)) continue;
      seen.add(name);
      const position = positions.get(name);
      if (position === undefined) open.push(...(this.#makers.get(name) ?? []));
      else found.push(position);
    }
    return distinct(found);
  }
}

function distinct(numbers: readonly number[]): readonly number[] {
  return [...new Set(numbers)].toSorted((a, b) => a - b);
}

function numeric(shape: Shape): readonly (number | null)[] {
  return shape.map((dim) => (typeof dim === 'number' ? dim : null));
}

/** Elements without the batch axis; unknown if another axis is. */
function perSample(shape: readonly (number | null)[]): number | undefined {
  const rest = shape.slice(1);
  return rest.every((dim) => dim !== null) ? sizeOf(rest) : undefined;
}

function sizeIn({ initializers }: GraphView, name: string): number {
  return sizeOf((initializers.get(name)?.shape ?? [0]).map(Number));
}

function bytesOf(
  graph: GraphView,
  { name, shape }: { readonly name: string; readonly shape?: readonly number[] },
): number {
  const dtype = graph.initializers.get(name)?.dtype ?? 'float32';
  return (shape ? sizeOf(shape) : sizeIn(graph, name)) * dtypeBytes[dtype];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
