import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { convert, convertModel } from '../../src/convert/convert.ts';
import { readCard } from '../../src/onnx/card.ts';
import { graphOnly } from '../../src/onnx/edit.ts';
import { readModel } from '../../src/onnx/read.ts';
import { madeModel } from './made-model.ts';

const digits = fileURLToPath(new URL('../../models/digits_vgg.h5', import.meta.url));

describe('convert', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'graft-convert-'));
    await copyFile(digits, join(folder, 'digits.h5'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('writes the model beside its source, with a card that says what it is', async () => {
    const input = join(folder, 'digits.h5');
    const classes = Array.from({ length: 8 }, (_, i) => String(i));
    const report = await convert(input, { kernels: 'theano', classes });
    expect(report).toMatchObject({
      input,
      output: join(folder, 'digits.onnx'),
      generation: 'Keras 1',
      kernels: 'theano',
    });
    const model = readModel(report.output);
    expect(report.bytes).toBe(model.bytes);
    const card = readCard(model);
    const sha256 = createHash('sha256')
      .update(await readFile(input))
      .digest('hex');
    expect(card.source).toMatchObject({ file: 'digits.h5', sha256, generation: 'Keras 1' });
    expect(card.classes).toEqual(classes);
    expect(card.layers).toHaveLength(report.layers);
    expect(model.nodes).toHaveLength(report.nodes);
    const kept = card.layers?.flatMap(({ parameters }) => parameters.map(({ name }) => name));
    expect(kept?.every((name) => model.initializers.has(name))).toBe(true);
  });

  it('keeps an existing file unless it is forced', async () => {
    const output = join(folder, 'there.onnx');
    await writeFile(output, 'mine');
    const input = join(folder, 'digits.h5');
    await expect(convert(input, { kernels: 'theano', output })).rejects.toMatchObject({
      code: 'OUTPUT_EXISTS',
    });
    expect(await readFile(output, 'utf8')).toBe('mine');
    await convert(input, { kernels: 'theano', output, force: true });
    expect(readModel(output).outputs).toHaveLength(1);
  });

  it('never takes the place of its own input', async () => {
    const input = join(folder, 'digits.h5');
    await symlink(input, join(folder, 'link.h5'));
    for (const output of [input, join(folder, 'link.h5')]) {
      await expect(convert(input, { output, force: true })).rejects.toMatchObject({
        code: 'OPTION_INVALID',
      });
    }
    expect(await readFile(input)).toEqual(await readFile(digits));
  });

  it('leaves nothing behind when it fails', async () => {
    const input = join(folder, 'digits.h5');
    await expect(convert(input, { kernels: 'theano', features: ['none'] })).rejects.toMatchObject({
      code: 'ONNX_VALUE_UNKNOWN',
    });
    await expect(convert(input, { kernels: 'theano', classes: ['one'] })).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
    expect(await readdir(folder)).toEqual(['digits.h5']);
  });

  it('says how to get the value of a layer that was merged with the next one', async () => {
    const input = join(folder, 'digits.h5');
    const { output } = await convert(input, { kernels: 'theano' });
    const merged = readCard(readModel(output)).layers?.find((layer) => layer.output === null);
    const name = merged?.name ?? '';
    expect(() => graphOnly(readModel(output), { outputs: [name] })).toThrow(`--features ${name}`);
    await convert(input, { kernels: 'theano', features: [name], force: true });
    expect(readModel(output).outputs.map((value) => value.name)).toContain(name);
  });

  it('refuses a preprocessing that the card could not be read with', async () => {
    const input = join(folder, 'digits.h5');
    // Plain JavaScript may give anything.
    for (const preprocess of [{ mode: 'tf' }, 'TF', null]) {
      const wrong: object = { kernels: 'theano', preprocess };
      await expect(convert(input, wrong)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    }
    expect(await readdir(folder)).toEqual(['digits.h5']);
  });

  it('asks for another file where it is given ONNX', async () => {
    await expect(convert(join(folder, 'model.onnx'))).rejects.toMatchObject({
      code: 'OPTION_INVALID',
    });
  });
});

describe('convertModel', () => {
  it('reports all layers that cannot be converted at once', () => {
    const layers = [
      { name: 'one', is: 'Sorcery' },
      { name: 'two', is: 'Dropout' },
      { name: 'three', is: 'Lambda', config: { function: 'mine' } },
    ];
    const convertIt = (): unknown => convertModel(madeModel({ input: [4], layers }));
    expect(convertIt).toThrow(/2 layers cannot be converted/);
    expect(convertIt).toThrow(/layer "one": The layer class "Sorcery"/);
    expect(convertIt).toThrow(
      /layer "three": A Lambda layer holds Python code \(the function "mine"\)/,
    );
  });

  it('compares every weight with what the layer must have', () => {
    const dense = { name: 'fc', is: 'Dense', config: { units: 2, use_bias: false } };
    const wrong = [
      {
        ...dense,
        weights: [
          [
            [3, 2],
            [1, 2, 3, 4, 5, 6],
          ],
        ] as const,
      },
    ];
    expect(() => convertModel(madeModel({ input: [4], layers: wrong }))).toThrow(
      /Weight "kernel" must have shape \[4, 2\], but the file holds param_0 \[3, 2\]/,
    );
    expect(() => convertModel(madeModel({ input: [4], layers: [dense] }))).toThrow(
      /must have 1 weights \(kernel \[4, 2\]\), but the file holds 0/,
    );
  });

  it('says how an image becomes the input', () => {
    const layers = [
      {
        name: 'pre',
        is: 'Lambda',
        config: { function: 'vgg_preprocess', data_format: 'channels_first' },
      },
      { name: 'pool', is: 'GlobalAveragePooling2D', config: { data_format: 'channels_first' } },
    ];
    const { card } = convertModel(madeModel({ input: [3, 8, 6], layers, generation: 'Keras 1' }));
    expect(card.preprocess).toEqual({
      size: [8, 6],
      resize: 'nearest',
      layout: 'nchw',
      color: 'rgb',
      mode: 'none',
      inGraph: 'mean subtraction, RGB→BGR',
    });
  });
});
