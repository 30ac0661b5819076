import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { arraySource } from '../../../src/train/data/arrays.ts';
import type { DataSource } from '../../../src/train/data/source.ts';
import { temporaryFolder } from '../../files.ts';
import { npyBytes } from '../../numpy-file.ts';

const silent = { onSkip: () => undefined, onProgress: () => undefined };

/** A source of as many samples of two numbers as there are targets. */
async function sourceOf(
  targets: readonly number[],
  {
    shape = [targets.length],
    isClasses = true,
    split = 0,
  }: {
    readonly shape?: readonly number[];
    readonly isClasses?: boolean;
    readonly split?: number;
  } = {},
): Promise<DataSource> {
  const folder = temporaryFolder();
  const [x, y] = [join(folder, 'x.npy'), join(folder, 'y.npy')];
  const count = shape[0] ?? 0;
  await writeFile(x, npyBytes('<f4', [count, 2], new Float32Array(2 * count)));
  await writeFile(y, npyBytes('<f4', shape, Float32Array.from(targets)));
  return arraySource({ x, y, isClasses, split }, {}, silent);
}

describe('arraySource', () => {
  it('takes whole floats, as Keras has them, for class numbers', async () => {
    expect((await sourceOf([0, 1, 2, 1])).classes).toEqual(['0', '1', '2']);
    expect((await sourceOf([0, 1, 2, 1], { shape: [4, 1] })).classes).toEqual(['0', '1', '2']);
    expect((await sourceOf([0, 1, 1])).outputs).toBe(2);
    expect((await sourceOf([0, 1, 1, 0], { shape: [2, 2] })).outputs).toBe(2);
  });

  it.each([
    [[0, 0.5, 1], 'Row 1 should be the number of a class, but 0.5 is a fraction'],
    [[0, 1, -1], 'Row 2 should be the number of a class, but -1 is below 0'],
    [[0, 1, 2 ** 31], '3 samples of 2147483649 classes'],
  ])('refuses %j as class numbers, and names the way out', async (targets, words) => {
    const source = sourceOf(targets);
    await expect(source).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(source).rejects.toThrow(words);
    await expect(source).rejects.toThrow('--task regression');
    expect((await sourceOf(targets, { isClasses: false })).outputs).toBe(1);
  });

  it('never trains on one class', async () => {
    await expect(sourceOf([0, 0, 0])).rejects.toMatchObject({ code: 'DATASET_CLASSES' });
    await expect(sourceOf([1, 1])).rejects.toThrow('all 2 training samples have the same target');
    // The second half is for validation.
    await expect(sourceOf([0, 0, 1, 1], { split: 0.5 })).rejects.toMatchObject({
      code: 'DATASET_CLASSES',
    });
    const oneHot = sourceOf([0, 1, 0, 1], { shape: [2, 2] });
    await expect(oneHot).rejects.toMatchObject({ code: 'DATASET_CLASSES' });
  });

  it('names the row that holds no number', async () => {
    const source = sourceOf([0, 1, Number.NaN, 2, Number.POSITIVE_INFINITY], { isClasses: false });
    await expect(source).rejects.toMatchObject({ code: 'DATASET_INVALID' });
    await expect(source).rejects.toThrow('row 2 has NaN, the first of 2 that are not');
  });
});
