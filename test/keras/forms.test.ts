import { expect, test } from 'vitest';
import { canonicalWeights, runningForm } from '../../src/keras/forms.ts';
import { floatSource } from '../../src/source.ts';
import type { TensorSource } from '../../src/tensor.ts';

const theano = { generation: 'Keras 1', version: '1.2.2', kernels: 'theano' } as const;

function numbers(source: TensorSource | undefined): number[] {
  const size = source?.shape.reduce((product, dim) => product * dim, 1) ?? 0;
  return [...new Float32Array(Uint8Array.from(source?.read(0, size) ?? []).buffer)];
}

function weight(shape: readonly number[]): { name: string; source: TensorSource } {
  const size = shape.reduce((product, dim) => product * dim, 1);
  return {
    name: 'W',
    source: floatSource(
      shape,
      Array.from({ length: size }, (_, i) => i),
    ),
  };
}

test('Convolution1D of 1.1 and later: the axis of 1 goes, steps are turned', () => {
  const layer = { className: 'Conv1D', config: { kernel_size: [3], filters: 2 } };
  const [kernel] = canonicalWeights(layer, [weight([3, 1, 1, 2])], theano).weights;
  expect(kernel?.source.shape).toEqual([3, 1, 2]);
  expect(numbers(kernel?.source)).toEqual([4, 5, 2, 3, 0, 1]);
});

test('Convolution1D before 1.1: filters come first', () => {
  const layer = { className: 'Conv1D', config: { kernel_size: [3], filters: 2 } };
  const [kernel] = canonicalWeights(layer, [weight([2, 1, 3, 1])], theano).weights;
  expect(kernel?.source.shape).toEqual([3, 1, 2]);
  expect(numbers(kernel?.source)).toEqual([2, 5, 1, 4, 0, 3]);
});

test('Deconvolution2D: what it calls filters is the output', () => {
  const layer = { className: 'Conv2DTranspose', config: { data_format: 'channels_first' } };
  const origin = { ...theano, kernels: 'tensorflow' } as const;
  const [kernel] = canonicalWeights(layer, [weight([2, 3, 1, 1])], origin).weights;
  expect(kernel?.source.shape).toEqual([1, 1, 2, 3]);
  expect(numbers(kernel?.source)).toEqual([0, 1, 2, 3, 4, 5]);
});

test('Keras 2 on Theano: kernels are turned and nothing else', () => {
  const layer = { className: 'Conv2D', config: { data_format: 'channels_first' } };
  const origin = { ...theano, generation: 'Keras 2' } as const;
  const [kernel, bias] = canonicalWeights(
    layer,
    [weight([2, 2, 1, 1]), weight([1])],
    origin,
  ).weights;
  expect(numbers(kernel?.source)).toEqual([3, 2, 1, 0]);
  expect(numbers(bias?.source)).toEqual([0]);
});

test('separable kernels are never turned', () => {
  const layer = { className: 'SeparableConv2D', config: { data_format: 'channels_last' } };
  const [kernel] = canonicalWeights(
    layer,
    [weight([1, 2, 1, 1]), weight([1, 1, 1, 1])],
    theano,
  ).weights;
  expect(numbers(kernel?.source)).toEqual([0, 1]);
});

test.each([
  ['Keras 0', undefined, 'std'],
  ['Keras 1', '1.0.6', 'std'],
  ['Keras 1', '1.0.7', 'sqrt-variance'],
  ['Keras 1', '1.0.8', 'variance'],
  ['Keras 1', undefined, 'variance'],
  ['Keras 2', '2.0.0', 'variance'],
] as const)('running_std of %s %s is a %s', (generation, version, form) => {
  expect(runningForm({ generation, version, kernels: 'theano' })).toBe(form);
});

test('a standard deviation becomes (std + epsilon)² with an epsilon of 0', () => {
  const layer = { className: 'BatchNormalization', config: { epsilon: 0.5, axis: -1 } };
  const origin = { generation: 'Keras 0', version: undefined, kernels: 'theano' } as const;
  const four = Array.from({ length: 4 }, () => weight([3]));
  const { config, weights } = canonicalWeights(layer, four, origin);
  expect(config['epsilon']).toBe(0);
  expect(numbers(weights[3]?.source)).toEqual([0.25, 2.25, 6.25]);
});
