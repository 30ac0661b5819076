import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { convert } from '../../src/convert/convert.ts';
import { ToolkitError } from '../../src/errors.ts';
import { readModel } from '../../src/onnx/read.ts';
import { openNetworkTraining } from '../../src/train/network-training.ts';
import { makeOptimizer } from '../../src/train/optimizers.ts';
import { replay } from '../../src/train/replay.ts';
import { temporaryFolder } from '../files.ts';
import { hasShared, shared } from '../shared.ts';

/** All weights of a converted model learn from one batch of ones; false where it has no weights. */
async function learn(path: string): Promise<boolean> {
  const model = readModel(path);
  const { graph, end } = replay(model);
  const parameters = [...graph.initializers]
    .filter(([, { dtype, shape }]) => dtype === 'float32' && shape.length > 0)
    .map(([name]) => ({ name }));
  if (parameters.length === 0 || model.outputs.length > 1) return false;
  graph.output(end);
  const count = 2;
  /** Of sizes that a model leaves open. */
  const steps = 3;
  const training = await openNetworkTraining({
    graph,
    parameters,
    batchNormalization: {},
    loss: 'mean_squared_error',
    optimizer: makeOptimizer({ name: 'sgd', learningRate: 1e-3 }),
    batchSize: count,
  });
  const size = (shape: readonly (number | string)[]): number =>
    shape
      .slice(1)
      .reduce<number>((product, dim) => product * (typeof dim === 'number' ? dim : steps), count);
  try {
    const inputs = graph.inputs.map(({ shape }) => new Float32Array(size(shape)).fill(1));
    const targets = new Float32Array(size(end.shape));
    await training.step({ inputs, targets, count }, { learningRate: 1e-3 });
  } finally {
    await training.close();
  }
  return true;
}

it.skipIf(!hasShared)(
  'every network of one layer or more that can be converted can be trained (skipped without the fixtures beside the checkout)',
  async () => {
    const root = shared('fixtures/k2.2.4-tf-cl');
    const output = join(temporaryFolder(), 'model.onnx');
    const refused: string[] = [];
    let learnt = 0;
    for (const name of readdirSync(root)) {
      const file = join(root, name, 'model.h5');
      if (!existsSync(file)) continue;
      try {
        await convert(file, { output, force: true });
      } catch (error) {
        if (error instanceof ToolkitError) continue;
        throw error;
      }
      try {
        if (await learn(output)) learnt += 1;
      } catch (error) {
        refused.push(`${name}: ${String(error)}`);
      }
    }
    expect(learnt).toBeGreaterThan(45);
    // What has no gradient: loops, and maps of a size known at run time only.
    const allowed =
      /ToolkitError: (No gradient is known|Nothing can be trained).*(Scan|Loop|Conv over)/;
    expect(refused.filter((reason) => !allowed.test(reason))).toEqual([]);
  },
  120_000,
);
