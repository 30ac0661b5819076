import { createHash } from 'node:crypto';
import { ToolkitError } from '../../errors.ts';
import type { StoredModel } from '../../onnx/read.ts';
import { openSession, type SessionOptions, type Tensor } from '../../runtime/session.ts';
import { sizeOf, type Value } from '../../tensor.ts';
import { stopPoint } from '../interruption.ts';
import type { CutPoint } from '../plan/cut-point.ts';
import { memoryRows, type Targets } from '../rows.ts';
import { checkLabels, checkSeveral, isLabels } from './labels.ts';
import { type NumpyArray, readNumpy } from './npy.ts';
import type { DataSource, Part, Prepared, SourceEvents } from './source.ts';

/** NumPy files to learn from. */
export interface ArrayFiles {
  /** What goes into the model: [samples, ...]. */
  readonly x: string;
  /** Class numbers [samples], one-hot or soft targets [samples, K], or numbers to be predicted. */
  readonly y: string;
  readonly validX?: string | undefined;
  readonly validY?: string | undefined;
  /** Without files for validation: the share of the samples, from the end, that is for validation; as Keras' `fit`. */
  readonly split?: number | undefined;
  /** Whether the targets are classes, not numbers to be predicted. */
  readonly isClasses: boolean;
  /** What the classes are called, where that is known; their numbers by default. */
  readonly names?: readonly string[] | undefined;
}

interface Samples {
  readonly count: number;
  /** Shape of one. */
  readonly sample: readonly number[];
  readonly x: Float32Array;
  readonly targets: Targets;
  readonly labels: Uint32Array | undefined;
}

/** Samples from NumPy files, all in memory. Throws DATASET_EMPTY, DATASET_CLASSES and what `readNumpy` throws. */
export async function arraySource(
  files: ArrayFiles,
  options: Pick<SessionOptions, 'provider' | 'threads'>,
  events: SourceEvents,
): Promise<DataSource> {
  const { outputs, train, valid } = await readParts(files);
  if (files.isClasses) checkSeveral(train, files.y);
  return {
    classes: files.isClasses ? namesOf(files, outputs) : undefined,
    outputs,
    sample: train.sample,
    counts: { train: train.count, valid: valid?.count ?? 0 },
    identity: digestOf([train, valid]),
    holding: () => ({ isInMemory: true, words: 'in memory' }),
    async prepare({ part, model, cut }) {
      const samples = part === 'valid' && valid ? valid : train;
      const features = await featuresOf(model, cut, { samples, options, part, events });
      return prepared(samples, features, cut);
    },
  };
}

function namesOf({ names }: ArrayFiles, outputs: number): readonly string[] {
  if (names?.length === outputs) return names;
  return Array.from({ length: outputs }, (_, i) => String(i));
}

interface Parts {
  readonly outputs: number;
  readonly train: Samples;
  readonly valid: Samples | undefined;
}

async function readParts(files: ArrayFiles): Promise<Parts> {
  const { validX, validY, split = 0, names = [] } = files;
  const y = await readNumpy(files.y);
  const outputs =
    files.isClasses && isLabels(y) ? Math.max(classesOf(y), names.length) : widthOf(y);
  const whole = samplesOf(await readNumpy(files.x), y, { files, outputs });
  if (validX !== undefined && validY !== undefined) {
    const own = { ...files, x: validX, y: validY };
    const given = samplesOf(await readNumpy(validX), await readNumpy(validY), {
      files: own,
      outputs,
    });
    return { outputs, train: whole, valid: given };
  }
  const kept = Math.floor(whole.count * (1 - split));
  if (kept === 0) throw empty(files.x);
  const valid = kept < whole.count ? slice(whole, kept, whole.count) : undefined;
  return { outputs, train: slice(whole, 0, kept), valid };
}

function classesOf({ data }: NumpyArray): number {
  return data.reduce((most, value) => Math.max(most, value), 0) + 1;
}

function widthOf({ shape, data }: NumpyArray): number {
  return data.length / Math.max(1, shape[0] ?? 1);
}

function samplesOf(
  x: NumpyArray,
  y: NumpyArray,
  { files, outputs }: { readonly files: ArrayFiles; readonly outputs: number },
): Samples {
  const [count = 0, ...sample] = x.shape;
  if (count === 0) throw empty(files.x);
  if (y.shape[0] !== count) {
    throw new ToolkitError(
      'DATASET_CLASSES',
      `There should be a target for each of the ${count} samples, but there are ${y.shape[0] ?? 0}`,
      { where: { file: files.y }, hint: 'Both arrays have the samples on their first axis.' },
    );
  }
  if (!files.isClasses || !isLabels(y)) {
    const labels = files.isClasses
      ? Uint32Array.from({ length: count }, (_, row) => largest(y.data, row * outputs, outputs))
      : undefined;
    return { count, sample, x: x.data, targets: y.data, labels };
  }
  checkLabels(y, outputs, files.y);
  const targets = new Float32Array(count * outputs);
  y.data.forEach((label, row) => {
    targets[row * outputs + label] = 1;
  });
  return { count, sample, x: x.data, targets, labels: Uint32Array.from(y.data) };
}

