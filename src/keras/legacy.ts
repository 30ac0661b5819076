import { type Json, table } from './config.ts';
import type { Generation } from './model.ts';

export type DataFormat = 'channels_first' | 'channels_last';

/** What a config's keys mean besides what they say. */
export interface Dialect {
  readonly generation: Generation;
  readonly version: string | undefined;
  /** Where the channels are for layers that do not say. */
  readonly dataFormat: DataFormat;
}

/** Names of classes in Keras 0, 1 and 2, and aliases, that Keras 3 spells otherwise. Source: keras/legacy/interfaces.py@2.2.4. */
const classNames = table<string>({
  Convolution1D: 'Conv1D',
  Convolution2D: 'Conv2D',
  Convolution3D: 'Conv3D',
  AtrousConvolution1D: 'Conv1D',
  AtrousConvolution2D: 'Conv2D',
  AtrousConv1D: 'Conv1D',
  AtrousConv2D: 'Conv2D',
  Deconvolution2D: 'Conv2DTranspose',
  Deconvolution3D: 'Conv3DTranspose',
  Convolution2DTranspose: 'Conv2DTranspose',
  Convolution3DTranspose: 'Conv3DTranspose',
  SeparableConvolution1D: 'SeparableConv1D',
  SeparableConvolution2D: 'SeparableConv2D',
  TimeDistributedDense: 'Dense',
  MaxPool1D: 'MaxPooling1D',
  MaxPool2D: 'MaxPooling2D',
  MaxPool3D: 'MaxPooling3D',
  AvgPool1D: 'AveragePooling1D',
  AvgPool2D: 'AveragePooling2D',
  AvgPool3D: 'AveragePooling3D',
  GlobalMaxPool1D: 'GlobalMaxPooling1D',
  GlobalMaxPool2D: 'GlobalMaxPooling2D',
  GlobalAvgPool1D: 'GlobalAveragePooling1D',
  GlobalAvgPool2D: 'GlobalAveragePooling2D',
  GlobalMaxPool3D: 'GlobalMaxPooling3D',
  GlobalAvgPool3D: 'GlobalAveragePooling3D',
  Deconv2D: 'Conv2DTranspose',
  Deconv3D: 'Conv3DTranspose',
  SyncBatchNormalization: 'BatchNormalization',
  'Custom>CustomScaleLayer': 'CustomScaleLayer',
  GroupedQueryAttention: 'GroupQueryAttention',
  BatchNormalizationV1: 'BatchNormalization',
  BatchNormalizationV2: 'BatchNormalization',
  CuDNNLSTM: 'LSTM',
  CuDNNGRU: 'GRU',
  UnifiedLSTM: 'LSTM',
  UnifiedGRU: 'GRU',
  Model: 'Functional',
});

/** Keras 1's Merge has one class for what are several today. 'cos' and functions have no class of their own. */
const mergeClasses = table<string>({
  sum: 'Add',
  mul: 'Multiply',
  ave: 'Average',
  max: 'Maximum',
  concat: 'Concatenate',
  dot: 'Dot',
});

/** Keras 3's name for a class. */
export function modernClass(saved: string, config: Json): string {
  const mode = config['mode'];
  if (saved === 'Merge' && typeof mode === 'string') return mergeClasses[mode] ?? saved;
  return classNames[saved] ?? saved;
}

/** Keys that were renamed between Keras 1 and 2, and mean the same in every layer. */
const keyNames = table<string>({
  nb_filter: 'filters',
  filter_length: 'kernel_size',
  subsample: 'strides',
  subsample_length: 'strides',
  border_mode: 'padding',
  dim_ordering: 'data_format',
  init: 'kernel_initializer',
  bias: 'use_bias',
  atrous_rate: 'dilation_rate',
  pool_length: 'pool_size',
  poolsize: 'pool_size',
  stride: 'strides',
  W_regularizer: 'kernel_regularizer',
  U_regularizer: 'recurrent_regularizer',
  b_regularizer: 'bias_regularizer',
  W_constraint: 'kernel_constraint',
  b_constraint: 'bias_constraint',
  inner_init: 'recurrent_initializer',
  inner_activation: 'recurrent_activation',
  dropout_W: 'dropout',
  dropout_U: 'recurrent_dropout',
  p: 'rate',
  sigma: 'stddev',
  gamma_init: 'gamma_initializer',
  beta_init: 'beta_initializer',
  concat_axis: 'axis',
  dot_axes: 'axes',
});

/** Keys that were renamed in some classes only. */
const keyNamesOf = table<Readonly<Record<string, string>>>({
  Dense: { output_dim: 'units' },
  MaxoutDense: { output_dim: 'units' },
  LSTM: { output_dim: 'units' },
  GRU: { output_dim: 'units' },
  SimpleRNN: { output_dim: 'units' },
  Highway: { output_dim: 'units' },
  UpSampling1D: { length: 'size' },
  Reshape: { dims: 'target_shape' },
  Embedding: {
    init: 'embeddings_initializer',
    W_regularizer: 'embeddings_regularizer',
    W_constraint: 'embeddings_constraint',
  },
  PReLU: { init: 'alpha_initializer' },
  SeparableConv2D: { init: 'depthwise_initializer' },
});

/** Keys of Keras 2 that Keras 3 renamed. */
const keras3Keys = table<Readonly<Record<string, string>>>({
  LeakyReLU: { alpha: 'negative_slope' },
});

/** Keys that say how a model was made, not what it computes. */
const dropped = new Set([
  'name',
  'custom_name',
  'batch_input_shape',
  'batch_shape',
  'input_dtype',
  'input_shape',
  'input_length',
  'cache_enabled',
  'nb_row',
  'nb_col',
  'kernel_dim1',
  'kernel_dim2',
  'kernel_dim3',
]);

const dataFormats = table<DataFormat>({
  th: 'channels_first',
  tf: 'channels_last',
  channels_first: 'channels_first',
  channels_last: 'channels_last',
});

/** `data_format` for Keras 0 and 1's `dim_ordering`; undefined for "default", null and absent. */
export function dataFormatOf(value: unknown): DataFormat | undefined {
  return typeof value === 'string' ? dataFormats[value] : undefined;
}

/** Whether the layers of this generation have the names and keys of before Keras 2. */
export function isBeforeKeras2(generation: Generation): boolean {
  return generation === 'Keras 0' || generation === 'Keras 1';
}

/** The config with the keys of Keras 3; values and defaults are `modernConfig`'s. */
export function modernKeys(className: string, saved: Json, generation: Generation): Json {
  const old = isBeforeKeras2(generation);
  const renames = table<string>({
    ...(old ? { ...keyNames, ...keyNamesOf[className] } : {}),
    ...keras3Keys[className],
  });
  const entries = Object.entries(saved)
    .filter(([key]) => !dropped.has(key))
    .map(([key, value]) => [renames[key] ?? key, value] as const);
  return { ...Object.fromEntries(entries), ...kernelSize(saved) };
}

function kernelSize(saved: Json): Json {
  const { nb_row: rows, nb_col: columns } = saved;
  if (rows !== undefined && columns !== undefined) return { kernel_size: [rows, columns] };
  const depth = [saved['kernel_dim1'], saved['kernel_dim2'], saved['kernel_dim3']];
  return depth.every((dim) => dim !== undefined) ? { kernel_size: depth } : {};
}
