import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { ErrorCode } from '../../src/errors.ts';
import { temporaryFolder } from '../files.ts';
import { openFault } from './expect-fault.ts';
import { open } from './opened.ts';
import { type MadeMember, zipOf } from './zip.ts';

const formats = fileURLToPath(new URL('../fixtures/formats/', import.meta.url));
const weights = readFileSync(`${formats}plain.weights.h5`);
const config = readFileSync(`${formats}plain.json`);

function archive(members: readonly MadeMember[]): string {
  const path = join(temporaryFolder(), 'model.keras');
  writeFileSync(path, zipOf(members));
  return path;
}

const whole: readonly MadeMember[] = [
  { name: 'metadata.json', bytes: '{"keras_version":"3.15.1"}' },
  { name: 'config.json', bytes: config },
  { name: 'model.weights.h5', bytes: weights },
];

test('members that are stored and members that are deflated are the same', async () => {
  const stored = await open(archive(whole));
  const deflated = await open(archive(whole.map((member) => ({ ...member, method: 8 }))));
  const bytes = [stored, deflated].map((model) =>
    model.graph.layers.flatMap((layer) =>
      layer.weights.flatMap(({ source }) => [...source.chunks()].map((chunk) => [...chunk])),
    ),
  );
  expect(bytes[0]).toEqual(bytes[1]);
  expect(stored.origin).toMatchObject({ generation: 'Keras 3', version: '3.15.1' });
});

test('nothing stays in the folder for temporary files', async () => {
  const before = leftovers();
  const model = await open(archive(whole.map((member) => ({ ...member, method: 8 }))));
  expect(leftovers()).toEqual(before);
  model.close();
});

function leftovers(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('graft-member-'));
}

const [metadata, architecture, stored] = whole;

const wrong: readonly (readonly [
  string,
  ErrorCode,
  readonly (MadeMember | undefined)[],
  string,
])[] = [
  ['two members of one name', 'KERAS_FILE_UNSAFE', [...whole, stored], 'two members of one name'],
  [
    'a path that leads out',
    'KERAS_FILE_UNSAFE',
    [...whole, { name: '../../home/.bashrc', bytes: 'x' }],
    'leads out of the archive',
  ],
  [
    'an absolute path',
    'KERAS_FILE_UNSAFE',
    [...whole, { name: '/etc/passwd', bytes: 'x' }],
    'leads out of the archive',
  ],
  [
    'a symbolic link',
    'KERAS_FILE_UNSAFE',
    [metadata, architecture, { name: 'model.weights.h5', bytes: '/etc/passwd', mode: 0o120777 }],
    'a link',
  ],
  [
    'an encrypted member',
    'KERAS_FILE_UNSAFE',
    [{ name: 'config.json', bytes: '{}', flags: 1, method: 8 }],
    'encrypted',
  ],
  [
    'a bomb',
    'KERAS_FILE_UNSAFE',
    [
      metadata,
      architecture,
      { name: 'model.weights.h5', bytes: new Uint8Array(1 << 20), method: 8, size: 2 ** 31 },
    ],
    'claims 2147483648',
  ],
  [
    'a member that is larger than it says',
    'FILE_UNREADABLE',
    [metadata, architecture, { name: 'model.weights.h5', bytes: weights, method: 8, size: 100 }],
    'too many bytes',
  ],
  [
    'a flipped bit',
    'FILE_UNREADABLE',
    [metadata, architecture, { name: 'model.weights.h5', bytes: weights, sum: 1 }],
    'checksum',
  ],
  [
    'a compression that Keras does not use',
    'FILE_UNREADABLE',
    [{ name: 'config.json', bytes: '{}', method: 12 }],
    'method 12',
  ],
  ['no weights', 'KERAS_WEIGHT_MISSING', [metadata, architecture], 'no weights'],
  [
    'weights in pickles',
    'FILE_UNRECOGNISED',
    [metadata, architecture, { name: 'model.weights.npz', bytes: 'PK' }],
    'pickles',
  ],
  [
    'an architecture that is no JSON',
    'KERAS_CONFIG_INVALID',
    [{ name: 'config.json', bytes: '{"a' }, stored],
    'not JSON',
  ],
  [
    'an architecture of lists in lists',
    'KERAS_CONFIG_INVALID',
    [{ name: 'config.json', bytes: `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}` }, stored],
    'levels of lists',
  ],
  ['PyTorch', 'FILE_UNRECOGNISED', [{ name: 'model/data.pkl', bytes: '\x80' }], 'PyTorch'],
  ['NumPy', 'FILE_UNRECOGNISED', [{ name: 'arr_0.npy', bytes: '' }], '.npz'],
  ['a SavedModel', 'FILE_UNRECOGNISED', [{ name: 'm/saved_model.pb', bytes: '' }], 'SavedModel'],
  ['pictures', 'FILE_UNRECOGNISED', [{ name: 'cat.jpg', bytes: '' }], 'a zip archive'],
];

test.each(wrong)('%s is refused (%s)', async (_, code, list, said) => {
  const fault = await openFault(archive(list.filter((one) => one !== undefined)), code);
  expect(fault.message).toContain(said);
  expect(fault.hint).not.toBe('');
});

test('the layers of an int4 model are refused by name', async () => {
  const fault = await openFault(`${formats}int4.keras`, 'KERAS_LAYER_UNSUPPORTED');
  expect(fault.message).toContain('(Dense, int4/128)');
});

test('an unpacked archive is read as a folder', async () => {
  const folder = temporaryFolder();
  for (const { name, bytes } of whole) writeFileSync(join(folder, name), bytes);
  const model = await open(folder);
  expect(model.graph.layers.map(({ name }) => name)).toContain('d1');
});
