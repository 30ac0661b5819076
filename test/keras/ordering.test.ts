import { expect, test } from 'vitest';
import { decideDataFormat } from '../../src/keras/ordering.ts';
import { fault } from './expect-fault.ts';

const keras1 = { generation: 'Keras 1', version: '1.2.2' } as const;

/** A Sequential whose one layer does not say where the channels are. */
function silent(shape: readonly (number | null)[], className = 'UpSampling2D') {
  const config = { name: 'up', batch_input_shape: [null, ...shape], size: [2, 2] };
  return { class_name: 'Sequential', config: [{ class_name: className, config }] };
}

test.each([
  ['three rows of channels first', [3, 224, 224], 'channels_first'],
  ['three channels last', [224, 224, 3], 'channels_last'],
  ['one channel, any size', [1, null, null], 'channels_first'],
])('%s are evidence', (_, shape, found) => {
  const { dataFormat, decisions } = decideDataFormat(silent(shape), keras1);
  expect(dataFormat).toBe(found);
  expect(decisions[0]).toMatchObject({ subject: 'ordering', overrule: '--ordering th|tf' });
  expect(decisions[0]?.evidence).toContain('channels');
});

test.each([
  ['neither end is a number of channels', [2, 6, 5]],
  ['both ends are', [3, 8, 3]],
  ['the other sides are as small', [2, 4, 3]],
])('without evidence, because %s, a person is asked', (_, shape) => {
  expect(fault(() => decideDataFormat(silent(shape), keras1))).toBe('KERAS_ORDERING_UNKNOWN');
});

test('what is asked comes first, and what speaks against it is named', () => {
  const { dataFormat, decisions } = decideDataFormat(silent([224, 224, 3]), {
    ...keras1,
    asked: 'th',
  });
  expect(dataFormat).toBe('channels_first');
  expect(decisions[0]?.evidence).toMatch(/as asked; against it: .*channels last/);
});

test('what other layers say goes before the shape of the input', () => {
  const convolution = { class_name: 'Convolution2D', config: { name: 'c', dim_ordering: 'tf' } };
  const model = silent([3, 224, 224]);
  const both = { ...model, config: [...model.config, convolution] };
  expect(decideDataFormat(both, keras1).dataFormat).toBe('channels_last');
});

test('up to Keras 1.0 there was one usual ordering', () => {
  const old = { generation: 'Keras 1', version: '1.0.8' } as const;
  expect(decideDataFormat(silent([2, 6, 5]), old).dataFormat).toBe('channels_first');
});

test('layers that do not work on images need none', () => {
  expect(decideDataFormat(silent([7], 'Dense'), keras1)).toEqual({
    dataFormat: 'channels_last',
    decisions: [],
  });
});
