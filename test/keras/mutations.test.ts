import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert as assertProperty, asyncProperty, boolean, nat } from 'fast-check';
import { expect, test } from 'vitest';
import { ToolkitError } from '../../src/errors.ts';
import type { KerasGraph } from '../../src/keras/model.ts';
import { type OpenKerasOptions, openKeras } from '../../src/keras/open.ts';
import { temporaryFolder } from '../files.ts';
import { mutated, mutations, odd, withOdd } from './mutations.ts';
import { zipOf } from './zip.ts';

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
const formats = `${fixtures}formats/`;
const runs = 500;

/** Files of every kind whose structure is small enough to be hit. */
const files: readonly (readonly [string, OpenKerasOptions])[] = [
  ['formats/wrapped_model.h5', {}],
  ['formats/plain.weights.h5', { arch: `${formats}plain.json` }],
  ['formats/graph/weights.h5', { arch: `${formats}graph/arch.json` }],
  ['hdf5/gzip.h5', { arch: `${fixtures}hdf5/dense.json`, kernels: 'theano' }],
  ['k0.3.3-theano-th/vgg_gist/weights.h5', {}],
  ['formats/deflated.keras', {}],
];

/** Opens a file and reads all its weights; what goes wrong must be one of our errors. */
async function survives(path: string, options: OpenKerasOptions): Promise<void> {
  try {
    const model = await openKeras(path, options);
    try {
      readAll(model.graph);
    } finally {
      model.close();
    }
  } catch (error) {
    if (!(error instanceof ToolkitError)) throw error;
    expect(error.hint).not.toBe('');
  }
}

function readAll(graph: KerasGraph): void {
  for (const layer of graph.layers) {
    for (const { source } of layer.weights) for (const _ of source.chunks());
    if (layer.model) readAll(layer.model);
  }
}

test.each(files)(
  `%s, changed ${runs} times, is read or refused`,
  { timeout: 120_000 },
  async (file, options) => {
    const bytes = readFileSync(fixtures + file);
    const path = join(temporaryFolder(), 'model');
    const property = asyncProperty(mutations, async (changes) => {
      writeFileSync(path, mutated(bytes, changes));
      await survives(path, options);
    });
    await assertProperty(property, { seed: 20_151_207, numRuns: runs, endOnFailure: true });
  },
);

test(`an archive whose members are whole, but changed ${runs} times`, {
  timeout: 120_000,
}, async () => {
  const weights = readFileSync(`${formats}plain.weights.h5`);
  const config = readFileSync(`${formats}plain.json`);
  const path = join(temporaryFolder(), 'model.keras');
  const property = asyncProperty(mutations, boolean(), async (changes, isConfig) => {
    const members = [
      { name: 'config.json', bytes: isConfig ? mutated(config, changes) : config },
      { name: 'model.weights.h5', bytes: isConfig ? weights : mutated(weights, changes) },
    ];
    writeFileSync(path, zipOf(members));
    await survives(path, {});
  });
  await assertProperty(property, { seed: 20_151_208, numRuns: runs, endOnFailure: true });
});

test(`an architecture with odd values, ${runs} times`, { timeout: 120_000 }, async () => {
  const text = readFileSync(`${formats}tfkeras213.json`, 'utf8');
  const path = join(temporaryFolder(), 'arch.json');
  const property = asyncProperty(nat(), odd, async (place, value) => {
    writeFileSync(path, withOdd(text, place, value));
    await survives(`${formats}tfkeras213.weights.h5`, { arch: path });
  });
  await assertProperty(property, { seed: 20_151_209, numRuns: runs, endOnFailure: true });
});
