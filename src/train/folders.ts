import { dirname, join } from 'node:path';
import { ToolkitError } from '../errors.ts';
import { type LabelledFile, listImageFolder } from '../runtime/folder.ts';

/**
 * Both folders must have the same classes, two or more, and every class images to learn from.
 *
 * Throws DATASET_EMPTY, DATASET_CLASSES, FILE_MISSING.
 */
export async function checkFolders(folder: string, valid: string | undefined): Promise<void> {
  const { classes, files } = await listImageFolder(folder);
  await refuseSplits(folder, classes, files);
  if (files.length === 0) throw noImages(folder);
  checkClasses(folder, { classes, labels: files.map(({ label }) => label) });
  if (classes.length < 2) {
    throw wrongClasses(
      folder,
      `Two classes or more are needed, but there is only ${list(classes)}`,
    );
  }
  if (valid !== undefined) await checkSame(classes, valid);
}

/** What folders of a data set that is split already are called. */
const splits = {
  train: /^(train|training)$/i,
  valid: /^(valid|validation|val|dev)$/i,
  any: /^(train|training|valid|validation|val|dev|test|testing|sample|unlabell?ed)$/i,
} as const;

/** Folders of classes are looked for one level too high where they are those of a split, and hold folders alone. */
async function refuseSplits(
  folder: string,
  classes: readonly string[],
  files: readonly LabelledFile[],
): Promise<void> {
  const train = classes.find((name) => splits.train.test(name));
  if (train === undefined || !classes.every((name) => splits.any.test(name))) return;
  const own = join(folder, train);
  const isFlat = files.some(({ path }) => dirname(path) === own);
  if (isFlat || (await listImageFolder(own)).files.length === 0) return;
  const valid = classes.find((name) => splits.valid.test(name));
  const better = valid === undefined ? own : `${own} --valid ${join(folder, valid)}`;
  throw new ToolkitError(
    'DATASET_CLASSES',
    `A sub-folder should be a class, but ${list(classes)} look like the parts of a data set that is split already`,
    { where: { file: folder }, hint: `Did you mean ${better}?` },
  );
}

/** Throws DATASET_CLASSES when there is no image of a class: it could not be learnt. */
export function checkClasses(
  folder: string,
  { classes, labels }: { readonly classes: readonly string[]; readonly labels: Iterable<number> },
): void {
  const used = new Set(labels);
  const empty = classes.filter((_, label) => !used.has(label));
  if (empty.length === 0) return;
  const found = `there are none of ${list(empty)}`;
  throw wrongClasses(folder, `Every class needs images that can be read, but ${found}`);
}

async function checkSame(classes: readonly string[], valid: string): Promise<void> {
  const { classes: others, files } = await listImageFolder(valid);
  const missing = classes.filter((name) => !others.includes(name));
  const unknown = others.filter((name) => !classes.includes(name));
  const parts = [
    ...(missing.length > 0 ? [`${list(missing)} is only in the training folder`] : []),
    ...(unknown.length > 0 ? [`${list(unknown)} is only in the validation folder`] : []),
  ];
  if (parts.length === 0 && files.length === 0) throw noImages(valid);
  if (parts.length === 0) return;
  throw wrongClasses(
    valid,
    `Both folders should have the same classes, but ${parts.join(', and ')}`,
  );
}

function list(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}

function wrongClasses(file: string, what: string): ToolkitError {
  return new ToolkitError('DATASET_CLASSES', what, {
    where: { file },
    hint: 'Each sub-folder is one class and is named after it: add, rename or remove sub-folders.',
  });
}

/** DATASET_EMPTY for a folder. */
export function noImages(folder: string): ToolkitError {
  return new ToolkitError('DATASET_EMPTY', 'No image that can be read was found in the folder', {
    where: { file: folder },
    hint: 'It should hold one sub-folder a class, with pictures in each (png, jpg, bmp, gif, webp, tif).',
  });
}
