import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { KerasModel } from '../../src/keras/model.ts';
import { hasShared, shared } from '../shared.ts';
import { expectClose } from '../tolerance.ts';
import { openFault } from './expect-fault.ts';
import { decided, floats, manifestOf, open } from './opened.ts';

const generations = [
  'k0.3.3-theano-th',
  'k1.0.8-theano-th',
  'k1.2.2-py27-theano-th',
  'k1.2.2-theano-th',
  'k1.2.2-tf-th',
  'k1.2.2-tf-tf',
];
const cases = [
  'vgg_gist',
  'vgg_tiny',
  'vgg_tiny32',
  'vgg_tiny_bn',
  'vgg_tiny_finetuned',
  'vgg_split_conv',
  'vgg_split_fc',
  'vgg_functional',
  'vgg_tiny_theano_weights_converted',
  'vgg_tiny_theano_weights_unconverted',
];

describe.skipIf(!hasShared)(
  'every VGG of real Keras 0 and 1 (skipped without the collection)',
  () => {
    for (const generation of generations) {
      for (const name of cases) {
        const folder = shared(`fixtures/${generation}/${name}/`);
        if (existsSync(folder))
          test(`${generation}/${name}`, () => checkAllForms(folder, generation));
      }
    }
  },
);

/** Opens a case as a whole model, as weights and JSON, and as weights alone where a recipe fits: all must agree. */
async function checkAllForms(folder: string, generation: string): Promise<void> {
  const weights = `${folder}weights.h5`;
  const forms: KerasModel[] = [];
  if (existsSync(`${folder}model.h5`)) forms.push(await open(`${folder}model.h5`));
  if (existsSync(weights)) forms.push(await open(weights, { arch: `${folder}arch.json` }));
  if (existsSync(weights) && !folder.includes('split')) forms.push(await open(weights));
  expect(forms.length).toBeGreaterThan(0);
  const kernels = generation.includes('theano') ? 'theano' : 'tensorflow';
  const dataFormat = generation.endsWith('th') ? 'channels_first' : 'channels_last';
  for (const model of forms) {
    const saved = manifestOf(folder).layers.filter((name) => name !== 'InputLayer');
    const [first] = forms;
    expect(model.graph.layers.length).toBe(saved.length);
    expect(model.origin.kernels).toBe(kernels);
    checkShapes(model, dataFormat);
    expect(firstNumbers(model)).toEqual(firstNumbers(first));
  }
}

function firstNumbers(model: KerasModel | undefined): unknown {
  return model?.graph.layers.map((layer) => layer.weights.map(({ source }) => source.read(0, 1)));
}

function checkShapes(model: KerasModel, dataFormat: string): void {
  for (const { className, config, weights } of model.graph.layers) {
    const shapes = weights.map(({ source }) => source.shape);
    if (className === 'Conv2D') {
      expect(shapes[0]?.slice(0, 2)).toEqual([3, 3]);
      expect(shapes[0]?.[3]).toBe(config['filters']);
      expect(shapes[1]).toEqual([config['filters']]);
      expect(config['data_format']).toBe(dataFormat);
    } else if (className === 'Dense') {
      expect(shapes[0]?.[1]).toBe(config['units']);
    } else if (className === 'ZeroPadding2D' || className === 'Lambda') {
      expect(config['data_format']).toBe(dataFormat);
    } else if (className === 'BatchNormalization') {
      expect(shapes).toEqual([[16], [16], [16], [16]]);
      expect(config['epsilon']).toBe(1e-3);
    }
  }
}

describe.skipIf(!hasShared)('other files of the collection (skipped without it)', () => {
  test('Keras 0 standard deviations become variances: (std + 1e-6)²', async () => {
    const folder = shared('fixtures/k0.3.3-theano-th/bn_dense/');
    const model = await open(`${folder}weights.h5`, { arch: `${folder}arch.json` });
    const layer = model.graph.layers.find(({ className }) => className === 'BatchNormalization');
    expect(layer?.config['epsilon']).toBe(0);
    // By h5py: 0.6433139, 0.8600892.
    expectClose(floats(layer?.weights[3]?.source, 0, 2), [0.643315 ** 2, 0.86009 ** 2]);
    expect(decided(model, 'running_std')).toBe('standard deviation');
  });

  test('Keras 0 in tf ordering does not tell its kernels', async () => {
    const folder = shared('fixtures/k0.3.3-theano-th/conv2d_tf_ordering/');
    const arch = `${folder}arch.json`;
    const fault = await openFault(`${folder}weights.h5`, 'KERAS_KERNELS_UNKNOWN', { arch });
    expect(fault.hint).toContain('--kernels theano');
    const model = await open(`${folder}weights.h5`, { arch, kernels: 'theano' });
    expect(model.origin.kernels).toBe('theano');
  });

  test('positions with an architecture of Keras 1', async () => {
    const folder = shared('cases/b15-legacy-nb-layers/');
    const model = await open(`${folder}weights.h5`, { arch: `${folder}model.json` });
    expect(model.graph.layers.flatMap((layer) => layer.weights).length).toBe(6);
  });

  test('nested models are wired from node 0, and their layers have their weights', async () => {
    const folder = shared('fixtures/k1.2.2-theano-th/nested_functional/');
    const model = await open(`${folder}model.h5`);
    const inner = model.graph.layers.find((layer) => layer.model);
    expect(inner?.weights).toEqual([]);
    expect(inner?.model?.layers.some((layer) => layer.weights.length > 0)).toBe(true);
    const refs = model.graph.layers.flatMap((layer) => layer.calls.flatMap((call) => call.inputs));
    expect(refs.every((ref) => ref.node === 0)).toBe(true);
  });

  test.each([
    'k1.2.2-theano-th/shared_model',
    'k2.2.4-tf-cl/nested_functional',
    'tfkeras2.15/nested_functional',
  ])('%s: no reference leads nowhere', async (name) => {
    const folder = shared(`fixtures/${name}/`);
    const model = await open(`${folder}model.h5`);
    const calls = new Map(model.graph.layers.map((layer) => [layer.name, layer.calls.length]));
    for (const input of model.graph.inputs) calls.set(input.name, 1);
    const refs = model.graph.layers.flatMap((layer) => layer.calls.flatMap((call) => call.inputs));
    for (const ref of [...refs, ...model.graph.outputs]) {
      expect(ref.node).toBeLessThan(calls.get(ref.layer) ?? 0);
    }
  });
});
