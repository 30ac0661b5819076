import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertModel, type ModelOptions } from '../../src/convert/convert-model.ts';
import type { KerasGraph, KerasLayer, KerasModel, Kernels } from '../../src/keras/model.ts';
import { type OpenKerasOptions, openKeras } from '../../src/keras/open.ts';
import { type Array1, readNpy } from '../npy.ts';
import { shared } from '../shared.ts';
import { expectClose } from '../tolerance.ts';
import { runGraph } from './run-graph.ts';

/** `manifest.json` of a fixture: files by role, all relative to its folder. */
interface Manifest {
  readonly backend: string;
  readonly case: string;
  readonly dim_ordering: 'channels_first' | 'channels_last';
  readonly generation: string;
  readonly kind: string;
  readonly layers: readonly string[];
  readonly tolerance: { readonly rtol: number; readonly atol: number };
  readonly files: {
    readonly model?: string;
    /** A `.keras` archive. */
    readonly keras?: string;
    readonly weights?: string;
    readonly weights_legacy_layout?: string;
    readonly arch?: string;
    readonly inputs: readonly string[];
    readonly expected: readonly string[];
    readonly features?: Readonly<Record<string, string>>;
    /** Of trainings: the data, and what the trained model says of it. */
    readonly X?: string;
    readonly pred_after?: string;
  };
}

/** A model that a real Keras saved, with inputs and that Keras' own answers. */
export interface Fixture {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly kernels: Kernels;
}

/** A way in which a fixture's model is kept. */
export interface Form {
  readonly file: string;
  readonly arch?: string;
}

export function readFixture(generation: string, name: string): Fixture {
  return fixtureIn(shared(`fixtures/${generation}/${name}`));
}

/** The fixture in a folder that has a `manifest.json`. */
export function fixtureIn(folder: string): Fixture {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the script that made the fixtures writes this
  const said = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;
  const manifest = said.kind === 'train' ? { ...said, files: trained(said.files) } : said;
  const kernels = manifest.backend === 'theano' ? 'theano' : 'tensorflow';
  return { folder, manifest, kernels };
}

/** Of a training, the model as it was saved afterwards, with what it then predicted. */
function trained(files: Manifest['files']): Manifest['files'] {
  return { ...files, inputs: [files.X ?? ''], expected: [files.pred_after ?? ''] };
}

/** Names of a generation's fixtures. */
export function fixtureNames(generation: string): readonly string[] {
  const folder = shared(`fixtures/${generation}`);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => existsSync(join(folder, name, 'manifest.json')));
}

/** Every form that the model is kept in: as a whole, as an archive, and as weights with their architecture. */
export function formsOf({ folder, manifest: { files } }: Fixture): readonly Form[] {
  const arch = files.arch;
  const whole = [files.model, files.keras].flatMap((file) => (file ? [{ file }] : []));
  const apart = [files.weights, files.weights_legacy_layout].flatMap((file) =>
    file && arch ? [{ file, arch: join(folder, arch) }] : [],
  );
  return [...whole, ...apart]
    .map((form) => ({ ...form, file: join(folder, form.file) }))
    .filter(({ file }) => existsSync(file));
}

export function arraysOf(fixture: Fixture, files: readonly string[]): readonly Array1[] {
  return files.map((file) => readNpy(join(fixture.folder, file)));
}

export async function withModel<T>(
  form: Form,
  options: Pick<OpenKerasOptions, 'kernels' | 'ordering'>,
  use: (model: KerasModel) => Promise<T>,
): Promise<T> {
  const model = await openKeras(form.file, { arch: form.arch, ...options });
  try {
    return await use(model);
  } finally {
    model.close();
  }
}

/** What a person would have to say about a fixture: Keras 1 does not record it. */
export function saidOf({
  manifest,
  kernels,
}: Fixture): Pick<OpenKerasOptions, 'kernels' | 'ordering'> {
  const ordering = manifest.dim_ordering === 'channels_first' ? 'th' : 'tf';
  return /^k[01]/.test(manifest.generation) ? { kernels, ordering } : { kernels };
}

/** Converts and runs a model and compares every output, numbers and declared shape, with Keras' own. */
export async function compare(
  fixture: Fixture,
  model: KerasModel,
  options: ModelOptions = {},
): Promise<void> {
  const { files, tolerance } = fixture.manifest;
  const { graph } = convertModel(model, options);
  const results = await runGraph(graph, arraysOf(fixture, files.inputs));
  arraysOf(fixture, files.expected).forEach((expected, i) => {
    const output = graph.outputs[i];
    const actual = results.get(output?.name ?? '');
    expectSame(actual, expected, tolerance);
    const isTold = output?.shape.every(
      (dim, axis) => typeof dim === 'string' || dim === actual?.shape[axis],
    );
    if (!isTold) throw new Error(`Declared as [${output?.shape}], but is [${actual?.shape}]`);
  });
}

/** Today's names of all layers in a model, wrapped and nested ones too; operations are one kind. */
export function classesIn(graph: KerasGraph): readonly string[] {
  const found = graph.layers.flatMap(classesOf);
  return [...new Set(found)].toSorted();
}

function classesOf({ className, model, wrapped = [] }: KerasLayer): readonly string[] {
  const own = className.startsWith('ops.') ? 'operations' : className;
  return [own, ...(model ? classesIn(model) : []), ...wrapped.flatMap(classesOf)].filter(
    (name) => name !== 'InputLayer',
  );
}

export function expectSame(
  actual: Array1 | undefined,
  expected: Array1,
  tolerance: { readonly rtol: number; readonly atol: number },
): void {
  if (String(actual?.shape) !== String(expected.shape)) {
    throw new Error(`Shape [${actual?.shape}], expected [${expected.shape}]`);
  }
  expectClose(actual?.data ?? [], expected.data, tolerance);
}
