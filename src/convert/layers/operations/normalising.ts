import { reshaped } from '../../../source.ts';
import type { TensorSource, Value } from '../../../tensor.ts';
import { sizeOf } from '../../../tensor.ts';
import { type KerasTensor, kerasTensor } from '../../layout.ts';
import { allOf, causalMask, weightsOfScores } from '../attention/scores.ts';
import { layerNormalization } from '../normalization/layer-normalization.ts';
import { rmsNormalization } from '../normalization/simple.ts';
import { Algebra } from './algebra.ts';
import { byLayer } from './by-layer.ts';
import { axesFromStart, type OperationCall } from './call.ts';
import type { Operation } from './elementwise.ts';

/** A tensor or an array of the file along one axis, in a shape that broadcasts against x. */
function alongAxis(
  call: OperationCall,
  [position, ...names]: readonly [number, ...string[]],
  x: Value,
  axis: number,
): Value | undefined {
  if (call.raw(position, ...names) === undefined) return undefined;
  const m = new Algebra(call.bench.graph);
  const value = m.cast(call.value(position, x, ...names), 'float32');
  if (value.shape.length !== 1 || axis === x.shape.length - 1) return value;
  return m.unsqueeze(
    value,
    Array.from({ length: x.shape.length - axis - 1 }, (_, i) => i + 1),
  );
}

/** (x - mean) / sqrt(variance + epsilon) · scale + offset. TensorFlow's has no axis: its shapes broadcast. */
function batchNormalization(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const x = m.cast(call.kerasX, 'float32');
  const isKeras3 = call.bench.origin.generation === 'Keras 3';
  const [axis = 0] = axesFromStart(
    [isKeras3 ? call.number(Number.POSITIVE_INFINITY, -1, 'axis') : -1],
    x.shape.length,
  );
  const part = (place: readonly [number, ...string[]]): Value | undefined =>
    alongAxis(call, place, x, axis);
  const [mean, variance] = [part([1, 'mean']), part([2, 'variance'])];
  if (!mean || !variance) throw call.refused('no mean or no variance');
  const offset = part([3, 'offset']);
  const scale = part([4, 'scale']);
  const epsilon = isKeras3
    ? call.number(Number.POSITIVE_INFINITY, 1e-3, 'epsilon')
    : call.number(5, undefined, 'variance_epsilon');
  const root = m.of('Sqrt', m.plus(variance, epsilon));
  const normal = m.times(m.minus(x, mean), scale ? m.over(scale, root) : m.over(1, root));
  return kerasTensor(offset ? m.plus(normal, offset) : normal);
}

function flatWeight(call: OperationCall, position: number, name: string): TensorSource | undefined {
  return call.weight(position, name);
}

/** By the layer of the name, with the arrays of the file as its weights; without scale where there is none. */
function layerNormal(call: OperationCall): KerasTensor {
  const axes = call.integers(3, 'axis') ?? [-1];
  const gamma = flatWeight(call, 1, 'gamma');
  const beta = flatWeight(call, 2, 'beta');
  const config = {
    axis: axes,
    epsilon: call.number(4, 1e-7, 'epsilon'),
    scale: gamma !== undefined,
    center: beta !== undefined,
    rms_scaling: call.flag(5, 'rms_scaling'),
  };
  return byLayer(layerNormalization, { config, weights: [gamma, beta] }, call);
}

function rmsNormal(call: OperationCall): KerasTensor {
  const { x } = call;
  const axes = axesFromStart(call.integers(2, 'axis') ?? [-1], x.shape.length);
  const shape = axes.toSorted((a, b) => a - b).map((axis) => Number(x.shape[axis] ?? 1));
  if (shape.some(Number.isNaN)) throw call.refused('an axis of open size');
  const given = call.weight(1, 'scale');
  if (given && sizeOf(given.shape) !== sizeOf(shape))
    throw call.refused(`scale [${given.shape.join(', ')}]`);
  const config = { axis: axes, epsilon: call.number(3, 1e-7, 'epsilon') };
  const m = new Algebra(call.bench.graph);
  if (given) return byLayer(rmsNormalization, { config, weights: [reshaped(given, shape)] }, call);
  const value = m.cast(call.kerasX, 'float32');
  const squares = m.mean(m.times(value, value), axes, 1);
  return kerasTensor(m.over(value, m.of('Sqrt', m.plus(squares, config.epsilon))));
}