function largest(data: Float32Array, from: number, width: number): number {
  let best = 0;
  for (let i = 1; i < width; i++) if ((data[from + i] ?? 0) > (data[from + best] ?? 0)) best = i;
  return best;
}

function slice(
  { count, sample, x, targets, labels }: Samples,
  first: number,
  last: number,
): Samples {
  const part = <T extends Float32Array | BigInt64Array>(all: T): T => {
    const width = all.length / count;
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a part of an array is of its kind
    return all.subarray(first * width, last * width) as T;
  };
  return {
    count: last - first,
    sample,
    x: part(x),
    targets: part(targets),
    labels: labels?.subarray(first, last),
  };
}

/** Samples a run of the frozen part. */
const runSize = 64;

interface FeatureWork {
  readonly samples: Samples;
  readonly options: Pick<SessionOptions, 'provider' | 'threads'>;
  readonly part: Part;
  readonly events: SourceEvents;
}

async function featuresOf(
  model: StoredModel,
  cut: CutPoint,
  { samples, options, part, events }: FeatureWork,
): Promise<Float32Array> {
  const { input, sizes } = inputOf(model, samples);
  const width = samples.x.length / samples.count;
  if (cut.name === input.name) return samples.x;
  const session = await openSession(model, { ...options, outputs: [cut.name] });
  try {
    const features = new Float32Array(samples.count * cut.width);
    for (let at = 0; at < samples.count; at += runSize) {
      await stopPoint(events.signal);
      const count = Math.min(runSize, samples.count - at);
      const numbers = samples.x.slice(at * width, (at + count) * width);
      const feed = inputTensor(input, [count, ...sizes], numbers);
      const result = (await session.run({ [input.name]: feed }, [cut.name]))[cut.name]?.data;
      if (!(result instanceof Float32Array)) throw new Error(`Bug: "${cut.name}" is no float32`);
      features.set(result, at * cut.width);
      events.onProgress(part, { done: at + count, total: samples.count, cached: 0 });
    }
    return features;
  } finally {
    await session.close();
  }
}

/** What a model is fed, and the sizes of a sample: those that it leaves open are the samples' own. */
function inputOf(
  model: StoredModel,
  { x, count, sample }: Samples,
): { readonly input: Value; readonly sizes: readonly number[] } {
  const [input] = model.inputs;
  const sizes = (input?.shape.slice(1) ?? []).map(Number);
  const [expected, width] = [sizeOf(sizes), x.length / count];
  if (input && Number.isNaN(expected)) return { input, sizes: sample };
  if (input && expected === width) return { input, sizes };
  throw new ToolkitError(
    'DATASET_CLASSES',
    `The model takes [${input?.shape.join(', ') ?? ''}], but a sample has ${width} numbers`,
    { where: { file: model.path }, hint: 'Bring the array to the shape of the input.' },
  );
}

/** The numbers in the type that the model takes: words and classes are whole numbers. */
function inputTensor(
  { dtype }: { readonly dtype: Tensor['dtype'] },
  shape: readonly number[],
  numbers: Float32Array,
): Tensor {
  if (dtype === 'int32') return { dtype, shape, data: Int32Array.from(numbers) };
  if (dtype === 'int64') {
    return {
      dtype,
      shape,
      data: BigInt64Array.from(numbers, (value) => BigInt(Math.trunc(value))),
    };
  }
  return { dtype: 'float32', shape, data: numbers };
}

function prepared(samples: Samples, features: Float32Array, cut: CutPoint): Prepared {
  const { targets, labels } = samples;
  return {
    examples: { rows: memoryRows(features, cut.width), targets },
    labels,
    skipped: [],
    preprocess: undefined,
    fingerprint: digestOf([samples]),
    close: () => Promise.resolve(),
  };
}

function digestOf(parts: readonly (Samples | undefined)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    for (const { buffer, byteOffset, byteLength } of part ? [part.x, part.targets] : []) {
      hash.update(new Uint8Array(buffer, byteOffset, byteLength));
    }
    hash.update('|');
  }
  return hash.digest('hex');
}

function empty(file: string): ToolkitError {
  return new ToolkitError('DATASET_EMPTY', 'There is no sample to learn from', {
    where: { file },
    hint: 'The first axis of the array is that of the samples.',
  });
}
