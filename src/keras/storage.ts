import { closeSync, existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ToolkitError, type Where } from '../errors.ts';
import { type Archive, openArchive } from '../files/archive.ts';
import { type FileRange, openRange, readBytes, readText } from '../files/file-range.ts';
import { isJson, type Json, parseJson } from './config.ts';
import { archiveError, folderError, foreignError } from './foreign.ts';
import { type Hdf5File, openHdf5 } from './h5.ts';
import { recogniseRange } from './recognise.ts';
import { shardNames } from './shards.ts';
import { generationOfVersion, readStored, type Storage, treeOf } from './stored.ts';
import { isTfjs, openTfjs } from './tfjs.ts';

/** Architectures are texts; the largest known ones have a few megabytes. */
export const largestText = 256 * 1024 * 1024;

/**
 * Opens whatever Keras or TensorFlow.js keeps a model in, recognised by its content: HDF5, a `.keras` archive or the
 * folder it was unpacked to, a model cut into shards, TensorFlow.js' model.json.
 *
 * Throws FILE_*, KERAS_FILE_UNSAFE, KERAS_CONFIG_INVALID, KERAS_WEIGHT_MISSING.
 */
export async function openStorage(path: string): Promise<Storage> {
  if (existsSync(path) && statSync(path).isDirectory()) return openFolder(path);
  const range = openRange(path);
  const container = recognised(range);
  if (container === 'zip') return openKerasArchive(range);
  if (container === 'json') return openJson(range);
  return fromHdf5(await openHdf5(range));
}

function recognised(range: FileRange): ReturnType<typeof recogniseRange>['container'] {
  try {
    return recogniseRange(range).container;
  } catch (error) {
    closeSync(range.fd);
    throw error;
  }
}

/** Reads what HDF5 files hold; closes them when that fails. */
async function fromHdf5(h5: Hdf5File, read = readStored): Promise<Storage> {
  try {
    return await Promise.resolve({ file: h5.file, stored: read(h5), close: () => h5.close() });
  } catch (error) {
    h5.close();
    throw error;
  }
}

async function openKerasArchive(range: FileRange): Promise<Storage> {
  const archive = await openArchive(range);
  try {
    if (!archive.names.includes('config.json')) throw archiveError(archive.file, archive.names);
    const config = await memberJson(archive, 'config.json');
    const metadata = await memberJson(archive, 'metadata.json');
    const weights = await archive.member('model.weights.h5');
    if (!weights) throw noWeights(archive.file, archive.names);
    return await withConfig(weights, config ?? {}, metadata ?? {});
  } finally {
    archive.close();
  }
}

async function memberJson(archive: Archive, name: string): Promise<Json | undefined> {
  const range = await archive.member(name);
  return range && jsonOf(range, { file: archive.file, path: name });
}

function jsonOf(range: FileRange, where: Where): Json {
  try {
    return parseJson(readText(range, largestText), where);
  } finally {
    closeSync(range.fd);
  }
}

async function withConfig(weights: FileRange, config: Json, metadata: Json): Promise<Storage> {
  const stated = metadata['keras_version'];
  const version = typeof stated === 'string' ? stated : undefined;
  return fromHdf5(await openHdf5(weights), (h5) => {
    const stored = readStored(h5);
    return {
      ...stored,
      architecture: config,
      version: version ?? stored.version,
      generation: version === undefined ? stored.generation : generationOfVersion(version),
      evidence:
        version === undefined
          ? stored.evidence
          : `keras_version is "${version}" in metadata.json of the archive`,
    };
  });
}

function noWeights(file: string, names: readonly string[]): ToolkitError {
  const other = names.find((name) => name.startsWith('model.weights'));
  return new ToolkitError(
    other === undefined ? 'KERAS_WEIGHT_MISSING' : 'FILE_UNRECOGNISED',
    other === undefined
      ? 'The archive holds an architecture and no weights (model.weights.h5)'
      : `The archive keeps its weights in ${other}, which is not read: it is made of Python pickles`,
    {
      where: { file, path: other },
      hint: 'Save the model again with model.save("model.keras").',
    },
  );
}

async function openFolder(folder: string): Promise<Storage> {
  const config = join(folder, 'config.json');
  const weights = join(folder, 'model.weights.h5');
  if (!existsSync(config) || !existsSync(weights)) throw folderError(folder);
  const metadata = join(folder, 'metadata.json');
  return withConfig(
    openRange(weights),
    jsonOf(openRange(config), { file: config }),
    existsSync(metadata) ? jsonOf(openRange(metadata), { file: metadata }) : {},
  );
}

async function openJson(range: FileRange): Promise<Storage> {
  const where = { file: range.file };
  const head = readBytes(range, 0, 512);
  const json = jsonOf(range, where);
  if (isTfjs(json)) return openTfjs(json, range.file);
  if (!isJson(json['weight_map'])) throw foreignError(range.file, head);
  return openShards(shardNames(json, range.file), range.file);
}

async function openShards(names: readonly string[], file: string): Promise<Storage> {
  const parts: Hdf5File[] = [];
  const close = (): void => {
    for (const part of parts) part.close();
  };
  try {
    for (const name of names) parts.push(await openHdf5(join(dirname(file), name)));
    return { file, stored: treeOf(parts), close };
  } catch (error) {
    close();
    throw error;
  }
}
