import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { ToolkitError } from '../errors.ts';

/** A picture of a folder of classes; `label` is the index of its class. */
export interface LabelledFile {
  readonly path: string;
  readonly label: number;
}

/** A file that was passed over, and why. */
export interface SkippedFile {
  readonly path: string;
  readonly reason: string;
}

/** What a folder of classes holds. */
export interface ImageFolder {
  /** Names of the sub-folders, sorted by code point; also those without a picture. */
  readonly classes: readonly string[];
  readonly files: readonly LabelledFile[];
  readonly skipped: readonly SkippedFile[];
}

/** Which files count as pictures. */
export interface ListOptions {
  /** Endings without the dot, in lower case. Default: all that can be read; Keras takes fewer (png, jpg, jpeg, bmp). */
  readonly extensions?: readonly string[] | undefined;
}

/** All endings of pictures that can be read; the first four are those that Keras takes in every version. */
const readableExtensions = ['png', 'jpg', 'jpeg', 'bmp', 'gif', 'webp', 'tif', 'tiff'];

/**
 * Lists a folder of classes by the rules of Keras' `flow_from_directory`.
 *
 * Each sub-folder (or link to one) is a class, sorted by code point; inside, folders go by their path and files by their
 * name, whatever the case of the ending. Unlike Keras, all pictures that can be read count, webp among them, and hidden files and folders are passed over: they are never meant.
 * Throws FILE_MISSING.
 */
export async function listImageFolder(
  folder: string,
  options: ListOptions = {},
): Promise<ImageFolder> {
  const extensions = options.extensions ?? readableExtensions;
  const entries = await entriesOf(folder);
  const classes: string[] = [];
  const skipped: SkippedFile[] = [];
  for (const { name } of entries) {
    const path = join(folder, name);
    if ((await kindAt(path)) !== 'folder')
      skipped.push({ path, reason: 'it is in no class folder' });
    else if (isHidden(name)) skipped.push({ path, reason: 'its name begins with a dot' });
    else classes.push(name);
  }
  const files: LabelledFile[] = [];
  for (const [label, name] of classes.entries()) {
    const listing = await listTree(join(folder, name), extensions);
    files.push(...listing.files.map((path) => ({ path, label })));
    skipped.push(...listing.skipped);
  }
  return { classes, files, skipped };
}

/**
 * The pictures that some paths name: files as they are, folders with everything below them, in the order given.
 *
 * Throws FILE_MISSING.
 */
export async function listImages(
  paths: readonly string[],
  options: ListOptions = {},
): Promise<{ readonly files: readonly string[]; readonly skipped: readonly SkippedFile[] }> {
  const files: string[] = [];
  const skipped: SkippedFile[] = [];
  for (const path of paths) {
    const kind = await kindAt(path);
    if (!kind) throw missing(path);
    const listing =
      kind === 'folder'
        ? await listTree(path, options.extensions ?? readableExtensions)
        : { files: [path], skipped: [] };
    files.push(...listing.files);
    skipped.push(...listing.skipped);
  }
  return { files, skipped };
}

interface Listing {
  readonly files: readonly string[];
  readonly skipped: readonly SkippedFile[];
}

/** Links to folders are not followed inside a class, as in `os.walk`. */
async function listTree(root: string, extensions: readonly string[]): Promise<Listing> {
  const files: string[] = [];
  const skipped: SkippedFile[] = [];
  for (const folder of await foldersBelow(root)) {
    for (const entry of await entriesOf(folder)) {
      if (entry.isDirectory()) continue;
      const path = join(folder, entry.name);
      const ending = extname(entry.name).slice(1).toLowerCase();
      if (isHidden(entry.name)) skipped.push({ path, reason: 'its name begins with a dot' });
      else if (extensions.includes(ending)) files.push(path);
      else skipped.push({ path, reason: `its ending is none of ${extensions.join(', ')}` });
    }
  }
  return { files, skipped };
}

/** The folder and all below it, sorted by path. */
async function foldersBelow(root: string): Promise<string[]> {
  const found: string[] = [];
  const open = [root];
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    found.push(folder);
    for (const entry of await entriesOf(folder)) {
      if (entry.isDirectory() && !isHidden(entry.name)) open.push(join(folder, entry.name));
    }
  }
  return found.toSorted(byCodePoint);
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries.toSorted((a, b) => byCodePoint(a.name, b.name));
  } catch (cause) {
    throw missing(folder, cause);
  }
}

function missing(path: string, cause?: unknown): ToolkitError {
  return new ToolkitError('FILE_MISSING', 'There is no such file or folder', {
    where: { file: path },
    hint: 'See that the name is right and that it can be read.',
    cause,
  });
}

/** What is there, links followed; `undefined` for nothing or a link to nowhere. */
async function kindAt(path: string): Promise<'folder' | 'file' | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return undefined;
  return found.isDirectory() ? 'folder' : 'file';
}

function isHidden(name: string): boolean {
  return name.startsWith('.');
}

/** Python's order of strings: UTF-8 bytes sort as code points do, UTF-16 does not. */
function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a.replaceAll(sep, '/')), Buffer.from(b.replaceAll(sep, '/')));
}
