import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { preprocessOf } from '../../src/convert/card.ts';
import { convert, convertModel } from '../../src/convert/convert.ts';
import { readCard } from '../../src/onnx/card.ts';
import { readModel } from '../../src/onnx/read.ts';
import { temporaryFolder } from '../files.ts';
import { hasShared, shared } from '../shared.ts';
import { type MadeLayer, madeModel } from './made-model.ts';

const flat: MadeLayer = { name: 'flat', is: 'Flatten' };

function pictures(...layers: MadeLayer[]) {
  return convertModel(madeModel({ input: [2, 2, 3], layers: [...layers, flat] }));
}

describe('the preprocessing of a model that takes pictures', () => {
  it('is marked as assumed, with a warning, where nothing says it', () => {
    const { card, warnings, decisions } = pictures();
    expect(card.preprocess).toMatchObject({ mode: 'none', assumed: true });
    expect(warnings.join()).toContain('--preprocess tf');
    expect(decisions.at(-1)?.evidence).toContain('assumed');
  });

  it('is not assumed when it was asked for', () => {
    const model = madeModel({ input: [2, 2, 3], layers: [flat] });
    const { card, warnings } = convertModel(model, { preprocess: 'none' });
    expect([card.preprocess?.assumed, warnings]).toEqual([undefined, []]);
  });

  it('is in the model when its first layers rescale pixels', () => {
    const rescaling = { name: 'r', is: 'Rescaling', config: { scale: 1 / 255, offset: 0 } };
    const { card, warnings } = pictures(rescaling);
    expect(card.preprocess?.mode).toBe('none');
    expect(card.preprocess?.inGraph).toContain('rescaling');
    expect([card.preprocess?.assumed, warnings]).toEqual([undefined, []]);
  });

  it.each([
    { node_def: '{"name":"div","op":"RealDiv","input":["input_1","div/y"]}' },
    { node_def: { name: 'div', op: 'RealDiv' } },
  ])('is in the model when TensorFlow’s own nodes do arithmetic first: %j', (config) => {
    const division = { name: 'div', is: 'TensorFlowOpLayer', config };
    const made = madeModel({ input: [2, 2, 3], layers: [division, flat] });
    const input = { name: 'x', dtype: 'float32', shape: ['N', 2, 2, 3] } as const;
    const found = preprocessOf(made, input, { layout: 'nhwc', lambdas: {} });
    expect([found?.mode, found?.assumed]).toEqual(['none', undefined]);
  });

  it('is still open when its first layers only change the size', () => {
    const config = { height: 2, width: 2, interpolation: 'nearest' };
    const { card } = pictures({ name: 'resize', is: 'Resizing', config });
    expect(card.preprocess?.assumed).toBe(true);
  });
});

const mobilenet = shared('real/stm32ai-modelzoo-fork/mobilenet_v1_0.25_224.h5');
const teachable = shared('real/teachable-machine-waste/keras_model.h5');

describe.skipIf(!hasShared)(
  'whole models that others made (skipped where they are not here)',
  () => {
    it('a MobileNet of keras.applications gets its preprocessing and its classes', async () => {
      const output = join(temporaryFolder(), 'm.onnx');
      await convert(mobilenet, { output });
      const { preprocess, classes } = readCard(readModel(output));
      expect(preprocess).toMatchObject({ mode: 'tf', color: 'rgb' });
      expect(classes?.[281]).toBe('tabby');
    });

    it('a model of Teachable Machine gets the classes beside it', async () => {
      const output = join(temporaryFolder(), 'm.onnx');
      await convert(teachable, { output });
      const { preprocess, classes } = readCard(readModel(output));
      expect(preprocess?.mode).toBe('tf');
      expect(classes).toEqual(['cardboard', 'plastic', 'glass', 'metal']);
    });
  },
);

describe('labels beside a model', () => {
  it.each([
    ['labels.txt', '0 cat\n1 dog\n', ['cat', 'dog']],
    ['labels.txt', 'cat\ndog\n', undefined],
    [
      'metadata.json',
      '{"packageName":"@teachablemachine/image","labels":["cat","dog"]}',
      ['cat', 'dog'],
    ],
    ['metadata.json', '{"labels":["cat","dog"]}', undefined],
    ['metadata.json', 'nothing', undefined],
  ])('in %s, %s, are %s', (name, text, expected) => {
    const file = join(temporaryFolder(), 'keras_model.h5');
    writeFileSync(join(file, '..', name), text);
    const model = { ...madeModel({ input: [2], layers: [flat] }), file };
    expect(convertModel(model).card.classes).toEqual(expected);
  });
});
