// Checks the exported file against things that did not come from it: the head on cached features, the history that
// training wrote, and, for the digits, a logistic regression on the same features and split over three seeds.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  extractFeatures,
  fitLogistic,
  listImageFolder,
  loadModel,
  popLayer,
  predict,
  readModel,
  train,
} from '../dist/index.js';

/** Throws when the exported file is not what training said it is. */
export async function checkExport({ onnx, tuned, job, settings, provider }) {
  const history = JSON.parse(readFileSync(tuned.replace(/\.onnx$/, '.history.json'), 'utf8'));
  const { accuracy, worst } = await wholeAgainstHead({ onnx, tuned, job, provider });
  const claimed = history.epochs.at(-1).val_acc;
  report('Validation accuracy of the exported file, image by image', accuracy.toFixed(4));
  must(Math.abs(accuracy - claimed) < 1e-3, `training said ${claimed}`);
  report(
    'Exported file against head on cached features, largest difference',
    worst.toExponential(1),
  );
  must(worst <= 1e-5, 'more than 1e-5 in probability');
  if (job.baseline) await checkBaseline({ onnx, job, settings, provider });
  return { accuracy };
}

/** The whole network on the images, and the head alone on the features of the base. */
async function wholeAgainstHead({ onnx, tuned, job, provider }) {
  const folder = await listImageFolder(job.valid);
  const base = readModel(onnx);
  const features = await extractFeatures(base, popLayer(base), job.valid, { provider });
  const head = headOf(readModel(tuned));
  const labels = new Map(folder.files.map(({ path, label }) => [path, label]));
  const paths = features.files.map((file) => join(job.valid, file));
  const rows = new Map(paths.map((path, row) => [path, row]));
  const model = await loadModel(tuned, { provider });
  let [right, worst, count] = [0, 0, 0];
  try {
    const files = folder.files.map(({ path }) => path);
    for await (const { file, top } of predict(model, files, { top: head.classes })) {
      const expected = head.run(features, rows.get(file));
      for (const { index, probability } of top) {
        worst = Math.max(worst, Math.abs(probability - expected[index]));
      }
      right += Number(top[0].index === labels.get(file));
      count += 1;
    }
  } finally {
    await model.close();
  }
  return { accuracy: right / count, worst };
}

/** softmax(x · kernel + bias) in double precision, from the weights in the exported file. */
function headOf(model) {
  const tensors = [...model.initializers.values()].slice(-2);
  const [kernel, bias] = tensors.map((tensor) => {
    const bytes = tensor
      .read(
        0,
        tensor.shape.reduce((a, b) => a * b, 1),
      )
      .slice();
    return new Float32Array(bytes.buffer);
  });
  const classes = bias.length;
  return {
    classes,
    run({ features, width }, row) {
      const logits = Array.from(bias, (start, j) => {
        let sum = start;
        for (let i = 0; i < width; i++) sum += features[row * width + i] * kernel[i * classes + j];
        return sum;
      });
      const most = Math.max(...logits);
      const exps = logits.map((logit) => Math.exp(logit - most));
      const total = exps.reduce((a, b) => a + b, 0);
      return exps.map((value) => value / total);
    },
  };
}

/** Digits only: the settings are fixed beforehand, and nothing is chosen by the validation images. */
async function checkBaseline({ onnx, job, settings, provider }) {
  const base = readModel(onnx);
  const cut = popLayer(base);
  const sets = [];
  for (const folder of [job.train, job.valid]) {
    sets.push(await extractFeatures(base, cut, folder, { provider }));
  }
  const [fitted, validated] = sets;
  const baseline = fitLogistic(fitted, { classes: fitted.classes.length }).accuracy(validated);
  const accuracies = [];
  for (const seed of [0, 1, 2]) {
    const output = `${onnx}.seed${seed}.onnx`;
    const { history } = await train({
      base: onnx,
      train: job.train,
      valid: job.valid,
      output,
      seed,
      epochs: settings.epochs,
      dropout: settings.dropout,
      optimizer: { name: 'adam', learningRate: settings.lr },
      provider,
    });
    rmSync(output);
    accuracies.push(history.at(-1).val_acc);
  }
  const mean = accuracies.reduce((a, b) => a + b, 0) / accuracies.length;
  report('Logistic regression on the same features and split', baseline.toFixed(4));
  report('Head, mean of seeds 0, 1, 2', mean.toFixed(4));
  must(Math.abs(mean - baseline) <= 0.015, 'more than 0.015 from the logistic regression');
}

function report(what, value) {
  console.log(`${what}: ${value}`);
}

function must(isTrue, otherwise) {
  if (!isTrue) throw new Error(`The check failed: ${otherwise}`);
}
