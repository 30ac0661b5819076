import { ToolkitError } from '../../errors.ts';
import type { LayerRecord } from '../../onnx/card.ts';
import type { GraphBuilder } from '../../onnx/graph.ts';
import { floatSource } from '../../source.ts';
import { sizeOf, type Value } from '../../tensor.ts';
import { RandomState, streamSeed } from '../random.ts';
import type { HeadActivation, HeadLayer } from './head-text.ts';

/** A head of layers, and what it starts from. */
export interface HeadPlan {
  readonly layers: readonly HeadLayer[];
  /** Units of a last Dense that does not say its own. */
  readonly outputs: number;
  /** What the last Dense ends in, where the head does not say it. */
  readonly activation: HeadActivation;
  /** For the first kernels. */
  readonly seed: number;
  /** Names the head; its last Dense has this name, the others have it with a number. */
  readonly name: string;
}

/** A head in a graph. */
export interface BuiltHead {
  readonly output: Value;
  readonly records: readonly LayerRecord[];
}

/** Keras' defaults of BatchNormalization. */
const epsilon = 1e-3;

/**
 * Appends a head with its first weights to a graph: kernels as Keras' glorot_uniform, biases 0, normalisation 1 and 0.
 *
 * A Dropout is a record only, at the value that it would change. Throws OPTION_INVALID for a layer that does not fit
 * what comes into it.
 */
export function buildHead(graph: GraphBuilder, feature: Value, plan: HeadPlan): BuiltHead {
  const building: Building = {
    graph,
    plan,
    random: new RandomState(streamSeed(plan.seed, 'init')),
    records: [],
    nameFor: namer(plan.name),
    last: plan.layers.findLastIndex(({ kind }) => kind === 'dense'),
  };
  let value = feature;
  plan.layers.forEach((layer, at) => {
    value = emitLayer(building, layer, value, at);
  });
  return { output: value, records: building.records };
}

interface Building {
  /** A name for a layer of a kind that is not the last: the first has no number. */
  readonly nameFor: (kind: string) => string;
  readonly graph: GraphBuilder;
  readonly plan: HeadPlan;
  readonly random: RandomState;
  readonly records: LayerRecord[];
  /** Position of the last Dense. */
  readonly last: number;
}

function emitLayer(building: Building, layer: HeadLayer, x: Value, at: number): Value {
  switch (layer.kind) {
    case 'batchnorm':
      return batchnorm(building, x);
    case 'dropout':
      building.records.push({
        ...recordOf(building.nameFor('dropout'), 'Dropout', x),
        rate: layer.rate,
      });
      return x;
    case 'dense': {
      const { plan, last } = building;
      const isEnd = at === last && at === plan.layers.length - 1;
      const units = layer.units ?? plan.outputs;
      const activation = layer.activation ?? (isEnd ? plan.activation : 'linear');
      return dense(building, x, { units, activation, at });
    }
    default:
      return plainLayer(building, layer, x);
  }
}

type PlainLayer = Exclude<HeadLayer, { readonly kind: 'batchnorm' | 'dropout' | 'dense' }>;

/** A layer without weights. */
function plainLayer({ graph, records, nameFor }: Building, layer: PlainLayer, x: Value): Value {
  const record = (kind: string, value: Value): Value => {
    const named = graph.rename(value, nameFor(kind.toLowerCase()));
    records.push(recordOf(named.name, kind, named));
    return named;
  };
  switch (layer.kind) {
    case 'flatten':
      return x.shape.length === 2 ? x : record('Flatten', flat(graph, x));
    case 'gap':
      return record('GlobalAveragePooling2D', pooled(graph, x, 'GlobalAveragePool'));
    case 'gmp':
      return record('GlobalMaxPooling2D', pooled(graph, x, 'GlobalMaxPool'));
    case 'maxpool':
      checkPicture(x, 'maxpool');
      return record('MaxPooling2D', graph.add('MaxPool', [x], halving));
    case 'activation':
      return layer.activation === 'linear'
        ? x
        : record('Activation', activated(graph, x, layer.activation));
  }
}

/** Keras' default pool: 2 × 2, side by side. */
const halving = { kernel_shape: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] };

