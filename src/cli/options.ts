import { readFileSync } from 'node:fs';
import { InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import { type Provider, providers } from '../runtime/providers.ts';

/** A whole number of at least `least`, as commander reads an option. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`A whole number of at least ${least} is needed.`);
  };
}

/** A number above 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('A number above 0 is needed.');
}

/** Names separated by commas. */
export function nameList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.every((name) => name !== '')) return names;
  throw new InvalidArgumentError('Names separated by commas are needed.');
}

/** Class names: separated by commas, or the file that has one a line or as a JSON array. */
export function classList(text: string): string[] {
  if (text.includes(',')) return nameList(text);
  const content = readText(text);
  if (text.endsWith('.json')) return z.array(z.string()).parse(JSON.parse(content));
  return content.split(/\r?\n/).filter((line) => line !== '');
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new InvalidArgumentError(
      `Give names separated by commas, or a file with one a line: "${path}" cannot be read.`,
    );
  }
}

export function providerOption(): Option {
  return new Option('--provider <name>', 'what the model runs on')
    .choices(Object.keys(providers))
    .default('cpu' satisfies Provider);
}

export function kernelsOption(): Option {
  return new Option(
    '--kernels <kind>',
    'the convolution the kernels were trained for, where the file does not say',
  ).choices(['theano', 'tensorflow']);
}

export const archHelp = 'architecture of a file that holds weights only: a JSON file, or a recipe';
