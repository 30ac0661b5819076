import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { checkFolders } from '../../src/train/folders.ts';
import { temporaryFolder } from '../files.ts';

async function folderOf(...names: readonly string[]): Promise<string> {
  const folder = temporaryFolder();
  for (const name of names) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), 'x');
  }
  return folder;
}

it('finds out that the folder is one level too high', async () => {
  const folder = await folderOf('train/a/1.png', 'train/b/1.png', 'valid/a/1.png', 'test/x/1.png');
  const found = checkFolders(folder, undefined);
  await expect(found).rejects.toMatchObject({ code: 'DATASET_CLASSES' });
  await expect(found).rejects.toThrow(
    `Did you mean ${join(folder, 'train')} --valid ${join(folder, 'valid')}?`,
  );
  const alone = await folderOf('train/a/1.png', 'train/b/1.png', 'test/x/1.png');
  await expect(checkFolders(alone, undefined)).rejects.toThrow(
    `Did you mean ${join(alone, 'train')}?`,
  );
});

it('takes classes for classes, whatever they are called', async () => {
  await checkFolders(await folderOf('train/1.png', 'test/1.png'), undefined);
  await checkFolders(await folderOf('train/a/1.png', 'plane/a/1.png'), undefined);
  const one = checkFolders(await folderOf('a/1.png'), undefined);
  await expect(one).rejects.toThrow('Two classes or more are needed');
});
