import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ToolkitError } from '../../errors.ts';
import { errorText } from '../request/faults.ts';
import { configFault, type ModelConfig, readConfig } from './model-config.ts';

/** A version of a model that lies on disk. */
export interface FoundVersion {
  readonly version: string;
  readonly path: string;
  /** Changes when the model, its configuration or its labels are written or replaced. */
  readonly stamp: string;
}

/** A model that lies on disk, with all its versions, oldest first. */
export interface FoundModel {
  readonly name: string;
  /** Its file or folder. */
  readonly path: string;
  readonly versions: readonly FoundVersion[];
  readonly config: ModelConfig;
  readonly labels: readonly string[] | undefined;
  /** Why it cannot be served, if so: its configuration is wrong, or there is no version. */
  readonly fault: string | undefined;
}

const noConfig: ModelConfig = { ignored: [] };

/**
 * The models at a path: an ONNX file, a model's folder (`VERSION/model.onnx`), or a folder of models, each a folder
 * or an ONNX file.
 *
 * Versions are whole numbers without leading zeros; other folders are passed over, as Triton does. Throws
 * FILE_MISSING.
 */
export async function findModels(source: string): Promise<readonly FoundModel[]> {
  const path = resolve(source);
  const found = await statOf(path);
  if (!found) {
    throw new ToolkitError('FILE_MISSING', 'There is no model', {
      where: { file: source },
      hint: 'Give an .onnx file, or a folder with models in it (NAME/VERSION/model.onnx, or NAME.onnx).',
    });
  }
  if (!found.isDirectory()) return [fileModel(path, found)];
  if ((await versionsOf(path)).length > 0) return [await folderModel(path)];
  const entries = await readdir(path, { withFileTypes: true });
  const models: FoundModel[] = [];
  for (const { name } of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (name.startsWith('.')) continue;
    const at = join(path, name);
    const about = await statOf(at);
    if (about?.isDirectory()) models.push(await folderModel(at));
    else if (about && name.endsWith('.onnx')) models.push(fileModel(at, about));
  }
  return models;
}

/** The models at several paths, in their order. Throws FILE_MISSING. */
export async function findAll(sources: readonly string[]): Promise<readonly FoundModel[]> {
  return (await Promise.all(sources.map(findModels))).flat();
}

function fileModel(path: string, about: Stats): FoundModel {
  const version = { version: '1', path, stamp: stampOf(about) };
  const name = basename(path, '.onnx');
  return {
    name,
    path,
    versions: [version],
    config: noConfig,
    labels: undefined,
    fault: undefined,
  };
}

async function folderModel(folder: string): Promise<FoundModel> {
  const name = basename(folder);
  const about = { name, path: folder, config: noConfig, labels: undefined, versions: [] };
  try {
    const configPath = join(folder, 'config.pbtxt');
    const configStat = await statOf(configPath);
    const config = configStat ? readConfig(configPath) : noConfig;
    if (config.name !== undefined && config.name !== '' && config.name !== name) {
      return { ...about, fault: `its configuration is for "${config.name}", not "${name}"` };
    }
    const labels = await labelsOf(folder, config.labels);
    const extra = configStat ? stampOf(configStat) : '';
    const versions = await versionsOf(folder, `|${extra}|${digestOf(labels)}`);
    const fault = versions.length === 0 ? 'it has no version folder with a model.onnx' : undefined;
    return { ...about, config, labels, versions, fault };
  } catch (fault) {
    if (!(fault instanceof ToolkitError)) throw fault;
    return { ...about, fault: errorText(fault) };
  }
}

async function versionsOf(folder: string, extra = ''): Promise<FoundVersion[]> {
  const names = await readdir(folder).catch(() => []);
  const numbers = names
    .filter((name) => /^[1-9]\d*$|^0$/.test(name))
    .toSorted((a, b) => Number(a) - Number(b));
  const versions: FoundVersion[] = [];
  for (const version of numbers) {
    const path = join(folder, version, 'model.onnx');
    const about = await statOf(path);
    if (about) versions.push({ version, path, stamp: stampOf(about) + extra });
  }
  return versions;
}

/** The class names of the file that the configuration names, or of labels.txt where there is one. */
async function labelsOf(folder: string, named: string | undefined): Promise<string[] | undefined> {
  // The configuration is data: it names a file of its own folder, and no other.
  const path = resolve(folder, named ?? 'labels.txt');
  if (dirname(path) !== folder) {
    throw configFault(`label_filename "${named ?? ''}" is no file of the model's folder`);
  }
  try {
    const lines = (await readFile(path, 'utf8')).split(/\r?\n/);
    return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
  } catch {
    if (named === undefined) return undefined;
    throw configFault(`label_filename "${named}" cannot be read: it must lie beside config.pbtxt`);
  }
}

/** A list that is corrected may be as long as before, in lines and in bytes. */
function digestOf(labels: readonly string[] | undefined): string {
  return labels ? createHash('sha256').update(labels.join('\n')).digest('hex') : '';
}

async function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined);
}

function stampOf({ ino, size, mtimeMs }: Stats): string {
  return `${ino}:${size}:${mtimeMs}`;
}

/** The versions that a model's policy asks for; default: the latest one. */
export function wantedVersions({ versions, config }: FoundModel): readonly FoundVersion[] {
  const policy = config.versions ?? { kind: 'latest', count: 1 };
  if (policy.kind === 'all') return versions;
  if (policy.kind === 'latest') return versions.slice(-policy.count);
  return versions.filter(({ version }) => policy.versions.includes(version));
}

/** One model a name; where there are several, the first one, with a fault that names all of them. */
export function withoutTwins(models: readonly FoundModel[]): readonly FoundModel[] {
  const names = new Set(models.map(({ name }) => name));
  return [...names].flatMap((name) => {
    const [first, ...others] = models.filter((model) => model.name === name);
    if (!first || others.length === 0) return first ?? [];
    const paths = [first, ...others].map(({ path }) => path).join(', ');
    return { ...first, fault: `There are several models of the name "${name}": ${paths}` };
  });
}

/** Throws OPTION_INVALID where two models have one name: one of them could not be asked. */
export function refuseTwins(models: readonly FoundModel[]): void {
  const unique = withoutTwins(models);
  const twin = unique.find((model) => !models.includes(model));
  if (!twin) return;
  throw new ToolkitError('OPTION_INVALID', twin.fault ?? '', {
    hint: 'Rename one of them: requests ask for a model by the name of its file or folder.',
  });
}

/** What an operator may wonder about: `classes` are those that the model's file names. */
export function notesOn(
  { config, labels }: FoundModel,
  classes: readonly string[] | undefined,
): readonly string[] {
  const notes = config.ignored.map((field) => `config.pbtxt: ${field} is ignored`);
  if (!labels || !classes || labels.join('\n') === classes.join('\n')) return notes;
  return [
    ...notes,
    `class names are those of ${config.labels ?? 'labels.txt'}, not the model's own`,
  ];
}
