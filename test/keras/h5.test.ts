import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ToolkitError } from '../../src/errors.ts';
import { type Hdf5File, openHdf5 } from '../../src/keras/h5.ts';
import { openKeras } from '../../src/keras/open.ts';
import type { TensorSource } from '../../src/tensor.ts';
import { temporaryFolder } from '../files.ts';
import { openFault } from './expect-fault.ts';
import { written } from './written.ts';

const folder = fileURLToPath(new URL('../fixtures/hdf5/', import.meta.url));
const arch = join(folder, 'dense.json');

async function open(path: string): Promise<Hdf5File> {
  const h5 = await openHdf5(path);
  onTestFinished(() => h5.close());
  return h5;
}

function numbers(bytes: Uint8Array): number[] {
  return [...new Float32Array(Uint8Array.from(bytes).buffer)];
}

function count(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

describe('reading', () => {
  const shape = [4, 3, 5, 2];

  async function block(): Promise<TensorSource> {
    const path = await written('block.h5', (file) => {
      file.create_dataset({ name: 'w', data: Float32Array.from(count(0, 120)), shape });
    });
    const h5 = await open(path);
    return h5.dataset('/w');
  }

  test('gives any range of the row-major order', async () => {
    const source = await block();
    expect(source.shape).toEqual(shape);
    for (const [start, length] of [
      [0, 120],
      [30, 60],
      [1, 1],
      [9, 3],
      [29, 32],
      [7, 111],
      [119, 1],
      [5, 0],
    ] as const) {
      expect(numbers(source.read(start, length))).toEqual(count(start, start + length));
    }
  });

  test('gives the whole in chunks', async () => {
    const source = await block();
    expect([...source.chunks()].flatMap(numbers)).toEqual(count(0, 120));
  });

  test('gives scalars, and chunked, compressed data', async () => {
    const path = await written('scalar.h5', (file) => {
      file.create_dataset({ name: 's', data: new Float32Array([7]), shape: [] });
    });
    const h5 = await open(path);
    expect(numbers(h5.dataset('/s').read(0, 1))).toEqual([7]);
    const gzip = await open(join(folder, 'gzip.h5'));
    expect(numbers(gzip.dataset('/dense_1/dense_1_W').read(1, 4))).toEqual([1, 2, 3, 4]);
  });

  test('closes more than once, and is not read after', async () => {
    const h5 = await openHdf5(join(folder, 'gzip.h5'));
    h5.close();
    h5.close();
    expect(() => h5.dataset('/dense_1/dense_1_W')).toThrow('Bug:');
  });
});

describe('attributes', () => {
  test('are strings, numbers, lists, or nothing', async () => {
    const path = await written('attributes.h5', (file) => {
      file.create_attribute('text', 'é');
      file.create_attribute('list', ['a', 'bé']);
      file.create_attribute('fixed', ['ab', 'c'], null, 'S4');
      file.create_attribute('count', 37);
      file.create_attribute('empty', new Float64Array(0), [0], '<d');
    });
    const h5 = await open(path);
    expect(h5.attribute('/', 'text')).toBe('é');
    expect(h5.attribute('/', 'list')).toEqual(['a', 'bé']);
    expect(h5.attribute('/', 'fixed')).toEqual(['ab', 'c']);
    expect(h5.attribute('/', 'count')).toBe(37);
    expect(h5.attribute('/', 'empty')).toEqual([]);
    expect(h5.attribute('/', 'absent')).toBeUndefined();
    expect(h5.attribute('/absent', 'text')).toBeUndefined();
  });
});

describe('numbers of other widths', () => {
  test.each([
    ['half.h5', [1, -2, 0.5, 65504, 2 ** -24, 0]],
    ['double.h5', [1, -2, 0.25, 3, Math.fround(1e-3), 0]],
  ])('%s comes out as float32', async (name, expected) => {
    const model = await openKeras(join(folder, name), { arch });
    onTestFinished(() => model.close());
    const source = model.graph.layers[0]?.weights[0]?.source;
    expect(source?.dtype).toBe('float32');
    expect(source && numbers(source.read(0, 6))).toEqual(expected);
  });
});

describe('what leads out of the file is refused', () => {
  test.each([
    ['external.h5', 'an external data file'],
    ['virtual.h5', 'a virtual dataset'],
    ['huge.h5', 'claims 549755813888 bytes'],
  ])('%s', async (name, found) => {
    const fault = await openFault(join(folder, name), 'KERAS_FILE_UNSAFE', { arch });
    expect(fault.message).toContain(found);
    expect(fault.where.path).toBe('/dense_1/dense_1_W');
  });

  test.each(['soft', 'external'] as const)('%s link', async (kind) => {
    const path = await written('links.h5', (file) => {
      file.create_attribute('layer_names', ['a']);
      if (kind === 'soft') file.create_soft_link('/b', 'a');
      else file.create_external_link('other.h5', '/b', 'a');
    });
    const fault = await openFault(path, 'KERAS_FILE_UNSAFE', { arch });
    expect(fault.where.path).toBe('/a');
  });
});

describe('damage', () => {
  test('a corrupt chunk throws and does not give zeros', async () => {
    const h5 = await open(join(folder, 'gzip_corrupt.h5'));
    const source = h5.dataset('/dense_1/dense_1_W');
    expect(() => source.read(0, 6)).toThrow(ToolkitError);
    expect(() => source.read(0, 6)).toThrow('HDF5 cannot read this');
  });

  test('is said in one line, nothing goes to the terminal, and the next file opens', async () => {
    const complain = vi.spyOn(console, 'error').mockReturnValue(undefined);
    onTestFinished(() => complain.mockRestore());
    const bytes = readFileSync(join(folder, 'gzip.h5'));
    bytes.fill(0xff, 96, 700);
    const path = join(temporaryFolder(), 'damaged.h5');
    writeFileSync(path, bytes);
    const fault = await openFault(path, 'FILE_UNREADABLE', { arch });
    expect(fault.message).not.toContain('HDF5-DIAG');
    expect(complain).not.toHaveBeenCalled();
    const h5 = await open(join(folder, 'gzip.h5'));
    expect(h5.kind('/dense_1')).toBe('group');
  });
});
