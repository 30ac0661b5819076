import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { KerasModel } from '../../src/keras/model.ts';
import { expectClose } from '../tolerance.ts';
import { openFault } from './expect-fault.ts';
import { decided, floats, layerNamed, manifestOf, open, savedClasses } from './opened.ts';
import { writeLayers, writeNames, written } from './written.ts';

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
const models = fileURLToPath(new URL('../../models/', import.meta.url));
const tiny = `${fixtures}k1.2.2-theano-th/vgg_tiny/`;
const gist = `${fixtures}k0.3.3-theano-th/vgg_gist/`;

test('an architecture that cannot be read is named', async () => {
  const arch = fileURLToPath(new URL('.', import.meta.url));
  const fault = await openFault(`${models}digits_vgg.h5`, 'FILE_UNREADABLE', { arch });
  expect(fault.where.file).toBe(arch);
});

describe('weights of Keras 1 with their architecture', () => {
  test('gives the layers of the manifest, in today’s words', async () => {
    const model = await open(`${tiny}weights.h5`, { arch: `${tiny}arch.json` });
    expect(savedClasses(model)).toEqual(manifestOf(tiny).layers);
    expect(model.origin).toEqual({ generation: 'Keras 1', version: '1.2.2', kernels: 'theano' });
    expect(model.graph.inputs).toEqual([
      { name: 'lambda_input_1', shape: [3, 64, 64], dtype: 'float32' },
    ]);
    expect(layerNamed(model, 'convolution2d_3').config).toMatchObject({
      filters: 6,
      kernel_size: [3, 3],
      strides: [1, 1],
      padding: 'valid',
      data_format: 'channels_first',
      activation: 'relu',
      use_bias: true,
    });
    expect(layerNamed(model, 'zeropadding2d_1').config).toMatchObject({
      padding: [
        [1, 1],
        [1, 1],
      ],
      data_format: 'channels_first',
    });
    expect(layerNamed(model, 'dropout_1').config).toMatchObject({ rate: 0.5 });
  });

  test('turns Theano’s kernels and moves their axes', async () => {
    const model = await open(`${tiny}weights.h5`, { arch: `${tiny}arch.json` });
    const kernel = layerNamed(model, 'convolution2d_1').weights[0];
    expect(kernel?.source.shape).toEqual([3, 3, 3, 4]);
    // By h5py: W.transpose(2, 3, 1, 0)[::-1, ::-1].
    expectClose(floats(kernel?.source, 0, 4), [0.3024418, 0.62217885, 0.13336629, -0.5295928]);
    expectClose(floats(kernel?.source, 106, 2), [0.04927587, 0.19178532]);
    const dense = layerNamed(model, 'dense_1').weights[0];
    expectClose(floats(dense?.source, 0, 3), [0.26423404, 0.23426959, -0.48603135]);
  });

  test('leaves kernels as they are when told that they are TensorFlow’s', async () => {
    const model = await open(`${tiny}weights.h5`, { kernels: 'tensorflow' });
    const kernel = layerNamed(model, 'convolution2d_1').weights[0];
    // The first number turned is the last in its plane of 3×3 unturned: rows and columns 2, 2.
    expectClose(floats(kernel?.source, (2 * 3 + 2) * 12, 2), [0.3024418, 0.62217885]);
    const decision = model.decisions.find(({ subject }) => subject === 'kernels');
    expect(decision?.evidence).toContain('against it: names of weights do not end in ":0"');
  });

  test('names the function of the Lambda without running it', async () => {
    const model = await open(`${tiny}weights.h5`, { arch: `${tiny}arch.json` });
    expect(layerNamed(model, 'lambda_1').config).toEqual({
      function: 'vgg_preprocess',
      data_format: 'channels_first',
    });
    expect(decided(model, 'lambda lambda_1')).toBe('vgg_preprocess');
  });
});

describe('weights of Keras 0', () => {
  test('come by position, layer_10 after layer_9', async () => {
    const model = await open(`${gist}weights.h5`, { arch: `${gist}arch.json` });
    expect(savedClasses(model)).toEqual(manifestOf(gist).layers);
    expect(model.graph.inputs[0]).toEqual({
      name: 'zeropadding2d_1_input',
      shape: [3, 64, 64],
      dtype: 'float32',
    });
    const fifth = layerNamed(model, 'convolution2d_5');
    expect(fifth.weights.map((weight) => weight.source.shape)).toEqual([[3, 3, 6, 8], [8]]);
    // By h5py, of layer_11.
    expectClose(floats(fifth.weights[0]?.source, 0, 3), [0.03502804, 0.46115977, -0.19558947]);
    expect(decided(model, 'kernels')).toBe('theano');
  });

  test('fit the recipe of 2015, which takes BGR with the mean subtracted', async () => {
    const model = await open(`${gist}weights.h5`);
    expect(model.recipe).toMatchObject({ name: 'vgg16-gist', preprocess: 'caffe' });
    expect(decided(model, 'input size')).toBe('64x64');
    expect(model.graph.layers.map((layer) => layer.name).slice(0, 3)).toEqual([
      'pad1_1',
      'conv1_1',
      'pad1_2',
    ]);
    expect(layerNamed(model, 'conv3_1').weights[0]?.source.shape).toEqual([3, 3, 6, 8]);
  });
});

