import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { InvalidArgumentError, Option } from 'commander';
import { z } from 'zod';
import type { Preprocess } from '../onnx/card.ts';
import { type Provider, providers } from '../runtime/providers.ts';

/** A whole number of at least `least`, as commander reads an option. */
export function wholeNumber(least: number, most = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    const range = most === Infinity ? `at least ${least}` : `${least} to ${most}`;
    throw new InvalidArgumentError(`A whole number of ${range} is needed.`);
  };
}

/** A number above 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('A number above 0 is needed.');
}

/** A number of at least 0. */
export function toleranceNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('A number of at least 0 is needed.');
}

const byteUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

/** A size: bytes, or with a unit, 1 GB being 1,000,000,000 bytes and 1 GiB 1,073,741,824. */
export function byteCount(text: string): number {
  const [, digits = '', unit = ''] = /^([\d.]+)\s*([a-z]*)$/i.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(digits) * (byteUnits[unit.toLowerCase()] ?? Number.NaN));
  if (digits !== '' && Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new InvalidArgumentError('A size is needed, such as 500MB, 4GiB or 1000000 (bytes).');
}

/** The name of a file to be written, whose ending says what it becomes. */
export function fileEnding(...endings: readonly string[]): (text: string) => string {
  const wanted = endings.join(' or ');
  return (text) => {
    if (endings.includes(extname(text).toLowerCase())) return text;
    throw new InvalidArgumentError(
      text === '-'
        ? `A file is written whole or not at all, never to the standard output: give a name in ${wanted}.`
        : `The name must end in ${wanted}.`,
    );
  };
}

export function reportOption(): Option {
  return new Option('--report <kind>', 'how the result is printed')
    .choices(['text', 'json'])
    .default('text');
}

/** A number from 0 to 1, or to less than 1. */
export function share(most: 'one' | 'less'): (text: string) => number {
  return (text) => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (value >= 0 && (value < 1 || (most === 'one' && value === 1))) return value;
    throw new InvalidArgumentError(
      `A number from 0 to ${most === 'one' ? '1' : 'less than 1'} is needed.`,
    );
  };
}

/** Names separated by commas. */
export function nameList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.every((name) => name !== '')) return names;
  throw new InvalidArgumentError('Names separated by commas are needed.');
}

/** Names of hosts separated by commas, without ports, as a Host header has them. */
export function hostList(text: string): string[] {
  return nameList(text).map((name) => {
    if (/^[^\s:/[\]]+$/.test(name)) return name.toLowerCase().replace(/\.$/, '');
    throw new InvalidArgumentError(
      `"${name}" is no name of a host: app.example, without scheme and port, is one.`,
    );
  });
}

/** Origins of web pages separated by commas, as browsers spell them; or `*`. */
export function originList(text: string): string[] {
  return nameList(text).map((origin) => {
    if (origin === '*') return origin;
    const url = URL.canParse(origin) ? new URL(origin) : undefined;
    const isOrigin = url && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`;
    if (isOrigin) return url.origin;
    throw new InvalidArgumentError(
      `"${origin}" is no origin: https://app.example or http://app.example:3000, without a path, is one.`,
    );
  });
}

/** Class names: separated by commas, or a file that has one a line, a JSON array, or Keras' class index. */
export function classList(text: string): string[] {
  if (text.includes(',')) return nameList(text);
  const content = readText(text);
  if (!text.endsWith('.json')) return content.split(/\r?\n/).filter((line) => line !== '');
  const names = classFile.safeParse(jsonOf(content));
  if (names.success) return names.data;
  throw new InvalidArgumentError(
    'A JSON file of classes is an array of names, or like Keras’ imagenet_class_index.json.',
  );
}

const classFile = z.union([
  z.array(z.string()),
  // {"0": ["n01440764", "tench"], "1": …}
  z.record(z.string().regex(/^\d+$/), z.tuple([z.string(), z.string()])).transform((index) =>
    Object.entries(index)
      .toSorted(([a], [b]) => Number(a) - Number(b))
      .map(([, [, name]]) => name),
  ),
]);

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
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

