import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { convertModel } from '../../src/convert/convert-model.ts';
import type { OpenKerasOptions } from '../../src/keras/open.ts';
import { open } from '../keras/opened.ts';
import { readNpy } from '../npy.ts';
import { expectSame } from './real-keras.ts';
import { runGraph } from './run-graph.ts';

const folder = fileURLToPath(new URL('../fixtures/formats/', import.meta.url));

/** What a real Keras saved, in each form of a file: the file, the name of its numbers, and what a person must say. */
const forms: readonly (readonly [file: string, numbers: string, options: OpenKerasOptions])[] = [
  ['plain.keras', 'plain', {}],
  ['deflated.keras', 'plain', {}],
  ['plain.weights.h5', 'plain', { arch: `${folder}plain.json` }],
  ['plain.weights.json', 'plain', { arch: `${folder}plain.json` }],
  ['shared.keras', 'shared', {}],
  ['dictionary.keras', 'dictionary', {}],
  ['wrapped_model.keras', 'wrapped_model', {}],
  ['wrapped_model.h5', 'wrapped_model', {}],
  ['bfloat16.keras', 'bfloat16', {}],
  ['int8.keras', 'int8', {}],
  ['tfkeras213.keras', 'tfkeras213', {}],
  ['tfkeras213.weights.h5', 'tfkeras213', { arch: `${folder}tfkeras213.json` }],
  ['tfjs/model.json', 'tfjs', {}],
  ['tfjs_uint8/model.json', 'tfjs_uint8', {}],
  ['graph/weights.h5', 'graph/graph', { arch: `${folder}graph/arch.json` }],
  ['graph/weights.h5', 'graph/graph', { arch: `${folder}graph/arch.yaml` }],
];

it.each(forms)('%s gives the numbers of %s', async (file, numbers, options) => {
  const { graph } = convertModel(await open(folder + file, options));
  const slash = numbers.indexOf('/');
  const inside = folder + numbers.slice(0, slash + 1);
  const name = numbers.slice(slash + 1).replace('tfjs_uint8', 'tfjs');
  const inputs = readdirSync(inside)
    .filter((one) => one.startsWith(`${name}.input_`))
    .toSorted();
  const results = await runGraph(
    graph,
    inputs.map((one) => readNpy(inside + one)),
  );
  const outputs = readdirSync(inside)
    .filter((one) => one.startsWith(`${numbers.slice(slash + 1)}.expected`))
    .toSorted();
  expect(inputs.length).toBe(graph.inputs.length);
  expect(outputs.length).toBe(graph.outputs.length);
  for (const [i, one] of outputs.entries()) {
    const actual = results.get(graph.outputs[i]?.name ?? '');
    expectSame(actual, readNpy(inside + one), { rtol: 1e-4, atol: 1e-5 });
  }
});
