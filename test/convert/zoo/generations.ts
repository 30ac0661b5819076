import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { ModelOptions } from '../../../src/convert/convert-model.ts';
import type { KerasGraph } from '../../../src/keras/model.ts';
import { hasShared } from '../../shared.ts';
import {
  classesIn,
  compare,
  type Fixture,
  fixtureIn,
  fixtureNames,
  formsOf,
  readFixture,
  saidOf,
  withModel,
} from '../real-keras.ts';

/** Fixtures that must be refused, by their names, and why. Every other one must give Keras' own numbers. */
const refused: Readonly<Record<string, string>> = {
  lstm_stateful: 'the answer depends on the calls before, which a graph does not know',
  bn_mode2: 'the answer depends on the other samples of the batch',
};

/** What a person would say of the Lambda layers, whose Python is never run. */
const lambdas: Readonly<Record<string, string>> = {
  lambda_double: 'x*2+1',
  // (x - 3) / 2
  lambda_named_fn: 'x*0.5-1.5',
  vgg_tiny: 'vgg_preprocess',
};

/** Keras computed these in half precision, and we in single: as far apart as half precision is coarse. */
const inHalf: Readonly<Record<string, { rtol: number; atol: number }>> = {
  mixed_float16: { rtol: 2e-3, atol: 2e-3 },
};

type Outcome = 'converted' | 'refused';
type Results = Record<string, Record<string, Outcome>>;

/** Results of all generations; written by the tests themselves with GRAFT_RESULTS=write (and --no-file-parallelism). */
const resultsFile = new URL('../../results/layers.json', import.meta.url);

/**
 * Tests every form of every fixture of some folders, and that the table of results says what happened.
 *
 * `generation` is the key in that table.
 */
export function testGeneration(generation: string, folders: readonly string[]): void {
  describe.skipIf(!hasShared)(`${generation} (skipped without ../shared)`, () => {
    const outcomes = new Map<string, Outcome>();
    for (const { title, fixture, form } of formsIn(folders)) {
      const reason = refused[fixture.manifest.case];
      const run = async (): Promise<void> =>
        withModel(form, saidOf(fixture), async (model) => {
          for (const name of classesIn(model.graph)) {
            if (reason === undefined) outcomes.set(name, 'converted');
            else if (!outcomes.has(name)) outcomes.set(name, 'refused');
          }
          await compare(tolerant(fixture), model, optionsFor(fixture, model.graph));
        });
      if (reason === undefined) it(title, run);
      else {
        it(`${title} is refused: ${reason}`, async () => {
          await expect(run()).rejects.toMatchObject({ code: 'KERAS_LAYER_UNSUPPORTED' });
        });
      }
    }
    afterAll(() => {
      settle(
        generation,
        Object.fromEntries([...outcomes].toSorted(([a], [b]) => a.localeCompare(b))),
      );
    });
  });
}

function formsIn(folders: readonly string[]) {
  return folders.flatMap((folder) =>
    [...fixtureNames(folder).map((name) => readFixture(folder, name)), ...ownFixtures(folder)]
      .filter(({ manifest }) => manifest.kind !== 'preprocess')
      .flatMap((fixture) =>
        formsOf(fixture).map((form) => ({
          title: form.file.split('/').slice(-3).join('/'),
          fixture,
          form,
        })),
      ),
  );
}

/** Those that lie in this repository; some are in the collection too. */
function ownFixtures(folder: string): readonly Fixture[] {
  const own = fileURLToPath(new URL(`../../fixtures/layers/${folder}/`, import.meta.url));
  if (!existsSync(own)) return [];
  return readdirSync(own)
    .filter((name) => !fixtureNames(folder).includes(name))
    .map((name) => fixtureIn(join(own, name)));
}

function tolerant(fixture: Fixture): Fixture {
  const tolerance = inHalf[fixture.manifest.case];
  return tolerance ? { ...fixture, manifest: { ...fixture.manifest, tolerance } } : fixture;
}

function optionsFor({ manifest }: Fixture, graph: KerasGraph): ModelOptions {
  const preset = lambdas[manifest.case];
  const lambda = graph.layers.find(({ className }) => className === 'Lambda');
  return preset && lambda ? { lambdas: { [lambda.name]: preset } } : {};
}

function settle(generation: string, found: Readonly<Record<string, Outcome>>): void {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- written below
  const committed = JSON.parse(readFileSync(resultsFile, 'utf8')) as Results;
  if (process.env['GRAFT_RESULTS'] === 'write') {
    const all = { ...committed, [generation]: found };
    writeFileSync(resultsFile, `${JSON.stringify(all, null, 2)}\n`);
    return;
  }
  expect(committed[generation], 'test/results/layers.json is out of date').toEqual(found);
}
