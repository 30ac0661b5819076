import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { layerNames } from '../../../src/convert/layers/index.ts';
import { classesIn, compare, fixtureIn, formsOf, saidOf, withModel } from '../real-keras.ts';

/** For classes that no fixture here holds, the test that goes by arithmetic. */
const elsewhere: Readonly<Record<string, string>> = {
  AdaptiveAveragePooling1D: 'layers/adaptive-pooling.test.ts',
  AdaptiveAveragePooling3D: 'layers/adaptive-pooling.test.ts',
  AdaptiveMaxPooling1D: 'layers/adaptive-pooling.test.ts',
  AdaptiveMaxPooling3D: 'layers/adaptive-pooling.test.ts',
  ConvLSTM3D: 'layers/recurrent.test.ts',
  GroupedQueryAttention: 'another name of GroupQueryAttention',
  Lambda: 'layers/lambda.test.ts',
  RandomCrop: 'layers/preprocessing.test.ts',
  SpatialDropout1D: 'layers/elementwise.test.ts',
  SpatialDropout3D: 'layers/elementwise.test.ts',
  SyncBatchNormalization: 'another name of BatchNormalization',
  TensorFlowOpLayer: 'layers/operations.test.ts',
  TimeDistributedMerge: 'layers/elementwise.test.ts',
  ...Object.fromEntries(
    // Rows of one list, of which a fixture holds some and a test all.
    `AugMix CutMix MixUp RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
    RandomElasticTransform RandomErasing RandomGaussianBlur RandomGrayscale RandomHeight RandomHue RandomInvert
    RandomPerspective RandomPosterization RandomSaturation RandomSharpness RandomShear RandomWidth`
      .split(/\s+/)
      .map((name) => [name, 'layers/preprocessing.test.ts']),
  ),
};

const root = fileURLToPath(new URL('../../fixtures/layers/', import.meta.url));

const fixtures = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'scripts')
  .flatMap(({ name }) => readdirSync(join(root, name)).map((fixture) => `${name}/${fixture}`));

describe('layers of real Keras', () => {
  const found = new Set<string>();

  it.each(fixtures)('%s gives the numbers that Keras gave', async (name) => {
    const fixture = fixtureIn(join(root, name));
    const [form] = formsOf(fixture);
    if (!form) throw new Error(`No model in ${name}`);
    await withModel(form, saidOf(fixture), async (model) => {
      for (const each of classesIn(model.graph)) found.add(each);
      await compare(fixture, model);
    });
  });

  afterAll(() => {
    const unproven = layerNames.filter((name) => !found.has(name) && !(name in elsewhere));
    expect(unproven, 'classes without a fixture').toEqual([]);
    const idle = Object.keys(elsewhere).filter((name) => found.has(name));
    expect(idle, 'classes that have a fixture and need no other test').toEqual([]);
    expect(Object.keys(elsewhere).filter((name) => !layerNames.includes(name))).toEqual([]);
  });
});
