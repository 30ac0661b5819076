import { type Json, table } from './config.ts';
import { functionNameOf } from './lambda.ts';
import {
  type DataFormat,
  type Dialect,
  dataFormatOf,
  isBeforeKeras2,
  modernKeys,
} from './legacy.ts';

/** Fills in, for one kind of layer, what its config leaves open; gets the config with Keras 3's keys. */
type Completion = (config: Json, dialect: Dialect) => Json;

/**
 * A layer's config with the keys and values of Keras 3, and the defaults of the generation that wrote it filled in.
 *
 * What follows from who wrote the file and not from the config (hard_sigmoid, Theano's SAME padding, the order in
 * which Flatten reads) is left to `KerasOrigin`.
 */
export function modernConfig(className: string, saved: Json, dialect: Dialect): Json {
  const config = modernKeys(className, saved, dialect.generation);
  return completions[className]?.(config, dialect) ?? config;
}

function convolution(rank: number): Completion {
  return (config, dialect) => ({
    activation: 'linear',
    use_bias: true,
    ...withoutNull(config),
    padding: config['padding'] ?? 'valid',
    kernel_size: tuple(config['kernel_size'], rank),
    strides: tuple(config['strides'] ?? 1, rank),
    dilation_rate: tuple(config['dilation_rate'] ?? 1, rank),
    data_format: dataFormat(config, rank, dialect),
  });
}

function pooling(rank: number): Completion {
  return (config, dialect) => {
    const poolSize = tuple(config['pool_size'] ?? 2, rank);
    return {
      ...config,
      pool_size: poolSize,
      strides: tuple(config['strides'] ?? poolSize, rank),
      padding: config['padding'] ?? 'valid',
      data_format: dataFormat(config, rank, dialect),
    };
  };
}

/** Layers that only need to know where the channels are. */
function spatial(rank: number): Completion {
  return (config, dialect) => ({ ...config, data_format: dataFormat(config, rank, dialect) });
}

function upSampling(rank: number): Completion {
  return (config, dialect) => ({
    ...config,
    size: tuple(config['size'] ?? 2, rank),
    data_format: dataFormat(config, rank, dialect),
  });
}

/** Zero padding and cropping: [[before, after], …], one pair an axis; for 1-D [before, after]. */
function margins(key: 'padding' | 'cropping', rank: number): Completion {
  return (config, dialect) => {
    const pairs = marginPairs(config[key] ?? 1, rank, dialect);
    const value = rank === 1 && Array.isArray(pairs) ? (pairs[0] as unknown) : pairs;
    return { ...config, [key]: value, data_format: dataFormat(config, rank, dialect) };
  };
}

/** Keras 1.2 also took [top, bottom, left, right] and named margins; both are pairs today. */
function marginPairs(value: unknown, rank: number, { version }: Dialect): unknown {
  if (typeof value === 'number') return Array.from({ length: rank }, () => [value, value]);
  if (Array.isArray(value)) {
    const list: readonly unknown[] = value;
    if (list.every(Array.isArray)) return list;
    if (list.length === 2 * rank) {
      // Keras 1.0 reads the first two of four, as a symmetric padding.
      if (version?.startsWith('1.0') === true) return symmetric(list.slice(0, rank));
      return Array.from({ length: rank }, (_, axis) => list.slice(2 * axis, 2 * axis + 2));
    }
    return symmetric(list);
  }
  if (typeof value !== 'object' || value === null) return value;
  const named = new Map<string, unknown>(Object.entries(value));
  const at = (...names: readonly string[]): unknown => names.map((n) => named.get(n) ?? 0);
  return rank === 1
    ? [at('left_pad', 'right_pad')]
    : [at('top_pad', 'bottom_pad'), at('left_pad', 'right_pad')];
}

function symmetric(list: readonly unknown[]): unknown {
  return list.map((margin) => [margin, margin]);
}

const dense: Completion = (config) => ({
  activation: 'linear',
  use_bias: true,
  ...withoutNull(config),
});

const batchNormalization: Completion = (config, dialect) => {
  const axis = config['axis'];
  return {
    center: true,
    scale: true,
    ...config,
    axis: Array.isArray(axis) && axis.length === 1 ? (axis[0] as unknown) : (axis ?? -1),
    epsilon: config['epsilon'] ?? defaultEpsilon(dialect),
  };
};

/** keras/layers/normalization.py: 1e-6 up to 1.0.7, 1e-5 up to 1.1.2, 1e-3 since. */
function defaultEpsilon({ generation, version }: Dialect): number {
  if (generation === 'Keras 0') return 1e-6;
  if (generation !== 'Keras 1' || version === undefined) return 1e-3;
  const [, minor = 0, patch = 0] = version.split('.').map(Number);
  if (minor === 0) return patch < 8 ? 1e-6 : 1e-5;
  return minor === 1 ? 1e-5 : 1e-3;
}