function namer(head: string): (kind: string) => string {
  const counts = new Map<string, number>();
  return (kind) => {
    const count = counts.get(kind) ?? 0;
    counts.set(kind, count + 1);
    return count === 0 ? `${head}_${kind}` : `${head}_${kind}_${count}`;
  };
}

function recordOf(name: string, kind: string, value: Value): LayerRecord {
  const shape = value.shape.map((dim, axis) => (axis > 0 && typeof dim === 'number' ? dim : null));
  return { name, class: kind, output: value.name, shape, parameters: [] };
}

function dense(
  { graph, plan, random, records, last, nameFor }: Building,
  x: Value,
  {
    units,
    activation,
    at,
  }: { readonly units: number; readonly activation: HeadActivation; readonly at: number },
): Value {
  const rows = flat(graph, x);
  const width = Number(rows.shape[1]);
  const name = at === last ? plan.name : nameFor('dense');
  const limit = Math.sqrt(6 / (width + units));
  const numbers = random.uniform(-limit, limit, width * units);
  const kernel = graph.initializer(`${name}/kernel`, floatSource([width, units], numbers));
  const bias = graph.initializer(`${name}/bias`, floatSource([units], new Float32Array(units)));
  const isOutput = at === plan.layers.length - 1;
  const value = graph.within(name, () =>
    activated(graph, graph.add('Gemm', [rows, kernel, bias], {}), activation),
  );
  const named = isOutput || activation !== 'linear' ? graph.rename(value, name) : value;
  records.push({
    ...recordOf(name, 'Dense', named),
    parameters: [kernel, bias].map((parameter) => ({
      name: parameter.name,
      shape: parameter.shape.map(Number),
    })),
  });
  return named;
}

function batchnorm({ graph, records, nameFor }: Building, x: Value): Value {
  const channels = Number(x.shape[1]);
  const name = nameFor('batchnorm');
  const weights = (['gamma', 'beta', 'moving_mean', 'moving_variance'] as const).map((part) => {
    const start = part === 'gamma' || part === 'moving_variance' ? 1 : 0;
    const numbers = new Float32Array(channels).fill(start);
    return graph.initializer(`${name}/${part}`, floatSource([channels], numbers));
  });
  const [gamma, beta, mean, variance] = weights;
  if (!gamma || !beta || !mean || !variance) throw new Error('Bug: four weights were made');
  const value = graph.within(name, () =>
    graph.add('BatchNormalization', [x, gamma, beta, mean, variance], { epsilon }),
  );
  const named = graph.rename(value, name);
  records.push({
    ...recordOf(name, 'BatchNormalization', named),
    parameters: weights.map((each) => ({ name: each.name, shape: each.shape.map(Number) })),
  });
  return named;
}

/** [N, ...] → [N, D]. */
function flat(graph: GraphBuilder, x: Value): Value {
  return x.shape.length === 2 ? x : graph.add('Flatten', [x], { axis: 1 });
}

function pooled(graph: GraphBuilder, x: Value, op: 'GlobalAveragePool' | 'GlobalMaxPool'): Value {
  checkPicture(x, op === 'GlobalAveragePool' ? 'gap' : 'gmp');
  return graph.add('Flatten', [graph.add(op, [x])], { axis: 1 });
}

function checkPicture({ name, shape }: Value, layer: string): void {
  if (shape.length === 4) return;
  throw new ToolkitError(
    'OPTION_INVALID',
    `"${layer}" needs [N, C, H, W], but "${name}", which comes into it, is [N, ${sizeOf(shape.slice(1).map(Number))}]`,
    { hint: 'Say with --at where the features are taken: at a convolution or a pooling layer.' },
  );
}

/** The activation's node; none for a linear one. */
function activated(graph: GraphBuilder, x: Value, activation: HeadActivation): Value {
  switch (activation) {
    case 'linear':
      return x;
    case 'relu':
      return graph.add('Relu', [x]);
    case 'tanh':
      return graph.add('Tanh', [x]);
    case 'sigmoid':
      return graph.add('Sigmoid', [x]);
    case 'elu':
      return graph.add('Elu', [x], { alpha: 1 });
    case 'softplus':
      return graph.add('Softplus', [x]);
    case 'softmax':
      return graph.add('Softmax', [x], { axis: -1 });
  }
}
