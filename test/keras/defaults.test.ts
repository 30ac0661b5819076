import { describe, expect, test } from 'vitest';
import { modernConfig } from '../../src/keras/defaults.ts';
import { type Dialect, modernClass } from '../../src/keras/legacy.ts';

const keras1: Dialect = { generation: 'Keras 1', version: '1.2.2', dataFormat: 'channels_first' };

describe('keys of Keras 1', () => {
  test.each([
    ['Convolution2D', 'Conv2D'],
    ['AtrousConvolution2D', 'Conv2D'],
    ['TimeDistributedDense', 'Dense'],
    ['Flatten', 'Flatten'],
  ])('%s is %s', (saved, modern) => {
    expect(modernClass(saved, {})).toBe(modern);
  });

  test('Merge is what its mode says', () => {
    expect(modernClass('Merge', { mode: 'concat' })).toBe('Concatenate');
    expect(modernClass('Merge', { mode: 'cos' })).toBe('Merge');
  });

  test('a dilated convolution', () => {
    const config = {
      nb_filter: 2,
      nb_row: 3,
      nb_col: 5,
      subsample: [1, 1],
      border_mode: 'same',
      atrous_rate: [2, 2],
      dim_ordering: 'tf',
      bias: false,
    };
    expect(modernConfig('Conv2D', config, keras1)).toEqual({
      filters: 2,
      kernel_size: [3, 5],
      strides: [1, 1],
      padding: 'same',
      dilation_rate: [2, 2],
      data_format: 'channels_last',
      use_bias: false,
      activation: 'linear',
    });
  });

  test('pooling strides are the pool’s size where none are given', () => {
    expect(
      modernConfig('MaxPooling2D', { pool_size: [3, 2], strides: null }, keras1),
    ).toMatchObject({ strides: [3, 2] });
  });

  test.each([
    [
      [1, 2],
      [
        [1, 1],
        [2, 2],
      ],
    ],
    [
      [1, 2, 3, 4],
      [
        [1, 2],
        [3, 4],
      ],
    ],
    [
      { top_pad: 1, right_pad: 2 },
      [
        [1, 0],
        [0, 2],
      ],
    ],
  ])('zero padding %j', (padding, pairs) => {
    expect(modernConfig('ZeroPadding2D', { padding }, keras1)['padding']).toEqual(pairs);
  });

  test('1-D layers have their channels last', () => {
    expect(modernConfig('MaxPooling1D', { pool_length: 2, stride: 2 }, keras1)).toMatchObject({
      pool_size: [2],
      strides: [2],
      data_format: 'channels_last',
    });
  });

  test('Dense and Embedding mean different things by output_dim', () => {
    expect(modernConfig('Dense', { output_dim: 4 }, keras1)).toMatchObject({ units: 4 });
    expect(modernConfig('Embedding', { output_dim: 4 }, keras1)).toMatchObject({ output_dim: 4 });
  });
});

test.each([
  ['Keras 0', undefined, 1e-6],
  ['Keras 1', '1.0.7', 1e-6],
  ['Keras 1', '1.0.8', 1e-5],
  ['Keras 1', '1.1.2', 1e-5],
  ['Keras 1', '1.2.0', 1e-3],
  ['Keras 2', '2.2.4', 1e-3],
] as const)(
  'BatchNormalization of %s %s has epsilon %d by default',
  (generation, version, epsilon) => {
    const dialect = { generation, version, dataFormat: 'channels_last' } as const;
    expect(modernConfig('BatchNormalization', {}, dialect)['epsilon']).toBe(epsilon);
  },
);

describe('keys of Keras 2', () => {
  const keras2: Dialect = {
    generation: 'tf.keras',
    version: '2.15.0',
    dataFormat: 'channels_last',
  };

  test('a list of one axis is the axis', () => {
    expect(modernConfig('BatchNormalization', { axis: [3] }, keras2)['axis']).toBe(3);
  });

  test('alpha of LeakyReLU is negative_slope', () => {
    expect(modernConfig('LeakyReLU', { alpha: 0.1 }, keras2)).toEqual({ negative_slope: 0.1 });
  });
});
