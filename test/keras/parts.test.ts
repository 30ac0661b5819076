import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { ErrorCode } from '../../src/errors.ts';
import { temporaryFolder } from '../files.ts';
import { openFault } from './expect-fault.ts';

const formats = fileURLToPath(new URL('../fixtures/formats/', import.meta.url));

/** A copy of the TensorFlow.js model with another model.json, and other shards. */
function tfjs(change: (json: string) => string, shard?: (bytes: Buffer) => Buffer): string {
  const folder = temporaryFolder();
  cpSync(`${formats}tfjs`, folder, { recursive: true });
  const json = join(folder, 'model.json');
  writeFileSync(json, change(readFileSync(json, 'utf8')));
  const last = join(folder, 'group1-shard3of3.bin');
  if (shard) writeFileSync(last, shard(readFileSync(last)));
  return json;
}

function same(json: string): string {
  return json;
}

const wrong: readonly (readonly [string, ErrorCode, () => string, string])[] = [
  ['a shard cut short', 'FILE_TRUNCATED', () => tfjs(same, (bytes) => bytes.subarray(1)), '863'],
  [
    'a shard that is too long',
    'KERAS_WEIGHT_SHAPE',
    () => tfjs(same, (bytes) => Buffer.concat([bytes, bytes])),
    '1128',
  ],
  [
    'a shard that is not there',
    'FILE_MISSING',
    () => tfjs((json) => json.replace('shard3of3', 'shard4of3')),
    'shard4of3',
  ],
  [
    'a shard elsewhere',
    'KERAS_FILE_UNSAFE',
    () => tfjs((json) => json.replace('group1-shard3of3.bin', '../../etc/passwd')),
    '../../etc/passwd',
  ],
  [
    'a weight of strings',
    'KERAS_CONFIG_INVALID',
    () => tfjs((json) => json.replace('"dtype": "float32"}', '"dtype": "string"}')),
    'found "string"',
  ],
  [
    'a shape with a hole',
    'KERAS_CONFIG_INVALID',
    () => tfjs((json) => json.replace('"shape": [3]', '"shape": [-3]')),
    'shape',
  ],
  [
    'weights that are a number',
    'KERAS_CONFIG_INVALID',
    () => tfjs((json) => json.replace(/"weightsManifest": \[.*\]/s, '"weightsManifest": 3')),
    'list',
  ],
];

test.each(wrong)('TensorFlow.js: %s is refused (%s)', async (_, code, make, said) => {
  expect((await openFault(make(), code)).message).toContain(said);
});

function shards(map: unknown): string {
  const folder = temporaryFolder();
  const path = join(folder, 'model.weights.json');
  cpSync(`${formats}plain_00000.weights.h5`, join(folder, 'plain_00000.weights.h5'));
  writeFileSync(path, JSON.stringify({ metadata: {}, weight_map: map }));
  return path;
}

test.each<readonly [string, ErrorCode, unknown]>([
  ['an empty list', 'KERAS_WEIGHT_MISSING', {}],
  ['a shard elsewhere', 'KERAS_FILE_UNSAFE', { '/a': ['/etc/passwd'] }],
  ['a shard that is not there', 'FILE_MISSING', { '/a': ['other.weights.h5'] }],
  ['a shard that is missing', 'KERAS_WEIGHT_MISSING', { '/a': ['plain_00000.weights.h5'] }],
])('shards of Keras 3: %s is refused (%s)', async (_, code, map) => {
  await openFault(shards(map), code, { arch: `${formats}plain.json` });
});
