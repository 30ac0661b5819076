import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { floatSource } from '../../src/source.ts';
import type { Value } from '../../src/tensor.ts';
import type { LossName } from '../../src/train/losses.ts';
import type { Batch } from '../../src/train/network-feeds.ts';
import type { NetworkPlan, TrainedParameter } from '../../src/train/network-plan.ts';
import { makeOptimizer, type OptimizerName, optimizers } from '../../src/train/optimizers.ts';
import { readNpy } from '../npy.ts';

const numbers = z.object({
  name: z.string(),
  data: z.array(z.number()),
  shape: z.array(z.number()),
});
type Numbers = z.infer<typeof numbers>;

const traceFile = z.object({
  batch_size: z.number(),
  loss: z.string(),
  optimizer: z.string(),
  optimizer_config: z.record(z.string(), z.unknown()),
  initial_weights: z.array(numbers),
  per_epoch: z.array(
    z.object({ logs: z.record(z.string(), z.number()), weights: z.array(numbers) }),
  ),
  class_weight: z.record(z.string(), z.number()).optional(),
  sample_weight: z.array(z.number()).optional(),
});

const layerFile = z.object({ class_name: z.string(), config: z.record(z.string(), z.unknown()) });
const archFile = z.object({
  config: z.union([z.array(layerFile), z.object({ layers: z.array(layerFile) })]),
});

/** A training that the real Keras did, as a network of ours with Keras' first weights. */
export interface Trace {
  readonly plan: NetworkPlan;
  readonly epochs: readonly {
    readonly logs: Record<string, number>;
    readonly weights: Numbers[];
  }[];
  /** For each of Keras' weights by name, its initializer, and its numbers in ONNX's order. */
  readonly weights: readonly {
    readonly keras: string;
    readonly name: string;
    readonly ordered: (numbers: Numbers) => Float32Array;
  }[];
  readonly train: Batch;
  readonly valid: Batch;
}

/** Reads the folder of a trace; `keras` is the generation that made it, of 1 on Theano or 3 on TensorFlow. */
export function readTrace(folder: string, keras: 1 | 3): Trace {
  const parse = (name: string): unknown => JSON.parse(readFileSync(`${folder}/${name}`, 'utf8'));
  const trace = traceFile.parse(parse('trace.json'));
  const { config } = archFile.parse(parse('arch.json'));
  const layers = Array.isArray(config) ? config : config.layers;
  const network = networkOf(layers, trace.initial_weights, keras);
  const files = z.object({ files: z.record(z.string(), z.string()) }).parse(parse('manifest.json'));
  const samples = (part: '' | 'val'): Batch => {
    const [x, y] = [files.files[`X${part}`], files.files[`Y${part}`]];
    const inputs = readNpy(resolve(folder, x ?? `X${part}.npy`));
    const targets = readNpy(resolve(folder, y ?? `Y${part}.npy`)).data;
    return { inputs: [channelsFirst(inputs, keras)], targets, count: inputs.shape[0] ?? 0 };
  };
  const train = samples('');
  return {
    plan: {
      ...network,
      loss: lossOf(trace.loss, keras),
      batchSize: trace.batch_size,
      optimizer: optimizerOf(trace, keras),
      batchNormalization: { momentum: 0.99, keras },
    },
    epochs: trace.per_epoch,
    weights: network.weights,
    train: { ...train, weights: weightsOf(trace, train) },
    valid: samples('val'),
  };
}

/** Keras 1 clips probabilities; Keras 3 on TensorFlow goes back to the logits of a softmax or sigmoid. */
function lossOf(name: string, keras: 1 | 3): LossName {
  if (name === 'mse') return 'mean_squared_error';
  const kind = z.enum(['categorical_crossentropy', 'binary_crossentropy']).parse(name);
  return keras === 1 ? `keras_${kind}` : kind;
}

