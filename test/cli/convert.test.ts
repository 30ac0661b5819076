import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { convertCommand } from '../../src/cli/convert.ts';
import { packCommand, unpackCommand } from '../../src/cli/pack.ts';
import { verifyCommand } from '../../src/cli/verify.ts';
import { temporaryFolder } from '../files.ts';
import { digits } from '../interop/digits.ts';
import { floats, npz } from '../verify/numpy.ts';

let printed: string[] = [];
let noted: string[] = [];
let folder = '';
let model = '';

beforeEach(() => {
  [printed, noted] = [[], []];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void printed.push(line));
  vi.spyOn(console, 'error').mockImplementation((line: string) => void noted.push(line));
  folder = temporaryFolder();
  model = join(folder, 'digits.h5');
  copyFileSync(digits.weights, model);
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function run(command: Command, ...args: string[]): Promise<string> {
  await command.exitOverride().parseAsync(args, { from: 'user' });
  return printed.join('\n');
}

/** An .npz with the digits and Keras' answers, the last of which may be changed. */
function reference(change = 0): string {
  const [input, expected] = [digits.input(), digits.expected()];
  const answers = [...expected.data];
  answers[answers.length - 1] = (answers.at(-1) ?? 0) + change;
  const path = join(folder, 'reference.npz');
  const arrays = {
    input: floats(input.shape, [...input.data]),
    expected: floats(expected.shape, answers),
  };
  writeFileSync(path, npz(arrays));
  return path;
}

describe('graft convert --verify', () => {
  it('writes a model that says what Keras said', async () => {
    const output = join(folder, 'digits.onnx');
    const text = await run(convertCommand(), model, '--verify', reference());
    expect(text).toContain('Max abs');
    expect(readdirSync(folder)).toContain('digits.onnx');
    await run(verifyCommand(), output, '--against', reference());
  });

  it('writes nothing when it does not, and names the worst number', async () => {
    const work = run(convertCommand(), model, '--verify', reference(0.5));
    await expect(work).rejects.toThrow(/Nothing was written.*at \[15, 7\]/);
    expect(readdirSync(folder).toSorted()).toEqual(['digits.h5', 'reference.npz']);
    expect(printed.join('\n')).toContain('digits.onnx (not written)');
  });

  it('does not touch a model that is there', async () => {
    const output = join(folder, 'digits.onnx');
    writeFileSync(output, 'mine');
    const work = run(convertCommand(), model, '--verify', reference());
    await expect(work).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
  });
});

describe('graft convert --report json', () => {
  it('says all that was found out', async () => {
    const report: unknown = JSON.parse(await run(convertCommand(), model, '--report', 'json'));
    expect(report).toMatchObject({
      generation: 'Keras 1',
      kernels: 'theano',
      sha256: createHash('sha256').update(readFileSync(model)).digest('hex'),
      layers: 38,
      warnings: [],
      output: join(folder, 'digits.onnx'),
    });
    expect(report).toHaveProperty('decisions.0.evidence');
    expect(report).toHaveProperty('nodes');
    expect(report).toHaveProperty('parameters');
  });
});

describe('graft verify', () => {
  it('exits with the code of a difference, and prints how large it is', async () => {
    const output = join(folder, 'digits.onnx');
    await run(convertCommand(), model);
    const work = run(verifyCommand(), output, '--against', reference(0.5), '--report', 'json');
    await expect(work).rejects.toMatchObject({ code: 'REFERENCE_DIFFERS' });
    const found: unknown = JSON.parse(printed.at(-1) ?? '');
    expect(found).toMatchObject({ isEqual: false, outputs: [{ outside: 1, notFinite: 0 }] });
  });

  it('accepts what lies within the tolerance that is asked for', async () => {
    const output = join(folder, 'digits.onnx');
    await run(convertCommand(), model);
    const text = await run(verifyCommand(), output, '--against', reference(0.5), '--atol', '0.6');
    expect(text).toContain('yes');
  });
});

describe('graft unpack and pack', () => {
  it('go to external data and back', async () => {
    mkdirSync(join(folder, 'two'));
    const [one, two] = [join(folder, 'digits.onnx'), join(folder, 'two', 'm.onnx')];
    await run(convertCommand(), model);
    expect(await run(unpackCommand(), one, two)).toContain('m.onnx.data');
    await run(verifyCommand(), two, '--against', reference());
    await run(packCommand(), two, one, '--force');
    await run(verifyCommand(), one, '--against', reference());
    expect(noted).toEqual([]);
  });
});
