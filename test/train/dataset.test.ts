import { cp, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readModel, type StoredModel } from '../../src/onnx/read.ts';
import { type FeatureCut, popLayer } from '../../src/train/cut.ts';
import { extractFeatures } from '../../src/train/dataset.ts';
import type { FeatureOptions } from '../../src/train/feature-options.ts';
import { digitsModel } from './base.ts';
import { writeDigits } from './digits.ts';

let base: StoredModel;
let cut: FeatureCut;
let pictures: string;

beforeAll(async () => {
  base = readModel(await digitsModel());
  cut = popLayer(base);
  pictures = (await writeDigits([8, 9], 10)).train;
}, 60_000);

/** Own copies, so that no test sees another's cache or pictures. */
async function place(): Promise<{ folder: string; cache: string }> {
  const root = await mkdtemp(join(tmpdir(), 'graft-features-'));
  await cp(pictures, join(root, 'pictures'), { recursive: true });
  return { folder: join(root, 'pictures'), cache: join(root, 'cache') };
}

const extract = (folder: string, options: FeatureOptions) =>
  extractFeatures(base, cut, folder, options);

function stop(done: number): void {
  if (done >= 8) throw new Error('interrupted');
}

async function segments(cache: string): Promise<string[]> {
  const [key = ''] = await readdir(cache);
  const names = await readdir(join(cache, key));
  return names.toSorted().map((name) => join(cache, key, name));
}

describe('extractFeatures', () => {
  it('gives a row an image, in the order of the files, with its class', async () => {
    const { folder } = await place();
    const set = await extract(folder, { cache: false });
    expect(set).toMatchObject({ classes: ['8', '9'], width: 64, cached: 0, skipped: [] });
    expect(set.files).toEqual(
      ['8', '9'].flatMap((name) => [1, 2, 3, 4, 6, 7, 8, 9].map((i) => `${name}/000${i}.png`)),
    );
    expect([...set.labels]).toEqual(set.files.map((file) => Number(file[0]) - 8));
    expect(set.features.length).toBe(16 * 64);
  });

  it('does not depend on how many images go through at once', async () => {
    const { folder } = await place();
    const [one, many] = [
      await extract(folder, { cache: false, batch: 1 }),
      await extract(folder, { cache: false, batch: 16 }),
    ];
    one.features.forEach((value, i) => expect(value).toBeCloseTo(many.features[i] ?? 0, 4));
  });

  it('reads everything back the second time', async () => {
    const { folder, cache } = await place();
    const first = await extract(folder, { cache });
    const second = await extract(folder, { cache });
    expect([first.cached, second.cached]).toEqual([0, 16]);
    expect(second.features).toEqual(first.features);
    expect(second.fingerprint).toBe(first.fingerprint);
  });

  it('computes only an image that was added, and knows one that was renamed', async () => {
    const { folder, cache } = await place();
    const before = await extract(folder, { cache });
    await cp(join(folder, '8', '0001.png'), join(folder, '9', 'renamed.png'));
    const added = new Uint8Array(await readFile(join(folder, '9', '0002.png')));
    await writeFile(join(folder, '9', 'new.png'), Uint8Array.of(...added, 0));
    const after = await extract(folder, { cache });
    expect([after.cached, after.files.length]).toEqual([17, 18]);
    expect(after.fingerprint).not.toBe(before.fingerprint);
  });

  it('never reads the row of an image whose content has changed under the same name', async () => {
    const { folder, cache } = await place();
    const before = await extract(folder, { cache });
    await cp(join(folder, '9', '0001.png'), join(folder, '8', '0001.png'));
    const after = await extract(folder, { cache });
    expect(after.features.subarray(0, 64)).toEqual(before.features.subarray(8 * 64, 9 * 64));
  });

  it('goes on where it was interrupted', async () => {
    const { folder, cache } = await place();
    const run = extract(folder, { cache, batch: 4, onProgress: ({ done }) => stop(done) });
    await expect(run).rejects.toThrow('interrupted');
    expect((await extract(folder, { cache })).cached).toBe(8);
  });

  it('computes a row again that was damaged or whose line was cut short', async () => {
    const { folder, cache } = await place();
    const first = await extract(folder, { cache });
    const [data = '', index = ''] = await segments(cache);
    const bytes = await readFile(data);
    bytes[64 * 4 * 3] = (bytes[64 * 4 * 3] ?? 0) ^ 1;
    await writeFile(data, bytes);
    const text = await readFile(index, 'utf8');
    await writeFile(index, text.slice(0, -20));
    const second = await extract(folder, { cache });
    expect(second.cached).toBe(14);
    second.features.forEach((value, i) => expect(value).toBeCloseTo(first.features[i] ?? 0, 4));
  });

  it('passes over an image that cannot be read, and names it', async () => {
    const { folder, cache } = await place();
    await writeFile(join(folder, '8', '0001.png'), 'not a picture');
    const names: string[] = [];
    const set = await extract(folder, { cache, onSkip: ({ path }) => names.push(path) });
    expect(names).toEqual([join(folder, '8', '0001.png')]);
    expect([set.files.length, set.skipped.length]).toEqual([15, 1]);
  });

  it('fails on an image that cannot be read when strict', async () => {
    const { folder } = await place();
    const path = join(folder, '8', '0001.png');
    await writeFile(path, 'not a picture');
    await expect(extract(folder, { cache: false, strict: true })).rejects.toMatchObject({
      code: 'IMAGE_UNREADABLE',
      where: { file: path },
    });
  });

  it('tells its progress to the end when the last images cannot be read', async () => {
    const { folder, cache } = await place();
    await extract(folder, { cache });
    await writeFile(join(folder, '9', '0009.png'), 'not a picture');
    const done: number[] = [];
    await extract(folder, { cache, onProgress: (progress) => done.push(progress.done) });
    expect(done).toEqual([15, 16]);
  });

  it('keeps the rows of another preprocessing apart', async () => {
    const { folder, cache } = await place();
    await extract(folder, { cache });
    const set = await extract(folder, { cache, preprocess: { resize: 'bilinear' } });
    expect(set.cached).toBe(0);
  });

  it('says where no image was found', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'graft-empty-'));
    await expect(extract(folder, { cache: false })).rejects.toMatchObject({
      code: 'DATASET_EMPTY',
      where: { file: folder },
    });
  });
});
