import { type Json, table } from './config.ts';
import { quantizationOf } from './quantized.ts';

/** Names of a layer's weights in Keras 3's order: trained ones, and those that only follow the data. */
export interface Roles {
  readonly trained: readonly string[];
  readonly followed: readonly string[];
}

type RolesOf = (config: Json) => Roles;

function trained(...names: readonly string[]): RolesOf {
  return () => ({ trained: names, followed: [] });
}

function withBias(...names: readonly string[]): RolesOf {
  return (config) => ({
    trained: config['use_bias'] === false ? names : [...names, 'bias'],
    followed: [],
  });
}

const normalization: RolesOf = (config) => ({
  trained: [
    ...(config['scale'] === false ? [] : ['gamma']),
    ...(config['center'] === false ? [] : ['beta']),
  ],
  followed: ['moving_mean', 'moving_variance'],
});

/** Recurrent layers of Keras 0 and 1 have three arrays a gate, unless they were made for the GPU. */
function recurrent(gates: readonly string[]): RolesOf {
  return (config) => {
    if (gates.length > 1 && isByGate(config)) {
      const names = gates.flatMap((gate) => [`W_${gate}`, `U_${gate}`, `b_${gate}`]);
      return { trained: names, followed: [] };
    }
    return withBias('kernel', 'recurrent_kernel')(config);
  };
}

/** Whether a recurrent layer's weights lie gate by gate. `consume_less` is Keras 1's; it is filled in for Keras 0. */
export function isByGate(config: Json): boolean {
  return config['consume_less'] !== undefined && config['consume_less'] !== 'gpu';
}

/** Gates in the order in which Keras 0 and 1 stored them. */
export const oldGates = { LSTM: ['i', 'c', 'f', 'o'], GRU: ['z', 'r', 'h'] } as const;

const lstm = recurrent(oldGates.LSTM);
const gru = recurrent(oldGates.GRU);
const simple = recurrent(['h']);

const attentionHeads: RolesOf = (config) => {
  const parts = ['query', 'key', 'value', 'attention_output'];
  const suffixes = config['use_bias'] === false ? ['kernel'] : ['kernel', 'bias'];
  return {
    trained: parts.flatMap((part) => suffixes.map((suffix) => `${part}/${suffix}`)),
    followed: [],
  };
};

const attention: RolesOf = (config) => ({
  trained: [
    ...(config['use_scale'] === true ? ['scale'] : []),
    ...(config['score_mode'] === 'concat' ? ['concat_score_weight'] : []),
  ],
  followed: [],
});

const layerNormalization: RolesOf = (config) => ({
  trained: config['rms_scaling'] === true ? ['gamma'] : normalization(config).trained,
  followed: [],
});

/** Mean and variance are weights only where they were learnt from data. */
const adapted: RolesOf = (config) => ({
  trained: [],
  followed:
    config['mean'] === null || config['mean'] === undefined ? ['mean', 'variance', 'count'] : [],
});

