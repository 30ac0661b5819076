import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { listImageFolder, listImages } from '../../src/runtime/folder.ts';
import { hasShared, shared } from '../shared.ts';
import { expectFault } from './fault.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'graft-folder-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function make(...files: readonly string[]): Promise<void> {
  for (const file of files) {
    const path = join(folder, file);
    await mkdir(file.endsWith('/') ? path : dirname(path), { recursive: true });
    if (!file.endsWith('/')) await writeFile(path, '');
  }
}

const inside = (path: string): string => relative(folder, path);

/** What Keras listed. */
const listing = z.object({
  classes: z.array(z.number()),
  filenames: z.array(z.string()),
  files_on_disk: z.array(z.string()),
  class_indices: z.record(z.string(), z.number()),
});

describe('listImageFolder', () => {
  it('sorts classes and files by code point, upper case first', async () => {
    await make('b/2.png', 'b/10.png', 'b/B.jpg', 'Z/x.jpeg', 'a/é.bmp', 'a/z.PNG');
    const { classes, files, skipped } = await listImageFolder(folder);
    expect(classes).toEqual(['Z', 'a', 'b']);
    expect(files.map(({ path, label }) => [inside(path), label])).toEqual([
      ['Z/x.jpeg', 0],
      ['a/z.PNG', 1],
      ['a/é.bmp', 1],
      ['b/10.png', 2],
      ['b/2.png', 2],
      ['b/B.jpg', 2],
    ]);
    expect(skipped).toEqual([]);
  });

  it('goes into folders of a class after its own files, by path', async () => {
    await make('a/sub/1.png', 'a/sub-2/1.png', 'a/x.png', 'a/sub/deep/1.png');
    const { files } = await listImageFolder(folder);
    expect(files.map(({ path }) => inside(path))).toEqual([
      'a/x.png',
      'a/sub/1.png',
      'a/sub-2/1.png',
      'a/sub/deep/1.png',
    ]);
  });

  it('keeps a class without pictures', async () => {
    await make('a/x.png', 'empty/');
    expect((await listImageFolder(folder)).classes).toEqual(['a', 'empty']);
  });

  it('lists what it passes over, with the reason', async () => {
    await make('a/x.png', 'a/notes.txt', 'a/._x.png', 'a/pic.avif', 'loose.png', '.git/y.png');
    const { classes, files, skipped } = await listImageFolder(folder);
    expect(classes).toEqual(['a']);
    expect(files).toHaveLength(1);
    expect(skipped.map(({ path, reason }) => `${inside(path)}: ${reason}`)).toEqual([
      '.git: its name begins with a dot',
      'loose.png: it is in no class folder',
      'a/._x.png: its name begins with a dot',
      'a/notes.txt: its ending is none of png, jpg, jpeg, bmp, gif, webp, tif, tiff',
      'a/pic.avif: its ending is none of png, jpg, jpeg, bmp, gif, webp, tif, tiff',
    ]);
  });

  it('takes other endings when asked', async () => {
    await make('a/x.webp', 'a/y.png');
    const { files } = await listImageFolder(folder, { extensions: ['webp'] });
    expect(files.map(({ path }) => inside(path))).toEqual(['a/x.webp']);
  });

  it('opens a class that is a link, follows no link inside, and survives a link to nowhere', async () => {
    await make('real/x.png', 'data/a/y.png');
    await symlink(join(folder, 'real'), join(folder, 'data', 'linked'));
    await symlink(join(folder, 'real'), join(folder, 'data', 'a', 'inner'));
    await symlink(join(folder, 'gone'), join(folder, 'data', 'lost'));
    const { classes, files } = await listImageFolder(join(folder, 'data'));
    expect(classes).toEqual(['a', 'linked']);
    expect(files.map(({ path }) => inside(path))).toEqual(['data/a/y.png', 'data/linked/x.png']);
  });

  it('names the folder that does not exist', async () => {
    const path = join(folder, 'none');
    await expectFault(listImageFolder(path), { code: 'FILE_MISSING', file: path });
  });

  it.skipIf(!hasShared)(
    'lists what Keras 2.2.4 listed, but for its hidden file (skipped without ../shared)',
    async () => {
      const keras = listing.parse(
        JSON.parse(
          readFileSync(shared('fixtures/k2.2.4-tf-cl/preprocess/flow_from_directory.json'), 'utf8'),
        ),
      );
      await make(...keras.files_on_disk.map((file) => file.replace(' (folder)', '')));
      const { classes, files } = await listImageFolder(folder, {
        extensions: ['png', 'jpg', 'jpeg', 'bmp'],
      });
      expect(classes).toEqual(Object.keys(keras.class_indices));
      const expected = keras.filenames.map((file, i) => [file, keras.classes[i]]);
      expect(files.map(({ path, label }) => [inside(path), label])).toEqual(
        expected.filter(([file]) => file !== 'cats/.hidden.jpg'),
      );
    },
  );
});

describe('listImages', () => {
  it('takes files as they are and folders with all that can be read, in the order given', async () => {
    await make('b/2.webp', 'b/1.gif', 'b/notes.txt', 'a.dat');
    const { files, skipped } = await listImages([join(folder, 'b'), join(folder, 'a.dat')]);
    expect(files.map(inside)).toEqual(['b/1.gif', 'b/2.webp', 'a.dat']);
    expect(skipped.map(({ path }) => inside(path))).toEqual(['b/notes.txt']);
  });

  it('names the path that does not exist', async () => {
    await expectFault(listImages([join(folder, 'none')]), { code: 'FILE_MISSING' });
  });
});
