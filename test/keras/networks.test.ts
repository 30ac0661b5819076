import { expect, test } from 'vitest';
import { recognise } from '../../src/keras/architectures.ts';
import { draftOf } from '../../src/keras/graph.ts';
import { type NetworkRecipe, readRecipes } from '../../src/keras/recipes.ts';
import type { Stored, StoredLayer } from '../../src/keras/stored.ts';
import { sourceOf } from '../../src/source.ts';
import { sizeOf } from '../../src/tensor.ts';
import { fault } from './expect-fault.ts';

/**
 * `model.count_params()` of real Keras, with and without top, as scripts/make-recipes.py prints it. Keras 2.2.4 with
 * keras-applications 1.0.8; resnet50-v2-names and efficientnet-b0 Keras 3.15.1. `summary()` shows the same.
 */
const counts = [
  ['vgg16', 138_357_544, 14_714_688],
  ['vgg19', 143_667_240, 20_024_384],
  ['resnet50', 25_636_712, 23_587_712],
  ['inception-v3', 23_851_784, 21_802_784],
  ['xception', 22_910_480, 20_861_480],
  ['mobilenet', 4_253_864, 3_228_864],
  ['resnet50-v2-names', 25_636_712, 23_587_712],
  ['efficientnet-b0', 5_330_571, 4_049_571],
  ['mobilenet-v2', 3_538_984, 2_257_984],
  ['densenet121', 8_062_504, 7_037_504],
] as const;

function recipeNamed(name: string): NetworkRecipe {
  const found = readRecipes().find((recipe) => recipe.name === name);
  if (!found || !('top' in found)) throw new Error(`no network ${name}`);
  return found;
}

interface Variant {
  readonly hasTop: boolean;
  readonly ordering?: 'th' | 'tf';
  readonly rename?: (name: string) => string;
}

const counted = (name: string): string => (/_\d+$/.test(name) ? `${name}00` : name);
const underscored = (name: string): string => name.replaceAll('/', '_');

/** A file as Keras 1 saved it: every layer, and the shapes of the weights in either ordering. */
function fileOf(recipe: NetworkRecipe, { hasTop, ordering = 'tf', rename }: Variant): Stored {
  const top = new Set(hasTop ? [] : recipe.top);
  const layers: StoredLayer[] = recipe.layers
    .filter(({ name }) => !top.has(name))
    .map((layer) => ({
      name: rename?.(layer.name) ?? layer.name,
      weights: (layer.weights ?? []).map((shape, k) => {
        const sizes = shape.map((dim) => (dim === '$classes' ? 1000 : dim));
        const [rows = 1, columns = 1, stack = 1, filters = 1] = sizes;
        const isKernel = ordering === 'th' && layer.class === 'Conv2D' && sizes.length === 4;
        return {
          name: `${layer.name}_${k}`,
          source: zeros(isKernel ? [filters, stack, rows, columns] : sizes),
        };
      }),
    }));
  return {
    layout: 'names',
    generation: 'Keras 1',
    version: undefined,
    evidence: '',
    backend: undefined,
    architecture: undefined,
    layers: [{ name: 'input_1', weights: [] }, ...layers],
  };
}

function zeros(shape: readonly number[]) {
  return sourceOf('float32', shape, (_, count) => new Uint8Array(4 * count));
}

test.each(counts)('%s has %d parameters, and %d without its top', (name, whole, bare) => {
  const sizes = (hasTop: boolean): number =>
    fileOf(recipeNamed(name), { hasTop })
      .layers.flatMap((layer) => layer.weights)
      .reduce((sum, { source }) => sum + sizeOf(source.shape), 0);
  expect([sizes(true), sizes(false)]).toEqual([whole, bare]);
});

const variants = counts.flatMap(([name]) => [
  [name, { hasTop: true }] as const,
  [name, { hasTop: false }] as const,
]);

test.each(variants)('%s is found among all recipes (%o)', (name, variant) => {
  const recipe = recipeNamed(name);
  const found = recognise(fileOf(recipe, variant), readRecipes(), 'weights.h5');
  expect(found.recipe).toMatchObject({
    name,
    preprocess: recipe.preprocess,
    labels: variant.hasTop ? 'imagenet' : undefined,
  });
  expect(found.dataFormat).toBe('channels_last');
  const { dataFormat } = found;
  const dialect = { generation: 'Keras 1', version: undefined, dataFormat } as const;
  const graph = draftOf(found.architecture, dialect, {});
  const last = recipe.layers.filter(({ name: one }) => variant.hasTop || !recipe.top.includes(one));
  expect(graph.layers.length).toBe(last.length);
  expect(graph.outputs).toEqual([{ layer: last.at(-1)?.name, node: 0, tensor: 0 }]);
});

test.each(['vgg16', 'vgg19', 'resnet50', 'inception-v3'])(
  '%s in th ordering takes images with the channels first',
  (name) => {
    const stored = fileOf(recipeNamed(name), { hasTop: true, ordering: 'th' });
    const found = recognise(stored, readRecipes(), 'weights.h5');
    expect(found).toMatchObject({ dataFormat: 'channels_first', recipe: { name } });
    const shape = JSON.stringify(found.architecture).match(/"batch_input_shape":\[null,(\d+)/)?.[1];
    expect(shape).toBe('3');
  },
);

test('layers that Keras numbered are found by their order, and keep the names of the file', () => {
  const stored = fileOf(recipeNamed('inception-v3'), { hasTop: true, rename: counted });
  const found = recognise(stored, readRecipes(), 'weights.h5');
  expect(found.recipe.name).toBe('inception-v3');
  expect(found.decisions[0]?.evidence).toContain('order and shapes');
  expect(JSON.stringify(found.architecture)).toContain('"conv2d_100"');
});

test('names with slashes have underscores in Keras 3', () => {
  const stored = fileOf(recipeNamed('densenet121'), { hasTop: true, rename: underscored });
  expect(recognise(stored, readRecipes(), 'weights.h5').recipe.name).toBe('densenet121');
});

test('one wrong shape is named', () => {
  const stored = fileOf(recipeNamed('mobilenet'), { hasTop: true });
  const layers = stored.layers.map((layer) =>
    layer.name === 'conv1'
      ? { ...layer, weights: [{ name: 'w', source: zeros([3, 3, 3, 8]) }] }
      : layer,
  );
  const wrong = { ...stored, layers };
  const work = (): unknown => recognise(wrong, readRecipes(), 'weights.h5');
  expect(fault(work)).toBe('KERAS_ARCHITECTURE_UNKNOWN');
  expect(work).toThrow('conv1 (Conv2D) needs [3, 3, 3, 32], the file has [3, 3, 3, 8]');
});
