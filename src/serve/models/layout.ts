import type { Stats } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { ToolkitError } from '../../errors.ts';
import { type ModelConfig, readConfig } from './model-config.ts';

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

function fileModel(path: string, about: Stats): FoundModel {
  const version = { version: '1', path, stamp: stampOf(about) };
  const name = basename(path, '.onnx');
  return { name, versions: [version], config: noConfig, labels: undefined, fault: undefined };
}

async function folderModel(folder: string): Promise<FoundModel> {
  const name = basename(folder);
  const about = { name, config: noConfig, labels: undefined, versions: [] };
  try {
    const configPath = join(folder, 'config.pbtxt');
    const configStat = await statOf(configPath);
    const config = configStat ? readConfig(configPath) : noConfig;
    if (config.name !== undefined && config.name !== '' && config.name !== name) {
      return { ...about, fault: `its configuration is for "${config.name}", not "${name}"` };
    }
    const labels = await labelsOf(folder, config.labels ?? 'labels.txt');
    const extra = configStat ? stampOf(configStat) : '';
    const versions = await versionsOf(folder, `|${extra}|${labels?.join('\n').length ?? ''}`);
    const fault = versions.length === 0 ? 'it has no version folder with a model.onnx' : undefined;
    return { name, config, labels, versions, fault };
  } catch (fault) {
    if (!(fault instanceof ToolkitError)) throw fault;
    return { ...about, fault: fault.message.replaceAll(/\s*\n\s*/g, ' ') };
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

async function labelsOf(folder: string, file: string): Promise<string[] | undefined> {
  // The configuration is data: it names a file of its own folder, and no other.
  const path = resolve(folder, file);
  if (dirname(path) !== folder) return undefined;
  try {
    const lines = (await readFile(path, 'utf8')).split(/\r?\n/);
    return lines.at(-1) === '' ? lines.slice(0, -1) : lines;
  } catch {
    return undefined;
  }
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
