import { expect, test } from 'vitest';
import { parseYaml } from '../../src/keras/yaml.ts';

test('tags of Python are looked past', async () => {
  const text = `class_name: Sequential
config:
- class_name: Dense
  config: {batch_input_shape: !!python/tuple [null, 3], name: !!python/unicode 'd', lr: 1.0e-05}
shared: &id001 [1, 2]
again: *id001
`;
  expect(await parseYaml(text, {})).toEqual({
    class_name: 'Sequential',
    config: [
      { class_name: 'Dense', config: { batch_input_shape: [null, 3], name: 'd', lr: 1e-5 } },
    ],
    shared: [1, 2],
    again: [1, 2],
  });
});

test('nothing is executed', async () => {
  const text = 'config: !!python/object/apply:os.system ["touch owned"]';
  expect(await parseYaml(text, {})).toEqual({ config: ['touch owned'] });
});

const laughs = Array.from({ length: 12 }, (_, i) => {
  const before = i === 0 ? 'x' : `*a${i - 1}`;
  return `a${i}: &a${i} [${Array.from({ length: 12 }, () => before).join(', ')}]`;
}).join('\n');

test.each([
  ['no YAML', 'a: [1,'],
  ['a list', '- a\n- b'],
  ['a billion laughs', laughs],
  ['a list in itself', 'a: &a [*a]'],
])('%s is refused', async (_, text) => {
  await expect(parseYaml(text, {})).rejects.toMatchObject({ code: 'KERAS_CONFIG_INVALID' });
});