/** softmax(q · kᵀ · scale + bias) · v for each head: [N, T, heads, size]. Heads of q may share those of k and v. */
function attention(call: OperationCall): KerasTensor {
  const { graph } = call.bench;
  const m = new Algebra(graph);
  const like = { dtype: 'float32' } as const;
  const [query, key, value] = [
    call.value(0, like, 'query'),
    call.value(1, like, 'key'),
    call.value(2, like, 'value'),
  ];
  const [, , heads = 1, width = 1] = query.shape;
  const times = Number(heads) / Number(key.shape[2] ?? 1);
  if (!Number.isInteger(times) || typeof width !== 'number')
    throw call.refused('heads that do not fit');
  if (call.raw(8, 'attn_logits_soft_cap') !== undefined) throw call.refused('attn_logits_soft_cap');
  const shared = (x: Value): Value => {
    const order = Array.from({ length: Number(heads) }, (_, i) => Math.floor(i / times));
    return times === 1 ? x : m.gather(x, order, 2);
  };
  const scale = call.number(5, 1 / Math.sqrt(width), 'scale');
  const queries = m.transpose(m.times(query, scale), [0, 2, 1, 3]);
  const plain = graph.add('MatMul', [queries, m.transpose(shared(key), [0, 2, 3, 1])]);
  const scores =
    call.raw(3, 'bias') === undefined ? plain : m.plus(plain, call.value(3, like, 'bias'));
  const mask =
    call.raw(4, 'mask') === undefined
      ? undefined
      : m.cast(call.value(4, { dtype: 'bool' }, 'mask'), 'bool');
  const causal = call.flag(6, 'is_causal') ? causalMask(query, key, { graph }) : undefined;
  const weights = weightsOfScores(scores, allOf([mask, causal], { graph }), { graph });
  const values = m.transpose(shared(value), [0, 2, 1, 3]);
  return kerasTensor(m.transpose(graph.add('MatMul', [weights, values]), [0, 2, 1, 3]));
}

/** Keras' smallest number that counts, for logarithms. */
const small = 1e-7;

function clipped(x: Value, m: Algebra): Value {
  return m.join('Min', m.join('Max', x, small), Math.fround(1 - small));
}

const floats = { dtype: 'float32' } as const;

/** -(t log x + (1 - t) log(1 - x)). */
function binaryCrossentropy(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const target = m.cast(call.value(0, floats, 'target'), 'float32');
  const output = m.cast(call.value(1, floats, 'output'), 'float32');
  if (call.flag(2, 'from_logits')) {
    // max(x, 0) - x t + log(1 + exp(-|x|))
    const tail = m.of('Log', m.plus(m.of('Exp', m.of('Neg', m.of('Abs', output))), 1));
    return kerasTensor(m.plus(m.minus(m.join('Max', output, 0), m.times(output, target)), tail));
  }
  const x = clipped(output, m);
  const gain = m.plus(
    m.times(target, m.of('Log', x)),
    m.times(m.minus(1, target), m.of('Log', m.minus(1, x))),
  );
  return kerasTensor(m.of('Neg', gain));
}

/** log of the probabilities, which add up to 1. */
function logOf(
  call: OperationCall,
  output: Value,
  [axis, isAlready]: readonly [number, boolean],
): Value {
  const m = new Algebra(call.bench.graph);
  if (call.flag(2, 'from_logits')) return m.graph.add('LogSoftmax', [output], { axis });
  const whole = isAlready ? output : m.over(output, m.sum(output, [axis], 1));
  const logs = m.of('Log', clipped(whole, m));
  return isAlready ? m.graph.add('LogSoftmax', [logs], { axis }) : logs;
}

function categoricalCrossentropy(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const target = m.cast(call.value(0, floats, 'target'), 'float32');
  const output = m.cast(call.value(1, floats, 'output'), 'float32');
  const [axis = 0] = axesFromStart([call.number(3, -1, 'axis')], output.shape.length);
  return kerasTensor(
    m.of('Neg', m.sum(m.times(target, logOf(call, output, [axis, false])), [axis])),
  );
}

function sparseCategoricalCrossentropy(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const target = m.cast(call.value(0, floats, 'target'), 'int64');
  const output = m.cast(call.value(1, floats, 'output'), 'float32');
  const last = output.shape.length - 1;
  const [axis = 0] = axesFromStart([call.number(3, -1, 'axis')], output.shape.length);
  if (axis !== last) throw call.refused('an axis that is not the last');
  const isColumn = target.shape.length === output.shape.length;
  const ids = isColumn ? target : m.unsqueeze(target, [last]);
  const chosen = m.graph.add('GatherElements', [logOf(call, output, [axis, true]), ids], { axis });
  return kerasTensor(m.of('Neg', m.squeeze(chosen, [last])));
}

/** 20 log₁₀(largest) - 10 log₁₀(mean square difference), of all. */
function psnr(call: OperationCall): KerasTensor {
  const m = new Algebra(call.bench.graph);
  const gap = m.minus(call.value(0, floats, 'x1'), call.value(1, floats, 'x2'));
  const mean = m.mean(
    m.times(gap, gap),
    gap.shape.map((_, axis) => axis),
  );
  const decibels = m.times(m.of('Log', mean), -10 / Math.LN10);
  return kerasTensor(m.plus(decibels, 20 * Math.log10(call.number(2, undefined, 'max_val'))));
}

/** Normalisations, attention and losses. Source: keras/src/ops/nn.py, keras/src/backend/tensorflow/nn.py. */
export const normalisingOperations: Readonly<Record<string, Operation>> = {
  batch_normalization: batchNormalization,
  layer_normalization: layerNormal,
  rms_normalization: rmsNormal,
  dot_product_attention: attention,
  binary_crossentropy: binaryCrossentropy,
  categorical_crossentropy: categoricalCrossentropy,
  sparse_categorical_crossentropy: sparseCategoricalCrossentropy,
  psnr,
};
