import type { Layer } from '../layer.ts';
import { activation } from './activations/activation.ts';
import { prelu } from './activations/prelu.ts';
import {
  elu,
  leakyRelu,
  relu,
  thresholdedLinear,
  thresholdedRelu,
} from './activations/rectifiers.ts';
import { softmax } from './activations/softmax.ts';
import { additiveAttention, attention } from './attention/dense-attention.ts';
import { groupedQueryAttention, multiHeadAttention } from './attention/multi-head.ts';
import { conv1d, conv2d, conv3d } from './convolution/conv.ts';
import {
  depthwiseConv1d,
  depthwiseConv2d,
  separableConv1d,
  separableConv2d,
} from './convolution/depthwise.ts';
import { locallyConnected1d, locallyConnected2d } from './convolution/locally-connected.ts';
import { conv1dTranspose, conv2dTranspose, conv3dTranspose } from './convolution/transposed.ts';
import { dense } from './core/dense.ts';
import { einsumDense } from './core/einsum-dense.ts';
import { embedding } from './core/embedding.ts';
import { identity } from './core/identity.ts';
import { lambda } from './core/lambda.ts';
import { masking } from './core/masking.ts';
import { highway } from './legacy/highway.ts';
import { parametricSoftplus, sRelu } from './legacy/learned-activations.ts';
import { maxoutDense } from './legacy/maxout-dense.ts';
import { randomFourierFeatures } from './legacy/random-fourier-features.ts';
import { timeDistributedMerge } from './legacy/time-distributed-merge.ts';
import { concatenate } from './merging/concatenate.ts';
import { dot, merge } from './merging/dot.ts';
import { add, average, maximum, minimum, multiply, subtract } from './merging/merge.ts';
import { customScaleLayer, layerScale } from './merging/residual.ts';
import { batchNormalization } from './normalization/batch-normalization.ts';
import { groupNormalization } from './normalization/group-normalization.ts';
import { layerNormalization } from './normalization/layer-normalization.ts';
import {
  rmsNormalization,
  spectralNormalization,
  unitNormalization,
} from './normalization/simple.ts';
import { operationNamed, tensorFlowOperation } from './operations/index.ts';
import {
  adaptiveAveragePooling1d,
  adaptiveAveragePooling2d,
  adaptiveAveragePooling3d,
  adaptiveMaxPooling1d,
  adaptiveMaxPooling2d,
  adaptiveMaxPooling3d,
} from './pooling/adaptive.ts';
import {
  globalAveragePooling1d,
  globalAveragePooling2d,
  globalAveragePooling3d,
  globalMaxPooling1d,
  globalMaxPooling2d,
  globalMaxPooling3d,
} from './pooling/global-pooling.ts';
import {
  averagePooling1d,
  averagePooling2d,
  averagePooling3d,
  maxPooling1d,
  maxPooling2d,
  maxPooling3d,
} from './pooling/pooling.ts';
import { augmentation } from './preprocessing/augmentation.ts';
import { categoryEncoding, discretization, integerLookup } from './preprocessing/categories.ts';
import { centerCrop, randomCrop, resizing } from './preprocessing/resizing.ts';
import { normalization, rescaling } from './preprocessing/scaling.ts';
import { melSpectrogram, stftSpectrogram } from './preprocessing/spectrogram.ts';
import { bidirectional } from './recurrent/bidirectional.ts';
import { convLstm1d, convLstm2d, convLstm3d } from './recurrent/conv-lstm.ts';
import { gru, lstm, simpleRnn } from './recurrent/recurrent.ts';
import { rnn } from './recurrent/rnn.ts';
import { timeDistributed } from './recurrent/time-distributed.ts';
import { dropout } from './regularization/dropout.ts';
import { cropping1d, cropping2d, cropping3d } from './reshaping/cropping.ts';
import { flatten } from './reshaping/flatten.ts';
import { permute } from './reshaping/permute.ts';
import { repeatVector } from './reshaping/repeat-vector.ts';
import { reshape } from './reshaping/reshape.ts';
import { upSampling1d, upSampling2d, upSampling3d } from './reshaping/up-sampling.ts';
import { zeroPadding1d, zeroPadding2d, zeroPadding3d } from './reshaping/zero-padding.ts';

/** Every layer the converter knows. A new layer is one file and its line here. */
const layers: readonly Layer[] = [
  activation,
  adaptiveAveragePooling1d,
  adaptiveAveragePooling2d,
  adaptiveAveragePooling3d,
  adaptiveMaxPooling1d,
  adaptiveMaxPooling2d,
  adaptiveMaxPooling3d,
  add,
  additiveAttention,
  attention,
  augmentation,
  average,
  averagePooling1d,
  averagePooling2d,
  averagePooling3d,
  batchNormalization,
  bidirectional,
  categoryEncoding,
  centerCrop,
  concatenate,
  conv1d,
  conv1dTranspose,
  conv2d,
  conv2dTranspose,
  conv3d,
  conv3dTranspose,
  convLstm1d,
  convLstm2d,
  convLstm3d,
  cropping1d,
  cropping2d,
  cropping3d,
  customScaleLayer,
  dense,
  depthwiseConv1d,
  depthwiseConv2d,
  discretization,
  dot,
  dropout,
  einsumDense,
  elu,
  embedding,
  flatten,
  globalAveragePooling1d,
  globalAveragePooling2d,
  globalAveragePooling3d,
  globalMaxPooling1d,
  globalMaxPooling2d,
  globalMaxPooling3d,
  groupedQueryAttention,
  groupNormalization,
  gru,
  highway,
  melSpectrogram,
  randomFourierFeatures,
  stftSpectrogram,
  identity,
  integerLookup,
  lambda,
  layerNormalization,
  layerScale,
  leakyRelu,
  locallyConnected1d,
  locallyConnected2d,
  lstm,
  masking,
  maximum,
  maxoutDense,
  maxPooling1d,
  maxPooling2d,
  maxPooling3d,
  merge,
  minimum,
  multiHeadAttention,
  multiply,
  normalization,
  parametricSoftplus,
  permute,
  prelu,
  randomCrop,
  relu,
  repeatVector,
  rescaling,
  reshape,
  resizing,
  rmsNormalization,
  rnn,
  separableConv1d,
  separableConv2d,
  simpleRnn,
  softmax,
  spectralNormalization,
  sRelu,
  subtract,
  tensorFlowOperation,
  thresholdedLinear,
  thresholdedRelu,
  timeDistributed,
  timeDistributedMerge,
  unitNormalization,
  upSampling1d,
  upSampling2d,
  upSampling3d,
  zeroPadding1d,
  zeroPadding2d,
  zeroPadding3d,
];

const byClassName: ReadonlyMap<string, Layer> = new Map(
  layers.flatMap((layer) => layer.keras.map((name) => [name, layer] as const)),
);

/** Class names of all layers that can be converted. */
export const layerNames: readonly string[] = [...byClassName.keys()].toSorted();

/** The rule for a class name of Keras 3, or for an operation of it. */
export function layerNamed(className: string): Layer | undefined {
  return byClassName.get(className) ?? operationNamed(className);
}
