import { describe, expect, it } from 'vitest';
import { knownNetwork } from '../../src/keras/applications.ts';
import { type NetworkRecipe, readRecipes } from '../../src/keras/recipes.ts';
import { sourceOf } from '../../src/source.ts';
import { madeModel } from '../convert/made-model.ts';

const networks = readRecipes().filter((recipe): recipe is NetworkRecipe => 'top' in recipe);

interface Outline {
  readonly name: string;
  readonly is: string;
  readonly shapes: readonly (readonly number[])[];
}

/** The layers of a published network, as whole models have them, without its end; some of the names changed. */
function layersOf({ layers, top }: NetworkRecipe, rename = (name: string) => name): Outline[] {
  return layers
    .filter(({ name }) => !top.includes(name))
    .map(({ name, class: is, weights = [] }) => ({
      name: rename(name),
      is,
      shapes: weights.map((shape) => shape.map(Number)),
    }));
}

/** A model whose weights have shapes only: nobody looks at the numbers. */
function modelOf(outlines: readonly Outline[]) {
  const { graph, recipe } = madeModel({ input: [224, 224, 3], layers: outlines });
  const layers = graph.layers.slice(1).map((made, i) => ({
    ...made,
    weights: (outlines[i]?.shapes ?? []).map((shape, k) => ({
      name: `param_${k}`,
      source: sourceOf('float32', shape, (_, count) => new Uint8Array(4 * count)),
    })),
  }));
  return { graph: { ...graph, layers }, recipe };
}

function layer(name: string, ...shape: number[]): Outline {
  return { name, is: 'Conv2D', shapes: shape.length > 0 ? [shape] : [] };
}

describe('knownNetwork', () => {
  // EfficientNet's first layers rescale pixels: nothing is left to do before it.
  const scaled = networks.filter(({ preprocess }) => preprocess !== 'none');

  it.each(scaled)('knows $title by its layers', (recipe) => {
    const known = knownNetwork(modelOf(layersOf(recipe)));
    expect(known).toMatchObject({ preprocess: recipe.preprocess, labels: 'imagenet' });
  });

  it.each(scaled)('knows $title by the names that Keras 3 gives', (recipe) => {
    const renamed = layersOf(recipe, (name) => name.replaceAll('/', '_'));
    expect(knownNetwork(modelOf(renamed))?.preprocess).toBe(recipe.preprocess);
  });

  it.each(scaled)('does not know what $title takes behind a convolution of one’s own', (recipe) => {
    const own = [layer('mine', 1, 1, 1, 3), ...layersOf(recipe)];
    expect(knownNetwork(modelOf(own))).toBeUndefined();
  });

  it.each(networks)('does not know $title when its layers have other names', (recipe) => {
    const renamed = layersOf(recipe, (name) => `my_${name}`);
    expect(knownNetwork(modelOf(renamed))).toBeUndefined();
  });

  it('tells ResNetV2 from ResNet, whose pixels are others', () => {
    const shared = [
      layer('conv1_conv', 7, 7, 3, 64),
      layer('conv2_block1_0_conv', 1, 1, 64, 256),
      layer('conv2_block1_1_conv', 1, 1, 64, 64),
      layer('conv5_block3_3_conv', 1, 1, 512, 2048),
    ];
    expect(knownNetwork(modelOf(shared))?.preprocess).toBe('caffe');
    const second = [...shared, layer('conv2_block1_preact_bn')];
    expect(knownNetwork(modelOf(second))?.preprocess).toBe('tf');
  });

  it('does not take a small network for VGG because of its names', () => {
    const names = ['block1_conv1', 'block1_conv2', 'block3_conv3', 'block5_conv1', 'block5_conv3'];
    const layers = names.map((name) => layer(name, 3, 3, 8, 8));
    expect(knownNetwork(modelOf(layers))).toBeUndefined();
  });
});
