import type { Layer } from '../layer.ts';
import { activation } from './activation.ts';
import { batchNormalization } from './batch-normalization.ts';
import { concatenate } from './concatenate.ts';
import { conv1d } from './conv1d.ts';
import { conv2d } from './conv2d.ts';
import { conv3d } from './conv3d.ts';
import { cropping1d, cropping2d, cropping3d } from './cropping.ts';
import { dense } from './dense.ts';
import { dropout } from './dropout.ts';
import { embedding } from './embedding.ts';
import { flatten } from './flatten.ts';
import {
  globalAveragePooling1d,
  globalAveragePooling2d,
  globalAveragePooling3d,
  globalMaxPooling1d,
  globalMaxPooling2d,
  globalMaxPooling3d,
} from './global-pooling.ts';
import { lambda } from './lambda.ts';
import { add, average, maximum, minimum, multiply, subtract } from './merge.ts';
import { permute } from './permute.ts';
import {
  averagePooling1d,
  averagePooling2d,
  averagePooling3d,
  maxPooling1d,
  maxPooling2d,
  maxPooling3d,
} from './pooling.ts';
import { prelu } from './prelu.ts';
import { elu, leakyRelu, relu, thresholdedLinear, thresholdedRelu } from './rectifiers.ts';
import { repeatVector } from './repeat-vector.ts';
import { reshape } from './reshape.ts';
import { softmax } from './softmax.ts';
import { upSampling1d, upSampling2d, upSampling3d } from './up-sampling.ts';
import { zeroPadding1d, zeroPadding2d, zeroPadding3d } from './zero-padding.ts';

/** Every layer the converter knows. A new layer is one file and its line here. */
const layers: readonly Layer[] = [
  activation,
  add,
  average,
  averagePooling1d,
  averagePooling2d,
  averagePooling3d,
  batchNormalization,
  concatenate,
  conv1d,
  conv2d,
  conv3d,
  cropping1d,
  cropping2d,
  cropping3d,
  dense,
  dropout,
  elu,
  embedding,
  flatten,
  globalAveragePooling1d,
  globalAveragePooling2d,
  globalAveragePooling3d,
  globalMaxPooling1d,
  globalMaxPooling2d,
  globalMaxPooling3d,
  lambda,
  leakyRelu,
  maximum,
  maxPooling1d,
  maxPooling2d,
  maxPooling3d,
  minimum,
  multiply,
  permute,
  prelu,
  relu,
  repeatVector,
  reshape,
  softmax,
  subtract,
  thresholdedLinear,
  thresholdedRelu,
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

/** The rule for a class name of Keras 3. */
export function layerNamed(className: string): Layer | undefined {
  return byClassName.get(className);
}
