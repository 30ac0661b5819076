import { expect, test } from 'vitest';
import { inOrder } from '../../src/keras/topology.ts';
import { fault } from './expect-fault.ts';

type Call = readonly (readonly [layer: string, node?: number])[];

const input = { name: 'in', shape: [3], dtype: 'float32' } as const;

function layer(name: string, ...calls: readonly Call[]) {
  return {
    name,
    path: `/${name}`,
    calls: calls.map((call) => ({
      inputs: call.map(([from, node = 0]) => ({ layer: from, node, tensor: 0 })),
      kwargs: {},
    })),
  };
}

function order(layers: readonly ReturnType<typeof layer>[], output = layers[0]?.name ?? '') {
  const outputs = [{ layer: output, node: 0, tensor: 0 }];
  return inOrder(layers, { inputs: [input], outputs }, {}).map(({ name }) => name);
}

test('layers come after what they need', () => {
  expect(order([layer('c', [['b'], ['a']]), layer('b', [['a']]), layer('a', [['in']])])).toEqual([
    'a',
    'b',
    'c',
  ]);
});

test('a layer that is called on its own result is in order', () => {
  expect(order([layer('a', [['in']], [['a']])])).toEqual(['a']);
});

test.each([
  ['a circle', [layer('a', [['b']]), layer('b', [['a']])]],
  ['a circle of later calls', [layer('a', [['in']], [['b', 1]]), layer('b', [['in']], [['a', 1]])]],
  ['a layer that is not there', [layer('a', [['ghost']])]],
  ['a call that is not there', [layer('a', [['in']]), layer('b', [['a', 7]])]],
  ['two layers of one name', [layer('a', [['in']]), layer('a', [['in']])]],
  ['a layer called as the input is', [layer('in', [['in']])]],
])('%s is refused', (_, layers) => {
  expect(fault(() => order(layers))).toBe('KERAS_CONFIG_INVALID');
});

test('an output that is not there is refused', () => {
  expect(fault(() => order([layer('a', [['in']])], 'b'))).toBe('KERAS_CONFIG_INVALID');
});