function optimizerOf({ optimizer, optimizer_config: c }: z.infer<typeof traceFile>, keras: 1 | 3) {
  const name = optimizer.toLowerCase();
  if (!(name in optimizers)) throw new Error(`no optimizer ${name}`);
  const number = (key: string): number | undefined => {
    const value = c[key];
    return typeof value === 'number' ? value : undefined;
  };
  const flag = (key: string): boolean | undefined => (c[key] === true ? true : undefined);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- just looked up
  const kind = name as OptimizerName;
  const some = <T>(key: string, value: T): T | undefined => {
    const takes: readonly string[] = optimizers[kind].takes;
    return takes.includes(key) ? value : undefined;
  };
  return makeOptimizer({
    name: kind,
    keras,
    learningRate: number('lr') ?? number('learning_rate'),
    decay: number('decay'),
    momentum: some('momentum', number('momentum') || undefined),
    nesterov: some('nesterov', flag('nesterov')),
    rho: some('rho', number('rho')),
    centered: flag('centered'),
    beta1: some('beta1', number('beta_1')),
    beta2: some('beta2', number('beta_2')),
    amsgrad: flag('amsgrad'),
    epsilon: number('epsilon'),
    weightDecay: number('weight_decay'),
    clipnorm: number('clipnorm'),
    clipvalue: number('clipvalue'),
  });
}

function weightsOf(
  { class_weight: byClass, sample_weight: bySample }: z.infer<typeof traceFile>,
  { targets, count }: Batch,
): Float32Array | undefined {
  if (bySample) return Float32Array.from(bySample);
  if (!byClass) return undefined;
  const width = targets.length / count;
  return Float32Array.from({ length: count }, (_, i) => {
    const row = Array.from(targets.slice(i * width, (i + 1) * width), Number);
    return byClass[String(row.indexOf(Math.max(...row)))] ?? 1;
  });
}

function channelsFirst({ shape, data }: ReturnType<typeof readNpy>, keras: 1 | 3): Float32Array {
  if (shape.length !== 4 || keras === 1) return data;
  return moved(data, shape, [0, 3, 1, 2]);
}

function moved(
  data: ArrayLike<number>,
  shape: readonly number[],
  perm: readonly number[],
): Float32Array {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const out = perm.map((axis) => shape[axis] ?? 1);
  return Float32Array.from({ length: data.length }, (_, i) => {
    let [rest, from] = [i, 0];
    for (let axis = out.length - 1; axis >= 0; axis--) {
      const size = out[axis] ?? 1;
      from += (rest % size) * (strides[perm[axis] ?? 0] ?? 1);
      rest = Math.floor(rest / size);
    }
    return data[from] ?? 0;
  });
}

type Layer = z.infer<typeof layerFile>;
type Named = Trace['weights'][number];

interface Building {
  readonly graph: GraphBuilder;
  readonly keras: 1 | 3;
  readonly parameters: TrainedParameter[];
  readonly weights: Named[];
  readonly take: (layer: string) => Numbers;
}

function networkOf(layers: readonly Layer[], initial: readonly Numbers[], keras: 1 | 3) {
  const graph = new GraphBuilder();
  const rest = [...initial];
  // Keras keeps what is not trained at the end of the list.
  const take = (layer: string): Numbers => {
    const isOwn = ({ name }: Numbers): boolean =>
      name.startsWith(`${layer}_`) || name.includes(`/${layer}/`);
    const [found] = rest.splice(rest.findIndex(isOwn), 1);
    if (!found || !isOwn(found)) throw new Error(`no weight of ${layer}`);
    return found;
  };
  const building: Building = { graph, keras, parameters: [], weights: [], take };
  const shape = z
    .array(z.number().nullable())
    .parse(layers[0]?.config['batch_input_shape'] ?? layers[0]?.config['batch_shape']);
  const [height = 1, width = 1, channels = 1] = shape.slice(1).map(Number);
  const input =
    shape.length === 4 && keras === 3 ? [channels, height, width] : shape.slice(1).map(Number);
  const end = layers.reduce<Value>(
    (x, layer) => add(building, layer, x),
    graph.input('x', 'float32', ['n', ...input]),
  );
  graph.output(end);
  return { graph, parameters: building.parameters, weights: building.weights };
}

