import { expect, test } from 'vitest';
import { canonicalWeights } from '../../src/keras/forms.ts';
import type { KerasWeight } from '../../src/keras/model.ts';
import { floatSource } from '../../src/source.ts';

const keras1 = { generation: 'Keras 1', version: '1.2.2', kernels: 'tensorflow' } as const;
const keras2 = { generation: 'Keras 2', version: '2.2.4', kernels: 'tensorflow' } as const;

function weight(name: string, shape: readonly number[], first: number): KerasWeight {
  const size = shape.reduce((product, dim) => product * dim, 1);
  return {
    name,
    source: floatSource(
      shape,
      Float32Array.from({ length: size }, (_, i) => first + i),
    ),
  };
}

function numbersOf(weights: readonly KerasWeight[]): number[][] {
  return weights.map(({ source }) => {
    const bytes = Buffer.concat([...source.chunks()].map((chunk) => Buffer.from(chunk)));
    return [...new Float32Array(Uint8Array.from(bytes).buffer)];
  });
}

/** W (2, 1), U (1, 1) and b (1) for each gate: the gate's number in the tens. */
function byGate(gates: readonly string[]): KerasWeight[] {
  return gates.flatMap((gate, i) => [
    weight(`W_${gate}`, [2, 1], 10 * i),
    weight(`U_${gate}`, [1, 1], 10 * i + 5),
    weight(`b_${gate}`, [1], 10 * i + 7),
  ]);
}

test('LSTM of Keras 1: i, c, f, o become i, f, c, o side by side', () => {
  const layer = { className: 'LSTM', config: { consume_less: 'cpu' } };
  const { weights } = canonicalWeights(layer, byGate(['i', 'c', 'f', 'o']), keras1);
  expect(numbersOf(weights)).toEqual([
    [0, 20, 10, 30, 1, 21, 11, 31],
    [5, 25, 15, 35],
    [7, 27, 17, 37],
  ]);
  expect(weights.map(({ source }) => source.shape)).toEqual([[2, 4], [1, 4], [4]]);
});

test('GRU of Keras 1: z, r, h stay in their order', () => {
  const layer = { className: 'GRU', config: { consume_less: 'mem' } };
  const { weights } = canonicalWeights(layer, byGate(['z', 'r', 'h']), keras1);
  expect(numbersOf(weights)).toEqual([
    [0, 10, 20, 1, 11, 21],
    [5, 15, 25],
    [7, 17, 27],
  ]);
});

test('consume_less "gpu" has them side by side already', () => {
  const layer = { className: 'LSTM', config: { consume_less: 'gpu' } };
  const held = [weight('W', [2, 4], 0), weight('U', [1, 4], 0), weight('b', [4], 0)];
  expect(numbersOf(canonicalWeights(layer, held, keras1).weights)).toEqual(numbersOf(held));
});

test('CuDNNLSTM: blocks are read column by column, and its two biases are added', () => {
  const layer = { className: 'LSTM', savedClassName: 'CuDNNLSTM', config: {} };
  // One unit, two inputs: each gate's block is a column, whose two numbers stay where they are.
  const held = [
    weight('kernel', [2, 4], 0),
    weight('recurrent', [1, 4], 0),
    weight('bias', [8], 0),
  ];
  const { weights } = canonicalWeights(layer, held, keras2);
  expect(numbersOf(weights)).toEqual([
    [0, 1, 2, 3, 4, 5, 6, 7],
    [0, 1, 2, 3],
    [4, 6, 8, 10],
  ]);
});

test('CuDNNGRU of two units: each block of (inputs, units) is (units, inputs) turned', () => {
  const layer = { className: 'GRU', savedClassName: 'CuDNNGRU', config: {} };
  const held = [
    weight('kernel', [2, 6], 0),
    weight('recurrent', [2, 6], 0),
    weight('bias', [12], 0),
  ];
  const { weights, config } = canonicalWeights(layer, held, keras2);
  // The first gate's block is [[0, 1], [6, 7]]: as (units, inputs) row by row, and that turned.
  expect(numbersOf(weights)[0]).toEqual([0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]);
  expect(numbersOf(weights)[1]).toEqual([0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11]);
  expect(weights[2]?.source.shape).toEqual([2, 6]);
  expect(config['reset_after']).toBe(true);
});

test('ConvLSTM2D of Keras 1 in th ordering on Theano: gates are brought to Keras 3 one by one, and turned', () => {
  const config = { consume_less: 'cpu', data_format: 'channels_first' };
  const layer = { className: 'ConvLSTM2D', config };
  const held = ['i', 'c', 'f', 'o'].flatMap((gate, i) => [
    weight(`W_${gate}`, [1, 1, 1, 2], 10 * i),
    weight(`U_${gate}`, [1, 1, 1, 2], 10 * i + 4),
    weight(`b_${gate}`, [1], 10 * i + 8),
  ]);
  const { weights } = canonicalWeights(layer, held, { ...keras1, kernels: 'theano' });
  expect(weights.map(({ source }) => source.shape)).toEqual([[1, 2, 1, 4], [1, 2, 1, 4], [4]]);
  expect(numbersOf(weights)).toEqual([
    [1, 21, 11, 31, 0, 20, 10, 30],
    [5, 25, 15, 35, 4, 24, 14, 34],
    [8, 28, 18, 38],
  ]);
});
