import { isJson, type Json } from './config.ts';

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

/** Layers whose weights are the same in every generation. */
const roles: Readonly<Record<string, RolesOf>> = {
  Dense: withBias('kernel'),
  Conv1D: withBias('kernel'),
  Conv2D: withBias('kernel'),
  Conv3D: withBias('kernel'),
  Conv1DTranspose: withBias('kernel'),
  Conv2DTranspose: withBias('kernel'),
  Conv3DTranspose: withBias('kernel'),
  DepthwiseConv2D: withBias('depthwise_kernel'),
  SeparableConv1D: withBias('depthwise_kernel', 'pointwise_kernel'),
  SeparableConv2D: withBias('depthwise_kernel', 'pointwise_kernel'),
  BatchNormalization: normalization,
  LayerNormalization: (config) => ({ trained: normalization(config).trained, followed: [] }),
  Embedding: trained('embeddings'),
  PReLU: trained('alpha'),
};

/** Layers that never have weights. */
const weightless = new Set(
  `Activation Add Average AveragePooling1D AveragePooling2D AveragePooling3D Concatenate Cropping1D
  Cropping2D Cropping3D Dot Dropout ELU Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D
  GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D
  GlobalMaxPooling3D InputLayer Lambda LeakyReLU Masking MaxPooling1D MaxPooling2D MaxPooling3D
  Maximum Merge Minimum Multiply Permute ReLU RepeatVector Reshape Softmax SpatialDropout1D
  SpatialDropout2D SpatialDropout3D Subtract ThresholdedReLU UpSampling1D UpSampling2D UpSampling3D
  ZeroPadding1D ZeroPadding2D ZeroPadding3D`.split(/\s+/),
);

/** What weights a layer must have; undefined for classes of which that is not known, or depends on the generation. */
export function rolesOf(className: string, config: Json): Roles | undefined {
  if (weightless.has(className)) return { trained: [], followed: [] };
  const wrapped = config['layer'];
  if (className === 'TimeDistributed' && isJson(wrapped)) {
    const inner = isJson(wrapped['config']) ? wrapped['config'] : {};
    return rolesOf(String(wrapped['class_name']), inner);
  }
  return roles[className]?.(config);
}

/** Number of axes of the first weight of a layer, where it does not depend on the input. */
export const firstWeightRank: Readonly<Record<string, number>> = {
  Dense: 2,
  Conv2D: 4,
  Conv3D: 5,
  Conv2DTranspose: 4,
  Conv3DTranspose: 5,
  DepthwiseConv2D: 4,
  SeparableConv2D: 4,
  Embedding: 2,
};
