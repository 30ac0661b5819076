import { closeSync, readSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ToolkitError, type Where } from '../errors.ts';
import { type FileRange, openRange } from '../files/file-range.ts';
import { sourceOf } from '../source.ts';
import { byteLengthOf, type DType, dtypeBytes, type TensorSource } from '../tensor.ts';
import { isJson, type Json } from './config.ts';
import { mapped } from './elementwise.ts';
import { plainName } from './shards.ts';
import { generationOfVersion, type Storage, type StoredWeights } from './stored.ts';

/** Whether a JSON is a model.json of TensorFlow.js. */
export function isTfjs(json: Json): boolean {
  return 'modelTopology' in json || 'weightsManifest' in json;
}

/**
 * Opens a layers model of TensorFlow.js: its shards lie beside the JSON. Weights that were quantised to save space are
 * given back as float32 while they are read. Source: tfjs-converter/python/tensorflowjs, write_weights.py.
 *
 * Throws FILE_UNRECOGNISED for a graph model, FILE_MISSING, FILE_TRUNCATED, KERAS_CONFIG_INVALID, KERAS_FILE_UNSAFE.
 */
export function openTfjs(json: Json, file: string): Storage {
  const topology = isJson(json['modelTopology']) ? json['modelTopology'] : {};
  const architecture = isJson(topology['model_config']) ? topology['model_config'] : topology;
  if (json['format'] === 'graph-model' || !('class_name' in architecture)) throw notLayers(file);
  const stated = topology['keras_version'];
  const isKeras = typeof stated === 'string' && /^\d/.test(stated);
  const version = isKeras ? stated : undefined;
  const open: FileRange[] = [];
  const close = (): void => {
    for (const { fd } of open.splice(0)) closeSync(fd);
  };
  try {
    return {
      file,
      close,
      stored: {
        layout: 'flat',
        generation: isKeras ? generationOfVersion(stated) : 'tf.keras',
        version,
        evidence: `a layers model of TensorFlow.js${isKeras ? `, keras_version "${stated}"` : ''}`,
        backend: 'tensorflow',
        architecture,
        layers: [{ name: 'weightsManifest', weights: weightsOf(json, file, open) }],
      },
    };
  } catch (error) {
    close();
    throw error;
  }
}

function notLayers(file: string): ToolkitError {
  return new ToolkitError(
    'FILE_UNRECOGNISED',
    'Expected a layers model of TensorFlow.js, but this is a graph model: it has no layers of Keras',
    { where: { file }, hint: 'Give the Keras file (.h5 or .keras) that it was made from.' },
  );
}

function weightsOf(json: Json, file: string, open: FileRange[]): StoredWeights {
  const groups: unknown = json['weightsManifest'];
  if (!Array.isArray(groups)) throw invalid('Expected a list', { file, path: '/weightsManifest' });
  return groups.flatMap((group: unknown, i) => {
    const where = { file, path: `/weightsManifest/${i}` };
    if (!isJson(group)) throw invalid('Expected a group of weights', where);
    const { paths, weights } = group;
    if (!Array.isArray(paths) || !Array.isArray(weights)) {
      throw invalid('Expected "paths" and "weights"', where);
    }
    const parts = paths.map((path: unknown) =>
      openRange(join(dirname(file), plainName(String(path), file))),
    );
    open.push(...parts);
    return groupWeights(weights, parts, where);
  });
}

/** The weights of a group lie one after the other in its shards, whose ends fall anywhere. */
function groupWeights(
  weights: readonly unknown[],
  parts: readonly FileRange[],
  where: Where,
): StoredWeights {
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  let at = 0;
  const result = weights.map((item, i) => {
    const place = { ...where, path: `${where.path ?? ''}/weights/${i}` };
    if (!isJson(item)) throw invalid('Expected a weight', place);
    const stored = storedForm(item, place);
    const start = at;
    at += byteLengthOf(stored);
    const raw = rawSource(stored, parts, start);
    return { name: String(item['name']), source: restored(raw, item, place) };
  });
  if (at === total) return result;
  throw new ToolkitError(
    at > total ? 'FILE_TRUNCATED' : 'KERAS_WEIGHT_SHAPE',
    `The weights of a group take ${at} bytes, but its shards have ${total}`,
    {
      where: { ...where, file: parts[0]?.file ?? where.file },
      hint: 'A download broke off, or a shard is of another model: fetch all parts again.',
    },
  );
}

type Form = Pick<TensorSource, 'dtype' | 'shape'>;

/** Type and shape in the file: the type is that of the quantisation, where there is one. */
function storedForm(item: Json, where: Where): Form {
  const { quantization, shape } = item;
  const stated = isJson(quantization) ? quantization['dtype'] : item['dtype'];
  const dtype = Object.keys(dtypeBytes).find((name): name is DType => name === stated);
  if (dtype === undefined)
    throw invalid(`Expected a type of numbers, but found "${String(stated)}"`, where);
  if (!Array.isArray(shape) || !shape.every(isDim)) throw invalid('Expected a shape', where);
  return { dtype, shape };
}

function isDim(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Reads over the ends of shards. */
function rawSource(
  { dtype, shape }: Form,
  parts: readonly FileRange[],
  from: number,
): TensorSource {
  const width = dtypeBytes[dtype];
  return sourceOf(dtype, shape, (start, count, into) => {
    const out = into ? into.subarray(0, count * width) : new Uint8Array(count * width);
    let skip = from + start * width;
    let done = 0;
    for (const { fd, length } of parts) {
      const here = Math.max(0, Math.min(length - skip, out.length - done));
      if (here > 0) done += readSync(fd, out, done, here, skip);
      skip = Math.max(0, skip - length);
    }
    if (done < out.length) throw new Error('Bug: the shards were measured wrongly');
    return out;
  });
}

/** value = minimum + scale · quantised; float16 has neither. */
function restored(raw: TensorSource, item: Json, where: Where): TensorSource {
  const { quantization } = item;
  if (!isJson(quantization) || raw.dtype === 'float16') return raw;
  const { scale, min } = quantization;
  if (typeof scale !== 'number' || typeof min !== 'number') {
    throw invalid('Expected "scale" and "min" of a quantised weight', where);
  }
  return mapped(raw, (number) => min + scale * number);
}

function invalid(what: string, where: Where): ToolkitError {
  return new ToolkitError('KERAS_CONFIG_INVALID', what, {
    where,
    hint: 'Check that model.json was written by TensorFlow.js and was not edited by hand.',
  });
}
