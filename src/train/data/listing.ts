import { resolve } from 'node:path';
import { listImageFolder } from '../../runtime/folder.ts';
import type { ImageListing } from '../dataset.ts';
import { checkFolders, noImages } from '../folders.ts';

/** Pictures to learn from and, where there are some, to be judged by. */
export interface SplitListing {
  readonly train: ImageListing;
  readonly valid: ImageListing | undefined;
}

/**
 * Lists the pictures of a folder of classes, and those for validation: a folder of their own, or a share of each class.
 *
 * A share is split off as Keras' `validation_split` does: of each class the first files by name. Throws DATASET_EMPTY,
 * DATASET_CLASSES, FILE_MISSING.
 */
export async function listSplit(
  folder: string,
  { valid, split }: { readonly valid?: string | undefined; readonly split?: number | undefined },
): Promise<SplitListing> {
  await checkFolders(folder, valid);
  const all = { folder, ...(await listImageFolder(folder)) };
  if (valid !== undefined) {
    return { train: all, valid: { folder: valid, ...(await listImageFolder(valid)) } };
  }
  if (split === undefined || split === 0) return { train: all, valid: undefined };
  const counts = all.classes.map(
    (_, label) => all.files.filter((file) => file.label === label).length,
  );
  const seen = all.classes.map(() => 0);
  const isValid = all.files.map(({ label }) => {
    const place = seen[label] ?? 0;
    seen[label] = place + 1;
    return place < Math.trunc(split * (counts[label] ?? 0));
  });
  const of = (wanted: boolean): ImageListing => ({
    ...all,
    files: all.files.filter((_, i) => isValid[i] === wanted),
    skipped: wanted ? [] : all.skipped,
  });
  const parts = { train: of(false), valid: of(true) };
  if (parts.valid.files.length === 0 || parts.train.files.length === 0) throw noImages(folder);
  return parts;
}

/** The same with more pictures to learn from, by absolute path; each counts to the class of its highest score. */
export function withSoftSamples(
  { train, valid }: SplitListing,
  samples: ReadonlyMap<string, readonly number[]>,
): SplitListing {
  const more = [...samples].map(([path, scores]) => ({
    path,
    label: scores.indexOf(Math.max(...scores)),
  }));
  return { train: { ...train, files: [...train.files, ...more] }, valid };
}

/** Scores by absolute path. */
export function byAbsolutePath(
  samples: ReadonlyMap<string, readonly number[]>,
): ReadonlyMap<string, readonly number[]> {
  return new Map([...samples].map(([path, scores]) => [resolve(path), scores]));
}
