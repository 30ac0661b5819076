import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertModel } from '../../src/convert/convert-model.ts';
import type { Kernels } from '../../src/keras/model.ts';
import { type Array1, readNpy } from '../npy.ts';
import { hasShared, shared } from '../shared.ts';
import { expectSame, type Form, withModel } from './real-keras.ts';
import { runGraph } from './run-graph.ts';

interface Case {
  readonly atol: number;
  readonly rtol: number;
}

function caseOf(name: string): {
  readonly folder: string;
  readonly tolerance: Case;
  readonly input: Array1;
  readonly expected: Array1;
} {
  const folder = shared(`cases/${name}`);
  return {
    folder,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the script that made the cases writes this
    tolerance: JSON.parse(readFileSync(join(folder, 'case.json'), 'utf8')) as Case,
    input: readNpy(join(folder, 'input.npy')),
    expected: readNpy(join(folder, 'expected.npy')),
  };
}

/** [N, C, H, W] to [N, H, W, C]. */
function channelsLast({ shape: [n = 1, c = 1, h = 1, w = 1], data }: Array1): Array1 {
  const moved = new Float32Array(data.length);
  let at = 0;
  for (let i = 0; i < n; i++) {
    for (let p = 0; p < h * w; p++) {
      for (let k = 0; k < c; k++) moved[at++] = data[(i * c + k) * h * w + p] ?? 0;
    }
  }
  return { shape: [n, h, w, c], data: moved };
}

async function outputOf(
  form: Form,
  kernels: Kernels | undefined,
  options: {
    readonly input: Array1;
    readonly inputLayout?: 'nchw' | 'nhwc';
    readonly features?: readonly string[];
  },
): Promise<ReadonlyMap<string, Array1>> {
  return withModel(form, { kernels }, async (model) => {
    const { graph } = convertModel(model, options);
    const results = await runGraph(graph, [options.input]);
    const first = results.get(graph.outputs[0]?.name ?? '');
    return first ? new Map([...results, ['first', first]]) : results;
  });
}

describe.skipIf(!hasShared)('cases from public bug reports (skipped without ../shared)', () => {
  const flip = hasShared ? caseOf('b01-theano-kernel-flip') : undefined;

  it.each(['model.h5', 'weights.h5'])('%s of Theano: kernels are turned', async (file) => {
    if (!flip) return;
    const arch = file === 'weights.h5' ? join(flip.folder, 'model.json') : undefined;
    const form = { file: join(flip.folder, file), ...(arch ? { arch } : {}) };
    const results = await outputOf(form, 'theano', { input: flip.input });
    expectSame(results.get('first'), flip.expected, flip.tolerance);
    const wrong = await outputOf(form, 'tensorflow', { input: flip.input });
    expect(() => expectSame(wrong.get('first'), flip.expected, flip.tolerance)).toThrow();
  });

  it('channels last kernels of Theano are turned too', async () => {
    if (!flip) return;
    const form = { file: join(flip.folder, 'model_tf_order.h5') };
    const results = await outputOf(form, 'theano', { input: channelsLast(flip.input) });
    expectSame(results.get('first'), flip.expected, flip.tolerance);
  });

  it('Flatten and Dense after channels first maps, for images of both layouts', async () => {
    const { folder, tolerance, input, expected } = caseOf('b02-th-flatten-dense');
    const form = { file: join(folder, 'model.h5') };
    const own = await outputOf(form, 'theano', { input });
    expectSame(own.get('first'), expected, tolerance);
    const moved = { input: channelsLast(input), inputLayout: 'nhwc' as const };
    expectSame((await outputOf(form, 'theano', moved)).get('first'), expected, tolerance);
  });

  it('weights by position, as Keras 0 kept them', async () => {
    const { folder, tolerance, input, expected } = caseOf('b15-legacy-nb-layers');
    const form = { file: join(folder, 'weights.h5'), arch: join(folder, 'model.json') };
    expectSame((await outputOf(form, 'theano', { input })).get('first'), expected, tolerance);
  });

  it('every layer as a feature', async () => {
    const { folder, tolerance, input, expected } = caseOf('d01-pop-last-layer');
    const features = ['conv', 'pool', 'flatten', 'fc1', 'drop', 'fc2', 'predictions'];
    const form = { file: join(folder, 'model.h5') };
    const results = await outputOf(form, undefined, { input, features });
    expectSame(results.get('predictions'), expected, tolerance);
    for (const layer of features) {
      expectSame(results.get(layer), readNpy(join(folder, `features_${layer}.npy`)), tolerance);
    }
  });
});
