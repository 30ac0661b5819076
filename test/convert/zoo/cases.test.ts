import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { convertModel } from '../../../src/convert/convert-model.ts';
import { readNpy } from '../../npy.ts';
import { hasShared, shared } from '../../shared.ts';
import { expectSame, type Form, withModel } from '../real-keras.ts';
import { runGraph } from '../run-graph.ts';

/** `case.json` of a case made after a public bug report. */
interface Case {
  readonly id: string;
  readonly expect: string;
  readonly models?: readonly string[];
  readonly inputs?: readonly { readonly file: string }[];
  readonly outputs?: readonly { readonly file: string }[];
  readonly atol: number;
  readonly rtol: number;
}

/** Cases whose models must be refused; all others with "match" must give Keras' own numbers. */
const refused = new Set(['a14-stateful-lstm', 'a24-lambda-refused', 'a25-custom-layer-refused']);

function casesIn(folder: string): readonly Case[] {
  if (!hasShared) return [];
  return readdirSync(folder)
    .filter((name) => /^[ad]\d/.test(name) && existsSync(join(folder, name, 'case.json')))
    .map(
      (name) =>
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the scripts that made the cases write this
        JSON.parse(readFileSync(join(folder, name, 'case.json'), 'utf8')) as Case,
    );
}

const models = casesIn(shared('cases'))
  .filter(({ id, expect: wanted }) => wanted === 'match' || refused.has(id))
  .flatMap((each) =>
    (each.models ?? []).map((model) => [`${each.id}/${model}`, each, model] as const),
  );

async function check({ id, inputs = [], outputs = [], ...tolerance }: Case, model: string) {
  const folder = shared(`cases/${id}`);
  const path = (file: string): string => join(folder, file);
  const [, arch, weights] = /^(\S+\.json) \+ (\S+)$/.exec(model) ?? [];
  const form: Form =
    arch && weights ? { file: path(weights), arch: path(arch) } : { file: path(model) };
  await withModel(form, {}, async (keras) => {
    const { graph } = convertModel(keras);
    const results = await runGraph(
      graph,
      inputs.map(({ file }) => readNpy(path(file))),
    );
    for (const [i, { file }] of outputs.entries()) {
      expectSame(results.get(graph.outputs[i]?.name ?? ''), readNpy(path(file)), tolerance);
    }
  });
}

describe.skipIf(!hasShared)('models after public bug reports (skipped without ../shared)', () => {
  it.each(models.filter(([, { id }]) => !refused.has(id)))('%s', async (_, each, model) => {
    await check(each, model);
  });

  it.each(models.filter(([, { id }]) => refused.has(id)))(
    '%s is refused',
    async (_, each, model) => {
      await expect(check(each, model)).rejects.toMatchObject({ code: 'KERAS_LAYER_UNSUPPORTED' });
    },
  );

  it('hard_sigmoid of a Keras 2 file is steeper than that of Keras 3', async () => {
    const [each] = models.flatMap(([, one]) =>
      one.id === 'a46-hard-sigmoid-versions' ? [one] : [],
    );
    const outputs = [1, 2, 3].map((i) => ({ file: `expected_keras2_${i}.npy` }));
    if (each) await check({ ...each, outputs }, 'model.h5');
  });

  it.each(['maxout', 'highway', 'srelu', 'psoftplus', 'thresholded', 'conv1d'])(
    'b13-keras1-layers/model_%s.h5',
    async (name) => {
      const inputs = [{ file: `input_${name}.npy` }];
      const outputs = [{ file: `expected_${name}.npy` }];
      const each = { id: 'b13-keras1-layers', expect: 'match', atol: 1e-5, rtol: 1e-4 };
      await check({ ...each, inputs, outputs }, `model_${name}.h5`);
    },
  );
});