/** Layers whose weights follow from their class and config. */
const roles = table<RolesOf>({
  Dense: withBias('kernel'),
  Conv1D: withBias('kernel'),
  Conv2D: withBias('kernel'),
  Conv3D: withBias('kernel'),
  Conv1DTranspose: withBias('kernel'),
  Conv2DTranspose: withBias('kernel'),
  Conv3DTranspose: withBias('kernel'),
  LocallyConnected1D: withBias('kernel'),
  LocallyConnected2D: withBias('kernel'),
  DepthwiseConv1D: withBias('depthwise_kernel'),
  DepthwiseConv2D: withBias('depthwise_kernel'),
  SeparableConv1D: withBias('depthwise_kernel', 'pointwise_kernel'),
  SeparableConv2D: withBias('depthwise_kernel', 'pointwise_kernel'),
  BatchNormalization: normalization,
  LayerNormalization: layerNormalization,
  GroupNormalization: layerNormalization,
  RMSNormalization: trained('scale'),
  Normalization: adapted,
  Embedding: trained('embeddings'),
  PReLU: trained('alpha'),
  SimpleRNN: simple,
  SimpleRNNCell: simple,
  LSTM: lstm,
  LSTMCell: lstm,
  GRU: gru,
  GRUCell: gru,
  ConvLSTM1D: lstm,
  ConvLSTM2D: lstm,
  ConvLSTM3D: lstm,
  MultiHeadAttention: attentionHeads,
  GroupedQueryAttention: attentionHeads,
  GroupQueryAttention: attentionHeads,
  Attention: attention,
  AdditiveAttention: (config) => ({
    trained: config['use_scale'] === false ? [] : ['scale'],
    followed: [],
  }),
  EinsumDense: (config) => ({
    trained: typeof config['bias_axes'] === 'string' ? ['kernel', 'bias'] : ['kernel'],
    followed: [],
  }),
  Highway: (config) => ({
    trained: config['use_bias'] === false ? ['W', 'W_carry'] : ['W', 'W_carry', 'b', 'b_carry'],
    followed: [],
  }),
  MaxoutDense: withBias('kernel'),
  SReLU: trained('t_left', 'a_left', 't_right', 'a_right'),
  ParametricSoftplus: trained('alphas', 'betas'),
  RandomFourierFeatures: () => ({
    trained: ['kernel_scale'],
    followed: ['unscaled_kernel', 'bias'],
  }),
  STFTSpectrogram: ({ mode }) => ({
    trained: [
      ...(mode === 'imag' ? [] : ['real_kernel']),
      ...(mode === 'real' ? [] : ['imag_kernel']),
    ],
    followed: [],
  }),
  SpectralNormalization: () => ({ trained: [], followed: ['kernel', 'vector_u'] }),
  // What these have of their own, besides what they wrap.
  TimeDistributed: trained(),
  Bidirectional: trained(),
  RNN: trained(),
});

/** Layers that never have weights. */
const weightless = new Set(
  `Activation ActivityRegularization Add AdaptiveAveragePooling1D AdaptiveAveragePooling2D
  AdaptiveAveragePooling3D AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D AlphaDropout
  Average AveragePooling1D AveragePooling2D AveragePooling3D CategoryEncoding CenterCrop Concatenate
  Cropping1D Cropping2D Cropping3D Dot Dropout ELU Flatten GaussianDropout GaussianNoise
  GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D
  GlobalMaxPooling2D GlobalMaxPooling3D Identity InputLayer Lambda LeakyReLU Masking MaxPooling1D
  MaxPooling2D MaxPooling3D Maximum MelSpectrogram Merge Minimum Multiply Permute ReLU RepeatVector Rescaling Reshape
  Resizing SlicingOpLambda Softmax SpatialDropout1D SpatialDropout2D SpatialDropout3D Subtract
  TFOpLambda TensorFlowOpLayer ThresholdedLinear ThresholdedReLU TimeDistributedMerge UnitNormalization
  UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D`.split(/\s+/),
);

/** What weights a layer must have besides those it wraps; undefined for classes of which that is not known. */
export function rolesOf(className: string, config: Json): Roles | undefined {
  if (weightless.has(className) || className.startsWith('ops.')) {
    return { trained: [], followed: [] };
  }
  const found = roles[className]?.(config);
  if (!found || quantizationOf(config) !== 'int8') return found;
  return { ...found, followed: [...found.followed, 'scale'] };
}

/** Number of axes of the first weight of a layer, where it does not depend on the input. */
export const firstWeightRank = table<number>({
  Dense: 2,
  Conv2D: 4,
  Conv3D: 5,
  Conv2DTranspose: 4,
  Conv3DTranspose: 5,
  DepthwiseConv2D: 4,
  SeparableConv2D: 4,
  Embedding: 2,
});