function add(building: Building, { class_name: kind, config }: Layer, x: Value): Value {
  const { graph, keras } = building;
  switch (kind) {
    case 'InputLayer':
      return x;
    case 'ZeroPadding2D':
      return graph.add('Pad', [x, graph.integers('pads', [0, 0, 1, 1, 0, 0, 1, 1])], {
        mode: 'constant',
      });
    case 'Convolution2D':
    case 'Conv2D':
      return activated(graph, convolution(building, config, x), config['activation']);
    case 'MaxPooling2D':
      return graph.add('MaxPool', [x], {
        kernel_shape: [2, 2],
        strides: [2, 2],
        pads: [0, 0, 0, 0],
      });
    case 'Flatten': {
      const maps = keras === 3 ? graph.add('Transpose', [x], { perm: [0, 2, 3, 1] }) : x;
      return graph.add('Flatten', [maps], { axis: 1 });
    }
    case 'Dense':
      return activated(graph, dense(building, config, x), config['activation']);
    case 'BatchNormalization': {
      const [gamma, beta] = [weight(building, config, 'gamma'), weight(building, config, 'beta')];
      const still = { ...config, trainable: false };
      const [mean, variance] = [
        weight(building, still, 'mean'),
        weight(building, still, 'variance'),
      ];
      return graph.add('BatchNormalization', [x, gamma, beta, mean, variance], { epsilon: 0.001 });
    }
    case 'Activation':
      return activated(graph, x, config['activation']);
    default:
      throw new Error(`no layer ${kind} in the traces`);
  }
}

type Config = Layer['config'];

function dense(building: Building, config: Config, x: Value): Value {
  const kernel = weight(building, config, 'kernel', { l2: penalty(config, ['W', 'kernel'], 'l2') });
  const bias = weight(building, config, 'bias', { l1: penalty(config, ['b', 'bias'], 'l1') });
  return building.graph.add('Gemm', [x, kernel, bias], {});
}

function convolution(building: Building, config: Config, x: Value): Value {
  const isSame = (config['border_mode'] ?? config['padding']) === 'same';
  const kernel = weight(building, config, 'kernel', {
    ordered: (raw) =>
      building.keras === 3 ? moved(raw.data, raw.shape, [3, 2, 0, 1]) : turned(raw),
  });
  const bias = weight(building, config, 'bias');
  return building.graph.add('Conv', [x, kernel, bias], {
    kernel_shape: [3, 3],
    strides: [1, 1],
    dilations: [1, 1],
    pads: isSame ? [1, 1, 1, 1] : [0, 0, 0, 0],
    group: 1,
  });
}

/** Theano convolves: its kernels are turned round. */
function turned({ data }: Numbers): Float32Array {
  return Float32Array.from(data, (_, i) => data[i - (i % 9) + 8 - (i % 9)] ?? 0);
}

function penalty(config: Config, names: readonly string[], kind: 'l1' | 'l2'): number {
  const found = names.map((name) => config[`${name}_regularizer`]).find(Boolean);
  if (!found) return 0;
  const given = z
    .looseObject({ config: z.record(z.string(), z.unknown()).optional() })
    .parse(found);
  return Number(given.config?.[kind] ?? given[kind] ?? 0);
}

function weight(
  { graph, parameters, weights, take }: Building,
  config: Config,
  stem: string,
  options: { l1?: number; l2?: number; ordered?: Named['ordered'] } = {},
): Value {
  const { ordered = (raw) => Float32Array.from(raw.data), ...penalties } = options;
  const raw = take(String(config['name']));
  const shape =
    raw.shape.length === 4 && raw.shape[0] === 3 && raw.shape[1] === 3
      ? [raw.shape[3] ?? 1, raw.shape[2] ?? 1, 3, 3]
      : raw.shape;
  const value = graph.initializer(
    `${String(config['name'])}/${stem}`,
    floatSource(shape, ordered(raw)),
  );
  weights.push({ keras: raw.name, name: value.name, ordered });
  if (config['trainable'] !== false) parameters.push({ name: value.name, ...penalties });
  return value;
}

function activated(graph: GraphBuilder, x: Value, name: unknown): Value {
  switch (name) {
    case 'relu':
      return graph.add('Relu', [x]);
    case 'tanh':
      return graph.add('Tanh', [x]);
    case 'sigmoid':
      return graph.add('Sigmoid', [x]);
    case 'softmax':
      return graph.add('Softmax', [x], { axis: -1 });
    default:
      return x;
  }
}
