import { ToolkitError } from '../errors.ts';
import { listImageFolder } from '../runtime/folder.ts';

/**
 * Both folders must have the same classes, two or more, and every class images to learn from.
 *
 * Throws DATASET_EMPTY, DATASET_CLASSES, FILE_MISSING.
 */
export async function checkFolders(folder: string, valid: string | undefined): Promise<void> {
  const { classes, files } = await listImageFolder(folder);
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
    hint: 'It should hold one sub-folder a class, with png, jpg, jpeg or bmp files in each.',
  });
}
