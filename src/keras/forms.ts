import { permuted, reshaped } from '../source.ts';
import type { TensorSource } from '../tensor.ts';
import { type Json, table } from './config.ts';
import { castToFloat32, mapped } from './elementwise.ts';
import { isBeforeKeras2 } from './legacy.ts';
import type { Generation, KerasWeight, Kernels } from './model.ts';
import { recurrentWeights } from './recurrent.ts';

/** Who wrote the weights: what their form depends on besides the layer. */
export interface WeightOrigin {
  readonly generation: Generation;
  readonly version: string | undefined;
  readonly kernels: Kernels;
  /** What the fourth weight of BatchNormalization is, where a person says so. */
  readonly running?: 'variance' | 'std' | undefined;
}

/** A layer's weights in Keras 3's form, and its config where the form of the weights changes it. */
interface Canonical {
  readonly config: Json;
  readonly weights: readonly KerasWeight[];
}

/**
 * Brings a layer's weights to Keras 3's form: axis order, kernels as correlations, variances, float32. Lazy.
 *
 * Kernels of Theano are turned by 180 degrees (all spatial axes), exactly once. Weights of classes without a row in the
 * tables below keep the file's form.
 */
export function canonicalWeights(
  layer: { readonly className: string; readonly savedClassName?: string; readonly config: Json },
  weights: readonly KerasWeight[],
  origin: WeightOrigin,
): Canonical {
  const { className, config, savedClassName = className } = layer;
  const cast = weights.map(({ name, source }) => ({ name, source: castToFloat32(source) }));
  if (className === 'BatchNormalization') return normalization(config, cast, origin);
  const spatial = spatialAxes[className];
  const turn = (source: TensorSource): TensorSource =>
    spatial === undefined ? source : kernel(source, { className, config, spatial }, origin);
  if (recurrentClasses.has(className)) {
    const joint = recurrentWeights({ className, savedClassName, config }, cast, turn);
    return { config: withResetAfter(className, config, joint), weights: joint };
  }
  if (spatial === undefined) return { config, weights: cast };
  const kernels = kernelCounts[className] ?? 1;
  return {
    config,
    weights: cast.map((weight, i) =>
      i < kernels ? { ...weight, source: turn(weight.source) } : weight,
    ),
  };
}

const recurrentClasses = new Set(
  'SimpleRNN LSTM GRU SimpleRNNCell LSTMCell GRUCell ConvLSTM1D ConvLSTM2D ConvLSTM3D'.split(' '),
);

/** A GRU whose bias has two rows resets after the product, whatever its config forgets to say. */
function withResetAfter(className: string, config: Json, weights: readonly KerasWeight[]): Json {
  const bias = weights[2]?.source.shape;
  const isGru = className === 'GRU' || className === 'GRUCell';
  return isGru && bias?.length === 2 ? { ...config, reset_after: true } : config;
}

/** Spatial axes of the kernels of each class with kernels; in Keras 3 they come first. */
const spatialAxes = table<number>({
  Conv1D: 1,
  Conv2D: 2,
  Conv3D: 3,
  Conv1DTranspose: 1,
  Conv2DTranspose: 2,
  Conv3DTranspose: 3,
  ConvLSTM1D: 1,
  ConvLSTM2D: 2,
  ConvLSTM3D: 3,
  SeparableConv2D: 2,
});

const kernelCounts = table<number>({ SeparableConv2D: 2 });

/** Keras 1 had these on TensorFlow only, and Keras 2 on Theano turns them itself before saving. */
const neverTurned = new Set(['SeparableConv2D']);

/** Whether the kernels' orientation matters for a layer of this class. */
export function hasTurnableKernel(className: string): boolean {
  return className in spatialAxes && !neverTurned.has(className);
}

interface KernelOf {
  readonly className: string;
  readonly config: Json;
  readonly spatial: number;
}