/** The option that chooses what a model runs on. */
export function providerOption(): Option {
  return new Option('--provider <name>', 'what the model runs on')
    .choices(Object.keys(providers))
    .default('cpu' satisfies Provider);
}

/** What a person may say about a Keras file where it does not speak for itself. */
export function kerasOptions(): readonly Option[] {
  return [
    new Option(
      '--arch <file|name>',
      'architecture of a file that holds weights only: JSON, YAML, or the name of a recipe',
    ),
    new Option(
      '--kernels <kind>',
      'the convolution the kernels were trained for, where the file does not say',
    ).choices(['theano', 'tensorflow']),
    new Option(
      '--ordering <kind>',
      'where channels are, where the file does not say: first (th) or last (tf)',
    ).choices(['th', 'tf']),
    new Option('--bn-running-std <kind>', 'what Keras 1 stored under the name running_std').choices(
      ['variance', 'std'],
    ),
    new Option('--legacy-dropout-scale', 'Dropout scales at inference, as in Keras up to 0.2'),
  ];
}

export function inputLayoutOption(): Option {
  return new Option(
    '--input-layout <layout>',
    'layout of image inputs, instead of the Keras model’s own',
  ).choices(['nchw', 'nhwc']);
}

export function modeOption(): Option {
  return new Option(
    '--preprocess <mode>',
    'what is done to pixels before the model, as Keras’ preprocess_input calls it',
  ).choices(['none', 'caffe', 'tf', 'torch']);
}

/** NAME=PRESET, once or more. */
export function lambdaList(
  text: string,
  before: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const [, name, preset] = /^(.+?)=(.+)$/.exec(text) ?? [];
  if (name !== undefined && preset !== undefined) return { ...before, [name]: preset };
  throw new InvalidArgumentError('NAME=PRESET is needed, such as lambda_1=vgg_preprocess.');
}

const pictureParts = z.strictObject({
  mode: z.enum(['none', 'caffe', 'tf', 'torch']).exactOptional(),
  color: z.enum(['rgb', 'bgr', 'gray']).exactOptional(),
  resize: z.enum(['nearest', 'bilinear', 'bicubic']).exactOptional(),
  layout: z.enum(['nchw', 'nhwc']).exactOptional(),
  size: z
    .string()
    .regex(/^\d+x\d+$/)
    .transform((text): [number, number] => [Number(text.split('x')[0]), Number(text.split('x')[1])])
    .exactOptional(),
});

/** What each part may be, in words. */
const accepted: Readonly<Record<string, string>> = {
  mode: 'none, caffe, tf or torch',
  color: 'rgb, bgr or gray',
  resize: 'nearest, bilinear or bicubic',
  layout: 'nchw or nhwc',
  size: 'HEIGHTxWIDTH in pixels, such as 224x224',
};

/** How images become the model's input, for a model that does not say it: a mode, or `part=value` by comma. */
export function preprocessOption(): Option {
  return new Option(
    '--preprocess <how>',
    'for a model that does not say how images become its input: none, caffe, tf or torch; more by comma: ' +
      'color=rgb|bgr|gray, resize=nearest|bilinear|bicubic, layout=nchw|nhwc, size=HEIGHTxWIDTH',
  ).argParser((text): Partial<Preprocess> => {
    const parts = nameList(text).map((part) => (part.includes('=') ? part : `mode=${part}`));
    const read = pictureParts.safeParse(Object.fromEntries(parts.map((part) => part.split('='))));
    if (read.success) return read.data;
    const at = String(read.error.issues[0]?.path[0] ?? '');
    const values = accepted[at];
    const wrong =
      values === undefined
        ? 'The parts are mode, color, resize, layout and size'
        : `"${at}" must be ${values}`;
    throw new InvalidArgumentError(
      `${wrong}. Examples: tf; caffe,size=224x224; mode=tf,color=bgr.`,
    );
  });
}
