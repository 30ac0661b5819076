// A person's own photos: DIR/train and DIR/valid where there are such folders, else DIR/CLASS with every fifth photo
// of a class kept for validation (as links: nothing is copied or changed).
import { existsSync } from 'node:fs';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const isPhoto = (name) => /^[^.].*\.(jpe?g|png|webp|bmp)$/i.test(name);

export async function splitPhotos(photos, folder) {
  const given = { train: join(photos, 'train'), valid: join(photos, 'valid') };
  const isSplit = existsSync(given.train) && existsSync(given.valid);
  const split = isSplit ? given : await linkSplit(photos, folder);
  const classes = await readdir(split.valid);
  const samples = [];
  for (const name of classes.toSorted()) {
    const files = (await readdir(join(split.valid, name)).catch(() => [])).filter(isPhoto);
    samples.push(...files.slice(0, 6).map((file) => join(split.valid, name, file)));
  }
  return { ...split, samples };
}

async function linkSplit(photos, folder) {
  const split = { train: join(folder, 'train'), valid: join(folder, 'valid') };
  const entries = await readdir(photos, { withFileTypes: true });
  for (const { name } of entries.filter((entry) => entry.isDirectory())) {
    const files = (await readdir(join(photos, name))).filter(isPhoto).toSorted();
    for (const [index, file] of files.entries()) {
      const target = join(index % 5 === 4 ? split.valid : split.train, name);
      await mkdir(target, { recursive: true });
      await symlink(resolve(photos, name, file), join(target, file));
    }
  }
  return split;
}