function kernel(
  source: TensorSource,
  { className, config, spatial }: KernelOf,
  origin: WeightOrigin,
): TensorSource {
  const turned = origin.kernels === 'theano' && !neverTurned.has(className);
  const flips = turned ? Array.from({ length: spatial }, (_, axis) => axis) : [];
  if (!isBeforeKeras2(origin.generation)) return permuted(source, identity(source), flips);
  if (className === 'Conv1D') return oldKernel1D(source, config, flips);
  const isTransposed = className.endsWith('Transpose');
  const isFirst = config['data_format'] === 'channels_first';
  return permuted(source, oldAxes(spatial, { isFirst, isTransposed }), flips);
}

function identity(source: TensorSource): number[] {
  return source.shape.map((_, axis) => axis);
}

/**
 * Where the axes of Keras 3's kernel lie in an old one. Old "th": (filters, stack, …spatial); old "tf":
 * (…spatial, stack, filters). Keras 3: (…spatial, in, out); transposed (…spatial, out, in), and there the filters are
 * the output.
 */
function oldAxes(
  spatial: number,
  { isFirst, isTransposed }: { readonly isFirst: boolean; readonly isTransposed: boolean },
): number[] {
  const space = Array.from({ length: spatial }, (_, axis) => (isFirst ? axis + 2 : axis));
  const [stack, filters] = isFirst ? [1, 0] : [spatial, spatial + 1];
  return isTransposed ? [...space, filters, stack] : [...space, stack, filters];
}

/** Keras 1.1 and later: (length, 1, in, out); before: (out, in, length, 1). */
function oldKernel1D(source: TensorSource, config: Json, flips: readonly number[]): TensorSource {
  const [a = 1, b = 1, c = 1, d = 1] = source.shape;
  const size: unknown = Array.isArray(config['kernel_size']) ? config['kernel_size'][0] : a;
  const isNew = a === size && b === 1 && d === config['filters'];
  return isNew
    ? permuted(reshaped(source, [a, c, d]), [0, 1, 2], flips)
    : permuted(reshaped(source, [a, b, c]), [2, 1, 0], flips);
}

/**
 * Up to Keras 1.0.6 `running_std` is a standard deviation, and y = gamma·(x − mean)/(std + epsilon) + beta; 1.0.7 on
 * Theano divides by sqrt(variance) + epsilon. Both become a variance of (std + epsilon)² with an epsilon of 0.
 * Later files hold the variance, whatever its name. Keras 0 normalises each feature of an image by itself, so its
 * `axis` becomes a list. Source: keras/layers/normalization.py at 0.3.3, 1.0.6, 1.0.7, 1.0.8.
 */
function normalization(
  config: Json,
  weights: readonly KerasWeight[],
  origin: WeightOrigin,
): Canonical {
  const rank = weights[0]?.source.shape.length ?? 1;
  const axes = Array.from({ length: rank }, (_, axis) => axis + 1);
  const placed = rank > 1 && isBeforeKeras2(origin.generation) ? { ...config, axis: axes } : config;
  const form = runningForm(origin);
  const epsilon = Number(config['epsilon'] ?? 0);
  const last = weights[3];
  if (form === 'variance' || !last || config['mode'] === 1) return { config: placed, weights };
  const variance = mapped(last.source, (number) => {
    const std = form === 'std' ? number : Math.sqrt(number);
    return (std + epsilon) ** 2;
  });
  return {
    config: { ...placed, epsilon: 0 },
    weights: [...weights.slice(0, 3), { ...last, source: variance }],
  };
}

/** What the fourth weight of a BatchNormalization is. A Keras 1 file that states no version is taken as 1.0.8 or later. */
export function runningForm({
  generation,
  version,
  kernels,
  running,
}: WeightOrigin): 'variance' | 'std' | 'sqrt-variance' {
  if (running && isBeforeKeras2(generation)) return running;
  if (generation === 'Keras 0') return 'std';
  const [major, minor, patch] = (version ?? '').split('.').map(Number);
  if (generation !== 'Keras 1' || major !== 1 || minor !== 0 || patch === undefined)
    return 'variance';
  if (patch < 7) return 'std';
  return patch === 7 && kernels === 'theano' ? 'sqrt-variance' : 'variance';
}
