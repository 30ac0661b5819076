import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../files.ts';
import { hasShared, shared } from '../shared.ts';
import { openFault } from './expect-fault.ts';
import { written } from './written.ts';

const digits = fileURLToPath(new URL('../../models/digits_vgg.h5', import.meta.url));

function fileOf(bytes: string | Uint8Array): string {
  const path = join(temporaryFolder(), 'model.h5');
  writeFileSync(path, bytes);
  return path;
}

test('a file that is not there', async () => {
  const fault = await openFault('/nowhere/model.h5', 'FILE_MISSING');
  expect(fault.message).toContain('/nowhere/model.h5');
});

test('a folder, which may be a SavedModel', async () => {
  const fault = await openFault(temporaryFolder(), 'FILE_UNRECOGNISED');
  expect(fault.hint).toContain('SavedModel');
});

test('an empty file', async () => {
  await openFault(fileOf(''), 'FILE_TRUNCATED');
});

test.each([
  [
    'Git LFS pointer',
    'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 553482496\n',
  ],
  ['web page', '<!DOCTYPE html>\n<html><head></head></html>'],
  ['web page', '\n<html lang="en">'],
  ['graph model', '{"format":"graph-model","modelTopology":{"node":[]}}'],
  ['architecture without weights', '{"class_name":"Sequential","config":[]}'],
  ['TensorFlow Lite', '\x20\x00\x00\x00TFL3\x00\x00'],
  ['a file that begins with 6e6f74206120', 'not a model'],
])('%s', async (found, text) => {
  const fault = await openFault(fileOf(text), 'FILE_UNRECOGNISED');
  expect(fault.message).toContain(found);
  expect(fault.hint).not.toBe('');
});

test('a pickle, with the reason why it is not read', async () => {
  const fault = await openFault(fileOf(Uint8Array.of(0x80, 2, 0x7d, 0x71)), 'FILE_UNRECOGNISED');
  expect(fault.message).toContain('pickle');
});

test('a file cut short, with both lengths', async () => {
  const bytes = readFileSync(digits);
  const fault = await openFault(fileOf(bytes.subarray(0, bytes.length - 4096)), 'FILE_TRUNCATED');
  expect(fault.message).toContain(`${bytes.length} bytes long, but it has ${bytes.length - 4096}`);
});

test('HDF5 of someone else, with what it holds', async () => {
  const path = await written('other.h5', (file) => {
    file.create_dataset({ name: 'temperature', data: new Float32Array(3) });
  });
  const fault = await openFault(path, 'FILE_UNRECOGNISED');
  expect(fault.hint).toContain('temperature');
});

test('a zip archive cut short', async () => {
  await openFault(fileOf('PK\x03\x04\x14\x00\x00\x00\x00\x00metadata.json'), 'FILE_TRUNCATED');
});

test('weights in the layout of Keras 3, without an architecture', async () => {
  const path = await written('model.weights.h5', (file) => {
    const vars = file.create_group('layers').create_group('dense').create_group('vars');
    vars.create_dataset({ name: '0', data: new Float32Array(6), shape: [2, 3] });
  });
  const fault = await openFault(path, 'KERAS_ARCHITECTURE_UNKNOWN');
  expect(fault.message).toContain('dense (layers/dense/vars/0 [2, 3])');
});

test.skipIf(!hasShared)('real files in disguise (skipped without the collection)', async () => {
  await openFault(shared('real/rukon-uddin-lfs-pointer/unet.h5'), 'FILE_UNRECOGNISED');
  const evil = await openFault(shared('real/evil_keras/model.keras'), 'KERAS_FILE_UNSAFE');
  expect(evil.message).toContain('two members of one name');
});
