import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { layerNames } from '../../../src/convert/layers/index.ts';
import { classesIn, compare, fixtureIn, formsOf, saidOf, withModel } from '../real-keras.ts';

/** What a person would say of a Lambda, whose Python is never run. */
const lambdas: Readonly<Record<string, string>> = { 'k2.2.4-tf-cl/lambda_double': 'x*2+1' };

const root = fileURLToPath(new URL('../../fixtures/layers/', import.meta.url));

const fixtures = readdirSync(root, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'scripts')
  .flatMap(({ name }) => readdirSync(join(root, name)).map((fixture) => `${name}/${fixture}`));

describe('the layers of the rule table, of each of which a real Keras saved one', () => {
  const found = new Set<string>();

  it.each(fixtures)('%s gives the numbers that Keras gave', async (name) => {
    const fixture = fixtureIn(join(root, name));
    const [form] = formsOf(fixture);
    if (!form) throw new Error(`No model in ${name}`);
    await withModel(form, saidOf(fixture), async (model) => {
      for (const each of classesIn(model.graph)) found.add(each);
      const preset = lambdas[name];
      const lambda = model.graph.layers.find(({ className }) => className === 'Lambda');
      await compare(fixture, model, preset && lambda ? { lambdas: { [lambda.name]: preset } } : {});
    });
  });

  afterAll(() => {
    expect(layerNames.filter((name) => !found.has(name))).toEqual([]);
  });
});
