import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { openHdf5 } from '../../../src/keras/h5.ts';
import { sizeOf } from '../../../src/tensor.ts';
import { type Array1, readNpy } from '../../npy.ts';
import { hasShared, shared } from '../../shared.ts';
import { expectSame, withModel } from '../real-keras.ts';
import { runGraph } from '../run-graph.ts';

/** An entry of `manifest.json`: a file found in the wild, and what Keras computed with it. */
interface Entry {
  readonly slug: string;
  readonly file: string;
  readonly backend?: string;
  /** Name of an architecture, then words. */
  readonly architecture_json?: string;
  readonly expected_outputs?: {
    readonly oracle: string;
    readonly expected: readonly string[];
    /** Files, or words about a group of an HDF5 file. */
    readonly input: readonly string[] | string;
  };
}

/** Files that must be refused, and the code. */
const refused: Readonly<Record<string, string>> = {
  // Lambda layers of which nobody knows what they compute.
  'konduitai-dl4j-test-resources/sequential_lambda.h5': 'KERAS_LAYER_UNSUPPORTED',
  // Layers of other packages.
  'hls4ml-example-models/KERAS_3layer_binary_smaller_weights.h5': 'KERAS_LAYER_UNSUPPORTED',
  'hls4ml-example-models/hgq_jet_classifier.h5': 'KERAS_LAYER_UNSUPPORTED',
  'hls4ml-example-models/qkeras-v3_3layer.keras': 'KERAS_LAYER_UNSUPPORTED',
  // A model of Python code of its own.
  'keras-team-keras/pre_pr22362_nested_container.keras': 'KERAS_LAYER_UNSUPPORTED',
  // Two members of one name.
  'evil_keras/model.keras': 'KERAS_FILE_UNSAFE',
  // A pointer of Git LFS.
  'rukon-uddin-lfs-pointer/unet.h5': 'FILE_UNRECOGNISED',
};

/** Preprocessing that its authors published beside the files. */
const lambdas = { lambda_1: 'x/127.5-1' };

const tolerance = { rtol: 1e-4, atol: 2e-5 };

function entries(): readonly Entry[] {
  if (!hasShared) return [];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the script that collected the files writes this
  const all = JSON.parse(readFileSync(shared('real/manifest.json'), 'utf8')) as readonly Entry[];
  return all.filter(
    ({ slug, file }) =>
      /\.(h5|hdf5|keras)$/.test(file) && existsSync(shared(`real/${slug}/${file}`)),
  );
}

function nameOf({ slug, file }: Entry): string {
  return `${slug}/${file}`;
}

async function inputsOf(folder: string, said: readonly string[] | string): Promise<Array1[]> {
  if (typeof said !== 'string') return said.map((name) => readNpy(join(folder, name)));
  const name = /(\S+\.h5)/.exec(said)?.[1] ?? '';
  const h5 = await openHdf5(join(folder, name));
  try {
    return h5.members('/inputs').map((input) => {
      const source = h5.dataset(`/inputs/${input}`);
      const { shape, dtype } = source;
      const bytes = source.read(0, sizeOf(shape)).slice().buffer;
      const numbers = dtype === 'float64' ? new Float64Array(bytes) : new Float32Array(bytes);
      return { shape, data: Float32Array.from(numbers) };
    });
  } finally {
    h5.close();
  }
}

async function check({ slug, file, ...entry }: Entry): Promise<void> {
  const folder = shared(`real/${slug}`);
  const arch = /(\S+\.json)/.exec(entry.architecture_json ?? '')?.[1];
  const isTheano = entry.expected_outputs?.oracle.includes('Theano') === true;
  // Keras 1 does not say which backend it ran on.
  const kernels = isTheano && entry.backend === undefined ? 'theano' : undefined;
  const form = { file: join(folder, file), ...(arch ? { arch: join(folder, arch) } : {}) };
  await withModel(form, { kernels }, async (model) => {
    const hasLambda = model.graph.layers.some(({ name }) => Object.hasOwn(lambdas, name));
    const { graph } = convertModel(model, hasLambda ? { lambdas } : {});
    const { expected = [], input = [] } = entry.expected_outputs ?? {};
    if (expected.length === 0) return;
    const results = await runGraph(graph, await inputsOf(folder, input));
    for (const [i, name] of expected.entries()) {
      const actual = results.get(graph.outputs[i]?.name ?? '');
      expectSame(actual, readNpy(join(folder, name)), tolerance);
    }
  });
}

describe.skipIf(!hasShared)('files found in the wild (skipped without ../shared)', () => {
  it.each(
    entries()
      .filter((entry) => !(nameOf(entry) in refused))
      .map((entry) => [nameOf(entry), entry] as const),
  )('%s', async (_, entry) => {
    await check(entry);
  });

  it.each(
    entries()
      .filter((entry) => nameOf(entry) in refused)
      .map((entry) => [nameOf(entry), entry] as const),
  )('%s is refused', async (_, entry) => {
    await expect(check(entry)).rejects.toMatchObject({ code: refused[nameOf(entry)] });
  });
});