/**
 * A Lambda holds Python code. Only the name of its function is taken, as `function` (undefined when it has none);
 * what that function computes is `convert`'s knowledge. `data_format` says where the channels of an image are.
 */
const lambda: Completion = (config, dialect) => ({
  function: functionNameOf(config['function'], config['function_type']),
  data_format: dataFormat(config, 2, dialect),
});

/** What a recurrent layer computes where its config does not say. Source: layers/recurrent.py of each generation. */
const recurrent: Completion = (config, dialect) => ({
  activation: 'tanh',
  recurrent_activation: isSigmoidByDefault(dialect) ? 'sigmoid' : 'hard_sigmoid',
  use_bias: true,
  return_sequences: false,
  go_backwards: false,
  stateful: false,
  ...withoutNull(config),
  ...(dialect.generation === 'Keras 0' ? { consume_less: 'cpu' } : {}),
});

const gru: Completion = (config, dialect) => ({
  reset_after: dialect.generation === 'Keras 3',
  ...recurrent(config, dialect),
});

/** Keras 2.3 and tf.keras 2 changed the default; configs that leave it out are rare and hand-written. */
function isSigmoidByDefault({ generation, version = '' }: Dialect): boolean {
  if (generation === 'Keras 3') return true;
  if (generation === 'Keras 2') return version.startsWith('2.3');
  return generation === 'tf.keras' && !version.endsWith('-tf');
}

function convolutionalLstm(rank: number): Completion {
  return (config, dialect) => ({
    ...recurrent(
      convolution(rank)({ ...config, activation: config['activation'] ?? 'tanh' }, dialect),
      dialect,
    ),
    // Keras 1 has no other way for these, and does not say so.
    ...(isBeforeKeras2(dialect.generation) ? { consume_less: 'cpu' } : {}),
    recurrent_activation:
      config['recurrent_activation'] ??
      (dialect.generation === 'Keras 3' ? 'sigmoid' : 'hard_sigmoid'),
  });
}

const completions = table<Completion>({
  Dense: dense,
  Conv1D: convolution(1),
  Conv2D: convolution(2),
  Conv3D: convolution(3),
  Conv1DTranspose: convolution(1),
  Conv2DTranspose: convolution(2),
  Conv3DTranspose: convolution(3),
  SeparableConv1D: convolution(1),
  SeparableConv2D: convolution(2),
  DepthwiseConv1D: convolution(1),
  DepthwiseConv2D: convolution(2),
  ConvLSTM1D: convolutionalLstm(1),
  ConvLSTM2D: convolutionalLstm(2),
  ConvLSTM3D: convolutionalLstm(3),
  SimpleRNN: recurrent,
  SimpleRNNCell: recurrent,
  LSTM: recurrent,
  LSTMCell: recurrent,
  GRU: gru,
  GRUCell: gru,
  LocallyConnected1D: convolution(1),
  LocallyConnected2D: convolution(2),
  MaxPooling1D: pooling(1),
  MaxPooling2D: pooling(2),
  MaxPooling3D: pooling(3),
  AveragePooling1D: pooling(1),
  AveragePooling2D: pooling(2),
  AveragePooling3D: pooling(3),
  GlobalMaxPooling1D: spatial(1),
  GlobalMaxPooling2D: spatial(2),
  GlobalMaxPooling3D: spatial(3),
  GlobalAveragePooling1D: spatial(1),
  GlobalAveragePooling2D: spatial(2),
  GlobalAveragePooling3D: spatial(3),
  UpSampling1D: upSampling(1),
  UpSampling2D: upSampling(2),
  UpSampling3D: upSampling(3),
  ZeroPadding1D: margins('padding', 1),
  ZeroPadding2D: margins('padding', 2),
  ZeroPadding3D: margins('padding', 3),
  Cropping1D: margins('cropping', 1),
  Cropping2D: margins('cropping', 2),
  Cropping3D: margins('cropping', 3),
  BatchNormalization: batchNormalization,
  LeakyReLU: (config) => ({ ...config, negative_slope: config['negative_slope'] ?? 0.3 }),
  Concatenate: (config) => ({ ...config, axis: config['axis'] ?? -1 }),
  Lambda: lambda,
});

/** 1-D layers of Keras 0 and 1 always have their channels last; others follow the model where they do not say. */
function dataFormat(config: Json, rank: number, dialect: Dialect): DataFormat {
  if (rank === 1 && isBeforeKeras2(dialect.generation)) return 'channels_last';
  return dataFormatOf(config['data_format']) ?? (rank === 1 ? 'channels_last' : dialect.dataFormat);
}

function tuple(value: unknown, rank: number): unknown {
  return typeof value === 'number' ? Array.from({ length: rank }, () => value) : value;
}

function withoutNull(config: Json): Json {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null));
}
