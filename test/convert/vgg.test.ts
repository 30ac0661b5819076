import { describe, expect, it } from 'vitest';
import { convertModel } from '../../src/convert/convert-model.ts';
import type { KerasModel } from '../../src/keras/model.ts';
import { hasShared } from '../shared.ts';
import {
  arraysOf,
  expectSame,
  type Fixture,
  fixtureNames,
  formsOf,
  readFixture,
  saidOf,
  withModel,
} from './real-keras.ts';
import { runGraph } from './run-graph.ts';

const generations = [
  'k0.3.3-theano-th',
  'k1.0.8-theano-th',
  'k1.2.2-py27-theano-th',
  'k1.2.2-theano-th',
  'k1.2.2-tf-th',
  'k1.2.2-tf-tf',
];

const fixtures = generations.flatMap((generation) =>
  fixtureNames(generation)
    .filter((name) => name.startsWith('vgg_'))
    .map((name) => readFixture(generation, name)),
);

/** Names of the layers whose results a fixture keeps, by the names of its files. */
function featureLayers({ graph }: KerasModel): ReadonlyMap<string, string> {
  const last = (className: string): string =>
    graph.layers.findLast((layer) => layer.className === className)?.name ?? '';
  const [fc1, fc2] = graph.layers.filter((layer) => layer.className === 'Dense');
  return new Map([
    ['preprocessed', last('Lambda')],
    ['conv', last('MaxPooling2D')],
    ['flatten', last('Flatten')],
    ['fc1', fc1?.name ?? ''],
    ['fc2', fc2?.name ?? ''],
  ]);
}

async function compareFeatures(fixture: Fixture): Promise<void> {
  const [form] = formsOf(fixture);
  if (!form) return;
  const { files, tolerance } = fixture.manifest;
  await withModel(form, saidOf(fixture), async (model) => {
    const layers = featureLayers(model);
    const wanted = Object.entries(files.features ?? {});
    const names = wanted.map(([feature]) => layers.get(feature) ?? '');
    const { graph } = convertModel(model, { features: names });
    const results = await runGraph(graph, arraysOf(fixture, files.inputs));
    for (const [feature, file] of wanted) {
      const [expected] = arraysOf(fixture, [file]);
      const actual = results.get(layers.get(feature) ?? '');
      if (!actual || !expected) throw new Error(`No feature "${feature}"`);
      // "preprocessed" is kept for the first image only.
      const shape = [expected.shape[0] ?? 1, ...actual.shape.slice(1)];
      const data = actual.data.slice(0, expected.data.length);
      expectSame({ shape, data }, expected, tolerance);
    }
  });
}

async function transposes(generation: string): Promise<number> {
  const fixture = readFixture(generation, 'vgg_tiny');
  const [form] = formsOf(fixture);
  if (!form) throw new Error('The fixture has no model');
  return withModel(form, saidOf(fixture), async (model) => {
    const { graph } = await Promise.resolve(convertModel(model));
    expect(graph.nodes.map(({ op }) => op)).not.toContain('Pad');
    return graph.nodes.filter(({ op }) => op === 'Transpose').length;
  });
}

describe.skipIf(!hasShared)('VGG networks of real Keras (skipped without ../shared)', () => {
  it.each(
    fixtures
      .filter(({ manifest }) => manifest.files.features)
      .map((fixture) => [fixture.folder.split('/').slice(-2).join('/'), fixture] as const),
  )('%s puts out its inner layers as features', async (_, fixture) => {
    await compareFeatures(fixture);
  });

  it('has no Transpose where channels come first, and one where they come last', async () => {
    expect(await transposes('k1.2.2-theano-th')).toBe(0);
    expect(await transposes('k1.2.2-tf-tf')).toBe(1);
  });
});
