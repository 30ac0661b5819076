import { ToolkitError } from '../errors.ts';
import { type LayerRecord, readCard } from '../onnx/card.ts';
import { readModel, type StoredModel } from '../onnx/read.ts';
import { openSession, type SessionOptions, type Tensor } from '../runtime/session.ts';
import { type NamedArray, openArrays } from './arrays.ts';
import { fedTo } from './cast.ts';
import { compare, type Difference, defaultTolerance, type Tolerance } from './compare.ts';
import { inKerasOrder } from './order.ts';
import { type Reference, referenceFor } from './reference.ts';

/** How a model is compared with a reference. */
export interface VerifyOptions extends Pick<SessionOptions, 'provider' | 'threads'> {
  /** Default 1e-5. */
  readonly atol?: number | undefined;
  /** Default 1e-4. */
  readonly rtol?: number | undefined;
  /** Compares the layers that the reference has arrays for, too; `true` asks for at least one. */
  readonly layers?: boolean | 'if given' | undefined;
}

/** One output or layer beside its reference. */
export interface Verified extends Difference {
  readonly name: string;
  /** Class of the Keras layer, where it is one. */
  readonly class: string | undefined;
}

/** What a comparison found. */
export interface Verification {
  readonly model: string;
  readonly tolerance: Tolerance;
  readonly outputs: readonly Verified[];
  /** In the model's order. */
  readonly layers: readonly Verified[];
  /** The first layer that differs, of those compared. */
  readonly firstDivergence: string | undefined;
  /** Layers with an array that were not compared: not asked for, or fused into their neighbours. */
  readonly notCompared: readonly string[];
  readonly isEqual: boolean;
}

/**
 * Runs a model on a reference's inputs and compares what it puts out, and its layers if asked, number by number.
 *
 * `files` are .npy or .npz files: see `openArrays` and `referenceFor`. Memory: the arrays of one comparison, and all
 * that the model puts out. Throws REFERENCE_INVALID, RUNTIME_*, FILE_*; a difference is a result, not an error.
 */
export async function verify(
  path: string,
  files: readonly string[],
  options: VerifyOptions = {},
): Promise<Verification> {
  const model = readModel(path);
  const records = readCard(model).layers ?? [];
  const opened = await openArrays(files);
  try {
    const reference = referenceFor(model, records, opened.arrays);
    return await compared(model, { records, reference, options });
  } finally {
    opened.close();
  }
}

interface Job {
  readonly records: readonly LayerRecord[];
  readonly reference: Reference;
  readonly options: VerifyOptions;
}

async function compared(model: StoredModel, job: Job): Promise<Verification> {
  const { records, reference, options } = job;
  const { atol = defaultTolerance.atol, rtol = defaultTolerance.rtol } = options;
  const tolerance = { atol, rtol };
  const wanted = wantedLayers(model, job);
  const results = await run(model, wanted, job);
  const outputs = [...reference.outputs].map(([name, array]) =>
    verified(name, results[name], { array, tolerance, records }),
  );
  const layers = wanted.map(({ record, array, value }) => {
    const actual = results[value];
    const ordered = actual && inKerasOrder(actual, record);
    return verified(record.name, ordered, { array, tolerance, records });
  });
  const known = new Set(wanted.map(({ record }) => record.name));
  return {
    model: model.path,
    tolerance,
    outputs,
    layers,
    firstDivergence: layers.find(({ isEqual }) => !isEqual)?.name,
    notCompared: [...reference.layers.keys()].filter((name) => !known.has(name)),
    isEqual: [...outputs, ...layers].every(({ isEqual }) => isEqual),
  };
}

interface WantedLayer {
  readonly record: LayerRecord;
  readonly array: NamedArray;
  readonly value: string;
}

function wantedLayers(model: StoredModel, { records, reference, options }: Job): WantedLayer[] {
  const { layers = false } = options;
  if (layers === false) return [];
  if (layers === true && reference.layers.size === 0) throw noLayers(model, records);
  return records.flatMap((record) => {
    const array = reference.layers.get(record.name);
    const value = record.output;
    return array && value !== null ? [{ record, array, value }] : [];
  });
}

function noLayers({ path }: StoredModel, records: readonly LayerRecord[]): ToolkitError {
  const names = records.slice(0, 20).map(({ name }) => name);
  return new ToolkitError('REFERENCE_INVALID', 'The reference has no array of a layer', {
    where: { file: path },
    hint:
      names.length === 0
        ? 'This model does not say what its layers are: only outputs can be compared.'
        : `Give an .npz with one array a layer, by its name: ${names.join(', ')}${records.length > 20 ? ', …' : ''}.`,
  });
}

async function run(
  model: StoredModel,
  wanted: readonly WantedLayer[],
  { reference, options }: Job,
): Promise<Record<string, Tensor>> {
  const values = [...reference.outputs.keys(), ...wanted.map(({ value }) => value)];
  const outputs = [...new Set(values)];
  if (outputs.length === 0) return {};
  const { provider, threads } = options;
  const session = await openSession(model, { provider, threads, outputs });
  try {
    const feeds = model.inputs.flatMap((input) => {
      const array = reference.inputs.get(input.name);
      return array ? [[input.name, fedTo(input, array)] as const] : [];
    });
    return await session.run(Object.fromEntries(feeds), outputs);
  } finally {
    await session.close();
  }
}

function verified(
  name: string,
  actual: Tensor | undefined,
  {
    array,
    tolerance,
    records,
  }: {
    readonly array: NamedArray;
    readonly tolerance: Tolerance;
    readonly records: readonly LayerRecord[];
  },
): Verified {
  if (!actual) throw new Error(`Bug: the model was not asked for "${name}"`);
  const record = records.find((layer) => layer.name === name);
  return { name, class: record?.class, ...compare(actual, array.read(), tolerance) };
}
