import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { convert } from '../../src/convert/convert.ts';
import { readModel } from '../../src/onnx/read.ts';
import { openSession, type Tensor } from '../../src/runtime/session.ts';
import { train } from '../../src/train/train.ts';
import { temporaryFolder } from '../files.ts';
import { readNpy } from '../npy.ts';
import { expectClose } from '../tolerance.ts';

const fixtures = fileURLToPath(new URL('../fixtures/end-to-end/', import.meta.url));
const expectation = z.object({
  loss: z.array(z.number()),
  acc: z.array(z.number()).optional(),
  outputs: z.array(z.array(z.number())),
});

/** Outputs of a model for the first samples. */
async function outputsOf(path: string, name: string, count: number): Promise<ArrayLike<number>> {
  const x = readNpy(join(fixtures, `${name}.x.npy`));
  const session = await openSession(readModel(path));
  try {
    const [input] = session.inputs;
    const data = x.data.slice(0, (x.data.length / (x.shape[0] ?? 1)) * count);
    const shape = [count, ...x.shape.slice(1)];
    const feed: Tensor =
      input?.dtype === 'int32'
        ? { dtype: 'int32', shape, data: Int32Array.from(data) }
        : { dtype: 'float32', shape, data };
    const results = await session.run({ [input?.name ?? '']: feed });
    return Array.from(results[session.outputs[0]?.name ?? '']?.data ?? [], Number);
  } finally {
    await session.close();
  }
}

/** Models whose convolutions keep their normalisations apart: these layers' outputs are asked for. */
const models = [
  { name: 'mobilenet', features: ['stem', 'depthwise', 'pointwise'] },
  { name: 'text', features: [] },
  { name: 'regression', features: [] },
] as const;

describe('a .keras file, converted and trained on', () => {
  it.each(models)(
    'learns all its layers as Keras does: $name',
    async ({ name, features }) => {
      const folder = temporaryFolder();
      const [base, output] = [join(folder, 'base.onnx'), join(folder, 'tuned.onnx')];
      await convert(join(fixtures, `${name}.keras`), { output: base, features });
      const { history } = await train({
        base,
        output,
        arrays: {
          x: join(fixtures, `${name}.x.npy`),
          y: join(fixtures, `${name}.y.npy`),
          task: name === 'regression' ? 'regression' : 'classes',
        },
        head: 'keep',
        stages: [{ train: 'all', epochs: 3 }],
        batchSize: 8,
        shuffle: false,
        batchNorm: 'train',
        optimizer: { name: 'sgd', learningRate: 0.05, momentum: 0.9 },
        checkpoints: false,
      });
      const json: unknown = JSON.parse(readFileSync(join(fixtures, `${name}.json`), 'utf8'));
      const { loss, acc, outputs } = expectation.parse(json);
      expectClose(
        history.map((epoch) => epoch.loss),
        loss,
      );
      if (acc) expect(history.map((epoch) => epoch.acc)).toEqual(acc);
      expectClose(await outputsOf(output, name, outputs.length), outputs.flat());
    },
    60_000,
  );
});
