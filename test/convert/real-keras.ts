import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { convertModel } from '../../src/convert/convert-model.ts';
import type { KerasModel, Kernels } from '../../src/keras/model.ts';
import { openKeras } from '../../src/keras/open.ts';
import { type Array1, readNpy } from '../npy.ts';
import { shared } from '../shared.ts';
import { expectClose } from '../tolerance.ts';
import { runGraph } from './run-graph.ts';

/** `manifest.json` of a fixture: files by role, all relative to its folder. */
interface Manifest {
  readonly backend: string;
  readonly case: string;
  readonly kind: string;
  readonly layers: readonly string[];
  readonly tolerance: { readonly rtol: number; readonly atol: number };
  readonly files: {
    readonly model?: string;
    readonly weights?: string;
    readonly arch?: string;
    readonly inputs: readonly string[];
    readonly expected: readonly string[];
    readonly features?: Readonly<Record<string, string>>;
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
  const folder = shared(`fixtures/${generation}/${name}`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the script that made the fixtures writes this
  const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;
  const kernels = manifest.backend === 'theano' ? 'theano' : 'tensorflow';
  return { folder, manifest, kernels };
}

/** Names of a generation's fixtures. */
export function fixtureNames(generation: string): readonly string[] {
  const folder = shared(`fixtures/${generation}`);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => existsSync(join(folder, name, 'manifest.json')));
}

/** The whole model, and the weights with their architecture, as far as they are there. */
export function formsOf({ folder, manifest: { files } }: Fixture): readonly Form[] {
  const whole = files.model?.endsWith('.h5') ? [{ file: join(folder, files.model) }] : [];
  const apart =
    files.weights && files.arch
      ? [{ file: join(folder, files.weights), arch: join(folder, files.arch) }]
      : [];
  return [...whole, ...apart].filter(({ file }) => existsSync(file));
}

export function arraysOf(fixture: Fixture, files: readonly string[]): readonly Array1[] {
  return files.map((file) => readNpy(join(fixture.folder, file)));
}

export async function withModel<T>(
  form: Form,
  kernels: Kernels | undefined,
  use: (model: KerasModel) => Promise<T>,
): Promise<T> {
  const model = await openKeras(form.file, { arch: form.arch, kernels });
  try {
    return await use(model);
  } finally {
    model.close();
  }
}

/** Converts and runs one form of a fixture and compares every output with Keras' own. */
export async function compare(fixture: Fixture, form: Form): Promise<void> {
  const { files, tolerance } = fixture.manifest;
  await withModel(form, fixture.kernels, async (model) => {
    const { graph } = convertModel(model);
    const results = await runGraph(graph, arraysOf(fixture, files.inputs));
    arraysOf(fixture, files.expected).forEach((expected, i) => {
      const actual = results.get(graph.outputs[i]?.name ?? '');
      expectSame(actual, expected, tolerance);
    });
  });
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
