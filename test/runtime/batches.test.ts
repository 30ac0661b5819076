import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageBatches } from '../../src/runtime/batches.ts';
import type { LabelledFile, SkippedFile } from '../../src/runtime/folder.ts';
import { encodePng } from '../../src/runtime/image.ts';
import { collected } from './collected.ts';
import { expectFault } from './fault.ts';
import { plain } from './models.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'graft-batches-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const preprocess = plain([1, 1]);

/** Pictures of one grey pixel, with the values given; a negative one is a broken file. */
async function pictures(...values: readonly number[]): Promise<LabelledFile[]> {
  const files: LabelledFile[] = [];
  for (const [label, value] of values.entries()) {
    const path = join(folder, `${label}-${value}.png`);
    const pixel = {
      width: 1,
      height: 1,
      channels: 3,
      data: new Uint8Array(3).fill(value),
    } as const;
    await writeFile(path, value < 0 ? 'broken' : await encodePng(pixel));
    files.push({ path, label });
  }
  return files;
}

describe('imageBatches', () => {
  it('gives full batches in order, and a short one at the end', async () => {
    const files = await pictures(10, 20, 30, 40, 50);
    const batches = await collected(imageBatches(files, { preprocess, batch: 2 }));
    expect(batches.map(({ shape }) => shape)).toEqual([
      [2, 3, 1, 1],
      [2, 3, 1, 1],
      [1, 3, 1, 1],
    ]);
    expect(batches.map(({ data }) => [...data])).toEqual([
      [10, 10, 10, 20, 20, 20],
      [30, 30, 30, 40, 40, 40],
      [50, 50, 50],
    ]);
    expect(batches.flatMap(({ files: names }) => names)).toEqual(files.map(({ path }) => path));
    expect(batches.map(({ labels }) => labels)).toEqual([[0, 1], [2, 3], [4]]);
  });

  it('has no labels where the source has none', async () => {
    const [file] = await pictures(10);
    const batches = await collected(imageBatches([file?.path ?? ''], { preprocess }));
    expect(batches[0]?.labels).toBeUndefined();
  });

  it('passes over a broken picture, says which and why, and fills the batch from the next', async () => {
    const files = await pictures(10, -1, 30, 40);
    const skipped: SkippedFile[] = [];
    const onSkip = (file: SkippedFile): number => skipped.push(file);
    const batches = await collected(imageBatches(files, { preprocess, batch: 2, onSkip }));
    expect(batches.map(({ labels }) => labels)).toEqual([[0, 2], [3]]);
    expect(skipped.map(({ path }) => path)).toEqual([files[1]?.path]);
    expect(skipped[0]?.reason).toContain('it is none of PNG');
  });

  it('throws for a broken picture when strict, by name', async () => {
    const files = await pictures(10, -1, 30);
    const batches = collected(imageBatches(files, { preprocess, strict: true }));
    await expectFault(batches, { code: 'IMAGE_UNREADABLE', file: files[1]?.path });
  });

  it('gives no batch for no picture', async () => {
    expect(await collected(imageBatches([], { preprocess }))).toEqual([]);
    const broken = await pictures(-1, -2);
    expect(await collected(imageBatches(broken, { preprocess }))).toEqual([]);
  });

  it('stops when the caller stops', async () => {
    const files = await pictures(1, 2, 3, 4, 5, 6, 7, 8);
    for await (const { data } of imageBatches(files, { preprocess, batch: 1 })) {
      expect(data[0]).toBe(1);
      break;
    }
  });
});
