import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert as assertProperty, asyncProperty, nat } from 'fast-check';
import { expect, test } from 'vitest';
import { convert } from '../../src/convert/convert.ts';
import { ToolkitError } from '../../src/errors.ts';
import { temporaryFolder } from '../files.ts';
import { mutated, mutations, odd, withOdd } from '../keras/mutations.ts';

const formats = fileURLToPath(new URL('../fixtures/formats/', import.meta.url));
const runs = 300;

/** Converts a file: there is a whole output, or one of our errors and nothing. */
async function convertsOrNot(file: string, arch: string): Promise<void> {
  const folder = temporaryFolder();
  try {
    await convert(file, { arch, output: join(folder, 'model.onnx') });
    expect(readdirSync(folder)).toEqual(['model.onnx']);
  } catch (error) {
    if (!(error instanceof ToolkitError)) throw error;
    expect(readdirSync(folder)).toEqual([]);
  }
}

test.each(['plain', 'tfkeras213'])(
  `%s with an architecture changed in ${runs} ways is converted whole or not at all`,
  { timeout: 120_000 },
  async (name) => {
    const text = readFileSync(`${formats}${name}.json`, 'utf8');
    const arch = join(temporaryFolder(), 'arch.json');
    const property = asyncProperty(nat(), odd, async (place, value) => {
      writeFileSync(arch, withOdd(text, place, value));
      await convertsOrNot(`${formats}${name}.weights.h5`, arch);
    });
    await assertProperty(property, { seed: 20_151_210, numRuns: runs, endOnFailure: true });
  },
);

test(`weights changed in ${runs} ways are converted whole or not at all`, {
  timeout: 120_000,
}, async () => {
  const bytes = readFileSync(`${formats}plain.weights.h5`);
  const file = join(temporaryFolder(), 'weights.h5');
  const property = asyncProperty(mutations, async (changes) => {
    writeFileSync(file, mutated(bytes, changes));
    await convertsOrNot(file, `${formats}plain.json`);
  });
  await assertProperty(property, { seed: 20_151_211, numRuns: runs, endOnFailure: true });
});
