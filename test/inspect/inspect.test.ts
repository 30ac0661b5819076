import { copyFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convert } from '../../src/convert/convert.ts';
import { memoryText, summaryText } from '../../src/inspect/format.ts';
import { type InspectOptions, inspect } from '../../src/inspect/inspect.ts';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { floatSource } from '../../src/source.ts';
import { temporaryFolder } from '../files.ts';
import { hasShared, shared } from '../shared.ts';

const digits = shared('fixtures/digits_vgg/digits_vgg.h5');
const theano = (name: string) => shared(`fixtures/k1.2.2-theano-th/${name}/model.h5`);

describe.skipIf(!hasShared)('a Keras file (needs the files of real Keras)', () => {
  // 78,168 parameters: what Keras itself counted when it was trained
  it('is described from its weights alone', async () => {
    const found = await inspect(digits);
    expect(found).toMatchObject({ format: 'Keras', isSequential: true, unsupported: undefined });
    expect(found.totals).toMatchObject({
      parameters: 78_168,
      trainable: 78_168,
      weightBytes: 312_672,
    });
    expect(found.decisions.map(({ subject }) => subject)).toContain('architecture');
    expect(found.training).toBeUndefined();
  });

  it('has the same layers, shapes and memory once it is converted', async () => {
    const output = join(temporaryFolder(), 'digits.onnx');
    await convert(digits, { output });
    const options: InspectOptions = { batch: 16, trainable: 'dense', optimizer: 'rmsprop' };
    const [before, after] = [await inspect(digits, options), await inspect(output, options)];
    expect(after.format).toBe('ONNX');
    expect(after.onnx?.opset).toBe(17);
    expect(after.lines).toEqual(before.lines);
    expect(after.totals).toEqual(before.totals);
    expect(after.training).toEqual(before.training);
    expect(after.card.source?.file).toBe('digits_vgg.h5');
  });

  it('has as many parameters once it is converted, where ONNX wants zeros beside those of an LSTM', async () => {
    const keras = shared('real/mario-level-generator/model.keras');
    const output = join(temporaryFolder(), 'mario.onnx');
    await convert(keras, { output });
    const [before, after] = [await inspect(keras), await inspect(output)];
    expect(after.lines.map(({ class: kind }) => kind)).toContain('LSTM');
    expect(after.totals.parameters).toBe(before.totals.parameters);
    expect(after.totals.trainable).toBe(before.totals.trainable);
  });

  it('is shown with its connections where it branches', async () => {
    const text = summaryText(await inspect(theano('inception_block')));
    expect(text).toMatch(/^Layer \(type\) +Output shape +Param # +Connected to\n-+\n/);
    expect(text).toMatch(
      /merge_2 \(Concatenate\) .* convolution2d_7, convolution2d_8, convolution2d_9\n/,
    );
    expect(text).toContain('Total params: 244 (976 B)');
  });

  it('is shown with the layers of the models in it', async () => {
    const { lines } = await inspect(theano('nested_functional'));
    expect(lines.map(({ name }) => name)).toEqual([
      'input_28',
      'model_12/dense_46',
      'model_12',
      'dense_47',
    ]);
  });

  // Dense 3 → 4 → … of the case: 16 and 34 parameters in all, one class that nobody knows
  it('is described without shapes where a layer is not supported', async () => {
    const found = await inspect(shared('cases/a25-custom-layer-refused/model.h5'));
    expect(found.unsupported).toContain('ScaledTanh');
    expect(found.totals.parameters).toBe(34);
    expect(summaryText(found)).toMatch(/d2 \(Dense\) +\? +10\n/);
    expect(memoryText(found)).toContain('Not counted: 3 outputs');
  });

  it('is known by its content, whatever its name', async () => {
    const path = join(temporaryFolder(), 'model.onnx');
    await copyFile(digits, path);
    expect((await inspect(path)).format).toBe('Keras');
  });

  it.each<[InspectOptions]>([
    [{ batch: 0 }],
    [{ batch: 1.5 }],
    [{ trainable: ['dense_9'] }],
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a command line passes any text
    [{ optimizer: 'lion' as 'adam' }],
  ])('refuses %o', async (options) => {
    await expect(inspect(digits, options)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('is shown with the estimates in words', async () => {
    const text = memoryText(await inspect(digits, { batch: 16, trainable: 'head' }));
    // Two outputs of 8 × 32 × 32 live at once at the second convolution
    expect(text).toContain('at "convolution2d_2": 16,384 × 4 B × batch 16');
    // The last Dense: 64 × 8 + 8
    expect(text).toContain('gradients 2.0 KiB (520 × 4 B)');
    expect(text).toMatch(/^Total +41,000 +78,168$/m);
  });
});

async function written(): Promise<string> {
  const graph = new GraphBuilder();
  const x = graph.input('x', 'float32', ['N', 3]);
  const w = graph.initializer('w', floatSource([3, 2], [1, 2, 3, 4, 5, 6]));
  graph.output(graph.add('Relu', [graph.add('MatMul', [x, w])]));
  const path = join(temporaryFolder(), 'model');
  await writeFile(path, encodeModel(graph, { name: 'made' }));
  return path;
}

describe('an ONNX file of another maker', () => {
  it('is described by its nodes', async () => {
    const found = await inspect(await written(), { trainable: 'all', optimizer: 'sgd' });
    expect(found).toMatchObject({ format: 'ONNX', card: {}, isSequential: true });
    expect(found.lines.map((line) => [line.class, line.parameters, line.inputs])).toEqual([
      ['InputLayer', 0, []],
      ['MatMul', 6, [0]],
      ['Relu', 0, [1]],
    ]);
    expect(found.totals).toMatchObject({ parameters: 6, weightBytes: 24 });
    expect(found.training?.parts).toMatchObject({ weights: 24, gradients: 24, state: 0 });
  });
});

describe('what is not a model', () => {
  it.each([
    ['missing.h5', 'FILE_MISSING'],
    ['missing.onnx', 'FILE_MISSING'],
    ['text.h5', 'FILE_UNRECOGNISED'],
    ['empty.h5', 'FILE_TRUNCATED'],
    ['folder', 'FILE_UNRECOGNISED'],
  ])('is refused: %s', async (name, code) => {
    const folder = temporaryFolder();
    await writeFile(join(folder, 'text.h5'), 'not a model');
    await writeFile(join(folder, 'empty.h5'), '');
    await symlink(folder, join(folder, 'folder'));
    await expect(inspect(join(folder, name))).rejects.toMatchObject({ code });
  });
});
