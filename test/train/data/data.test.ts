import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listSplit } from '../../../src/train/data/listing.ts';
import { readNumpy } from '../../../src/train/data/npy.ts';
import { fittedTargets, sampleWeights } from '../../../src/train/data/targets.ts';
import { memoryRows } from '../../../src/train/rows.ts';
import { temporaryFolder } from '../../files.ts';
import { npyBytes } from '../../numpy-file.ts';

describe('readNumpy', () => {
  it('reads floats and whole numbers', async () => {
    const path = join(temporaryFolder(), 'x.npy');
    await writeFile(path, npyBytes('<f4', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6.5)));
    expect(await readNumpy(path)).toEqual({
      shape: [2, 3],
      data: Float32Array.of(1, 2, 3, 4, 5, 6.5),
    });
    await writeFile(path, npyBytes('<i8', [2], BigInt64Array.of(7n, -1n)));
    expect(await readNumpy(path)).toEqual({
      shape: [2],
      data: Float32Array.of(7, -1),
    });
  });

  it.each([
    [Buffer.from('hello, I am a text'), 'FILE_UNRECOGNISED'],
    [npyBytes('<f4', [5], Float32Array.of(1)), 'FILE_TRUNCATED'],
    [npyBytes('<c8', [1], Float32Array.of(1, 2)), 'FILE_UNRECOGNISED'],
  ])('refuses what is no such file', async (bytes, code) => {
    const path = join(temporaryFolder(), 'x.npy');
    await writeFile(path, bytes);
    await expect(readNumpy(path)).rejects.toMatchObject({ code });
  });
});

describe('listSplit', () => {
  it('takes the first files of each class by name for validation, as Keras does', async () => {
    const folder = temporaryFolder();
    for (const name of [
      'a/1.png',
      'a/10.png',
      'a/2.png',
      'a/3.png',
      'b/x.png',
      'b/y.png',
      'b/z.png',
    ]) {
      await mkdir(join(folder, name, '..'), { recursive: true });
      await writeFile(join(folder, name), 'x');
    }
    const names = (files: readonly { readonly path: string }[] | undefined) =>
      files?.map(({ path }) => path.slice(folder.length + 1));
    const { train, valid } = await listSplit(folder, { split: 0.5 });
    // int(0.5 · 4) = 2 and int(0.5 · 3) = 1
    expect(names(valid?.files)).toEqual(['a/1.png', 'a/10.png', 'b/x.png']);
    expect(names(train.files)).toEqual(['a/2.png', 'a/3.png', 'b/y.png', 'b/z.png']);
    expect((await listSplit(folder, {})).valid).toBeUndefined();
    await expect(listSplit(folder, { split: 0.1 })).rejects.toMatchObject({
      code: 'DATASET_EMPTY',
    });
  });
});

describe('fittedTargets', () => {
  const examples = {
    rows: memoryRows(Float32Array.of(0, 0), 1),
    targets: Float32Array.of(1, 0, 0.3, 0.7),
  };
  const labels = Uint32Array.of(0, 1);

  it('gives each loss the form that it takes', () => {
    const as = (loss: Parameters<typeof fittedTargets>[2]['loss'], outputs: number) =>
      fittedTargets(examples, labels, { loss, outputs });
    expect(as('categorical_crossentropy', 2)).toBe(examples.targets);
    expect(as('sparse_categorical_crossentropy', 2)).toEqual(BigInt64Array.of(0n, 1n));
    expect(as('binary_crossentropy', 1)).toEqual(Float32Array.of(0, 0.7));
    expect(() => as('categorical_crossentropy', 3)).toThrow('3 scores a sample');
  });
});

describe('sampleWeights', () => {
  const labels = Uint32Array.of(0, 0, 0, 1);

  it('weighs by class', () => {
    expect(sampleWeights(labels, ['a', 'b'], undefined)).toBeUndefined();
    // 4 / (2 · 3) and 4 / (2 · 1)
    expect(sampleWeights(labels, ['a', 'b'], 'balanced')).toEqual(
      Float32Array.of(2 / 3, 2 / 3, 2 / 3, 2),
    );
    expect(sampleWeights(labels, ['a', 'b'], { b: 5 })).toEqual(Float32Array.of(1, 1, 1, 5));
    expect(() => sampleWeights(labels, ['a', 'b'], { c: 5 })).toThrow('class "c"');
  });
});