describe('weights of the course’s VGG16 alone', () => {
  test('fit its recipe at other widths, under the file’s own names', async () => {
    const model = await open(`${models}digits_vgg.h5`);
    expect(model.recipe).toMatchObject({ name: 'fastai-vgg16', resize: 'nearest' });
    expect(model.recipe?.labels).toBeUndefined();
    expect(model.origin).toEqual({ generation: 'Keras 1', version: undefined, kernels: 'theano' });
    expect(model.graph.inputs).toEqual([
      { name: 'lambda_input_1', shape: [3, 32, 32], dtype: 'float32' },
    ]);
    expect(model.graph.outputs).toEqual([{ layer: 'dense_3', node: 0, tensor: 0 }]);
    expect(layerNamed(model, 'dense_1').weights[0]?.source.shape).toEqual([32, 64]);
    expect(model.decisions.map(({ subject }) => subject)).toEqual([
      'generation',
      'architecture',
      'input size',
      'kernels',
      'lambda lambda_1',
    ]);
  });

  test('give the same layers as with the architecture beside them', async () => {
    const alone = await open(`${models}digits_vgg.h5`);
    const told = await open(`${models}digits_vgg.h5`, {
      arch: `${fixtures}digits_vgg/digits_vgg.json`,
    });
    expect(facts(alone)).toEqual(facts(told));
  });

  test('are recognised by the name of the recipe too, and refused by another', async () => {
    const model = await open(`${models}digits_vgg.h5`, { arch: 'fastai-vgg16' });
    expect(model.recipe?.name).toBe('fastai-vgg16');
    const fault = await openFault(`${models}digits_vgg.h5`, 'KERAS_ARCHITECTURE_UNKNOWN', {
      arch: 'fastai-vgg16-bn',
    });
    expect(fault.message).toContain('it has 40 layers, the file 38');
  });
});

describe('an architecture that cannot be', () => {
  test('is missing', async () => {
    const fault = await openFault(`${models}digits_vgg.h5`, 'FILE_MISSING', {
      arch: 'nowhere.json',
    });
    expect(fault.hint).toMatch(/fastai-vgg16, fastai-vgg16-bn, .*vgg16-gist/);
  });

  test('is not JSON', async () => {
    await openFault(`${models}digits_vgg.h5`, 'KERAS_CONFIG_INVALID', {
      arch: `${models}digits_vgg.h5`,
    });
  });

  test('is JSON of something else', async () => {
    await openFault(`${models}digits_vgg.h5`, 'KERAS_CONFIG_INVALID', {
      arch: `${fixtures}digits_vgg/digits_vgg.meta.json`,
    });
  });
});

/** What two readings of one file must agree on. */
function facts(model: KerasModel): unknown {
  return model.graph.layers.map(({ name, className, calls, weights }) => [
    name,
    className,
    calls,
    weights.map(({ source }) => source.shape),
  ]);
}

const dense = {
  class_name: 'Dense',
  config: { name: 'd', units: 2, batch_input_shape: [null, 3], activation: 'linear' },
};

describe('Keras 2', () => {
  test('reads long lists of names in parts, and the backend from the file', async () => {
    const config = JSON.stringify({
      class_name: 'Sequential',
      config: { name: 's', layers: [dense] },
    });
    const path = await written('model.h5', (file) => {
      file.create_attribute('model_config', config);
      file.create_attribute('keras_version', '2.2.4');
      const group = file.create_group('model_weights');
      group.create_attribute('backend', 'theano');
      group.create_attribute('keras_version', '2.2.4');
      writeNames(group, 'layer_names0', ['d']);
      writeNames(group, 'layer_names1', []);
      const layer = group.create_group('d');
      writeNames(layer, 'weight_names0', ['d/kernel']);
      writeNames(layer, 'weight_names1', ['d/bias']);
      const inner = layer.create_group('d');
      inner.create_dataset({ name: 'kernel', data: new Float32Array(6), shape: [3, 2] });
      inner.create_dataset({ name: 'bias', data: new Float32Array(2), shape: [2] });
    });
    const model = await open(path);
    expect(model.origin).toEqual({ generation: 'Keras 2', version: '2.2.4', kernels: 'theano' });
    expect(model.graph.inputs[0]?.name).toBe('d_input');
    expect(layerNamed(model, 'd').weights.map(({ name }) => name)).toEqual(['d/kernel', 'd/bias']);
  });
});

test('refuses a model of Python code of its own', async () => {
  const path = await written('model.h5', (file) => {
    const config = JSON.stringify({ class_name: 'MyModel', config: {} });
    writeLayers(file, [], { model_config: config });
  });
  const fault = await openFault(path, 'KERAS_LAYER_UNSUPPORTED');
  expect(fault.message).toContain('"MyModel"');
});
