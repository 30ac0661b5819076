import { expect, test } from 'vitest';
import { InputPlace } from '../../src/keras/model.ts';
import { callsOf, outputRefs } from '../../src/keras/wiring.ts';
import { fault } from './expect-fault.ts';

const x = { layer: 'x', node: 0, tensor: 0 };
const h = { layer: 'h', node: 2, tensor: 1 };

function tensor(history: readonly unknown[]): unknown {
  return { class_name: '__keras_tensor__', config: { shape: [null, 3], keras_history: history } };
}

test.each([
  ['Keras 1', [[['x', 0, 0]]], [x], [new InputPlace(0)], {}],
  ['Keras 2', [[['x', 0, 0, {}]]], [x], [new InputPlace(0)], {}],
  [
    'a list of inputs',
    [
      [
        ['x', 0, 0],
        ['h', 2, 1],
      ],
    ],
    [x, h],
    [[new InputPlace(0), new InputPlace(1)]],
    {},
  ],
  ['one level less (tf.keras)', [['x', 0, 0, {}]], [x], [new InputPlace(0)], {}],
  [
    'a tensor among the keywords',
    [[['x', 0, 0, { initial_state: [['h', 2, 1]], training: false }]]],
    [x, h],
    [new InputPlace(0)],
    { initial_state: [new InputPlace(1)], training: false },
  ],
  [
    'a constant in the first place',
    [['_CONSTANT_VALUE', -1, 2, { y: ['x', 0, 0] }]],
    [x],
    [2],
    { y: new InputPlace(0) },
  ],
  [
    'a dictionary of inputs, counted by sorted keys',
    [{ b: ['x', 0, 0, {}], a: ['h', 2, 1, {}] }],
    [h, x],
    [{ a: new InputPlace(0), b: new InputPlace(1) }],
    {},
  ],
  [
    'Keras 3',
    [{ args: [tensor(['x', 0, 0]), 2], kwargs: { value: tensor(['h', 2, 1]) } }],
    [x, h],
    [new InputPlace(0), 2],
    { value: new InputPlace(1) },
  ],
  // oxlint-disable-next-line eslint/max-params -- one for each column of the table
])('%s', (_, nodes, inputs, args, kwargs) => {
  expect(callsOf(nodes, {})).toEqual([{ inputs, args, kwargs }]);
});

test.each([
  ['nothing', undefined],
  ['a number', 3],
  ['a layer without its call', [[['x']]]],
  ['a negative call', [[['x', -1, 0]]]],
  ['a call in halves', [[['x', 0.5, 0]]]],
  ['a tensor without a history', [{ args: [tensor([])], kwargs: {} }]],
  ['arguments that are no list', [{ args: 3, kwargs: {} }]],
])('wiring that is %s is refused', (_, nodes) => {
  expect(fault(() => callsOf(nodes, {}))).toBe('KERAS_CONFIG_INVALID');
});

test('a call whose tensors tf.keras did not save is refused, with what is known and what to do', () => {
  // As tf.keras 2.15 writes tf.einsum('bij,bjk->bik', a, b), whose model it cannot load itself.
  const nodes = [['_CONSTANT_VALUE', -1, 'bij,bjk->bik', {}]];
  expect(fault(() => callsOf(nodes, {}))).toBe('KERAS_LAYER_UNSUPPORTED');
  expect(() => callsOf(nodes, {})).toThrow(/"bij,bjk->bik".*does not say with which tensors/);
  expect(() => callsOf(nodes, {})).toThrow(/EinsumDense or tf\.matmul/);
});

test('outputs are one tensor, a list, or a dictionary', () => {
  expect(outputRefs(['x', 0, 0], {})).toEqual([x]);
  expect(
    outputRefs(
      [
        ['x', 0, 0],
        ['h', 2, 1],
      ],
      {},
    ),
  ).toEqual([x, h]);
  expect(outputRefs({ z: ['x', 0, 0], a: [['h', 2, 1]] }, {})).toEqual([h, x]);
});
