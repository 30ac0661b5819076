// The whole main job, offline: convert, look, predict, train a new head, check the exported file.
// Default: a small VGG16 trained on the digits 0 to 7, taught to tell 8 from 9, first by a new head, then by all of it.
// With the real thing: npm run demo -- --vgg16 vgg16.h5 --photos DIR (DIR/train/CLASS/*.jpg, DIR/valid/CLASS/*.jpg).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkExport } from './demo-check.mjs';
import { writeDigits, writeThreeSets } from './demo-digits.mjs';
import { splitPhotos } from './demo-photos.mjs';
import { checkStages, trainStages } from './demo-stages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values: options } = parseArgs({
  options: {
    vgg16: { type: 'string' },
    photos: { type: 'string' },
    out: { type: 'string', default: 'demo-output' },
    epochs: { type: 'string' },
    provider: { type: 'string', default: 'cpu' },
  },
});
if ((options.vgg16 === undefined) !== (options.photos === undefined)) {
  console.error('Give both --vgg16 PATH and --photos DIR, or neither for the digits.');
  process.exit(2);
}

const out = options.out;
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const job = options.vgg16 ? await photosJob() : await digitsJob();
// The digits have 64 features, too few to drop half of them, and an epoch takes milliseconds: it is trained to the end.
const settings = job.baseline ? { epochs: 100, lr: 0.01, dropout: 0 } : { epochs: 10, lr: 0.001 };
if (options.epochs) settings.epochs = Number(options.epochs);
const onnx = `${out}/${job.name}.onnx`;
const tuned = `${out}/${job.name}-tuned.onnx`;
const sheet = `${out}/${job.name}-predictions.png`;

step('Convert the Keras file to ONNX');
graft('convert', job.weights, '-o', onnx, ...job.convert);
step('Look at what it is');
graft('inspect', onnx, '--batch', '64', '--train', 'head');
step('Predict with the network as it is');
graft('predict', onnx, ...job.samples, '--top', '2', '--provider', options.provider);
step('Look at the new photos');
graft('show', ...job.newSamples, '-o', `${out}/${job.name}-new.png`);
step('Cut the head off, train a new one on cached features, splice it in, export');
const fit = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
graft(
  'train',
  onnx,
  job.train,
  '--valid',
  job.valid,
  ...fit,
  '--provider',
  options.provider,
  '-o',
  tuned,
);
step('Check the exported file');
const { accuracy } = await checkExport({ onnx, tuned, job, settings, provider: options.provider });
if (job.baseline) {
  step(
    'Go on: the Dense layers, the last block of convolutions, all layers; on pictures of a third split',
  );
  const folders = await writeThreeSets(`${out}/stages`);
  const seeds = { onnx, folders, out, seeds: [0], provider: options.provider };
  checkStages(await trainStages(seeds), 0.975);
}
step('Predict with the fine-tuned network, as a picture');
graft('show', ...job.newSamples, '--model', tuned, '-o', sheet);

console.log(`\nONNX file            ${tuned}`);
console.log(`Validation accuracy  ${accuracy.toFixed(4)}`);
console.log(`Picture              ${sheet}`);

function step(title) {
  console.log(`\n── ${title}`);
}

/** Runs the command as a person would, and shows it. */
function graft(...args) {
  console.log(`$ graft ${args.map((arg) => (/\s/.test(arg) ? `'${arg}'` : arg)).join(' ')}`);
  const { status } = spawnSync(process.execPath, [`${root}dist/cli.js`, ...args], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) process.exit(status ?? 1);
}

async function digitsJob() {
  const { old, fresh } = await writeDigits(`${out}/digits`);
  return {
    name: 'digits',
    weights: `${root}models/digits_vgg.h5`,
    convert: ['--classes', '0,1,2,3,4,5,6,7'],
    samples: [old],
    newSamples: [fresh],
    train: `${out}/digits/train`,
    valid: `${out}/digits/valid`,
    baseline: true,
  };
}

async function photosJob() {
  for (const path of [options.vgg16, options.photos]) {
    if (existsSync(path)) continue;
    console.error(`There is nothing at ${path}.`);
    process.exit(1);
  }
  const { train, valid, samples } = await splitPhotos(options.photos, `${out}/photos`);
  return {
    name: 'vgg16',
    weights: options.vgg16,
    convert: [],
    samples,
    newSamples: samples,
    train,
    valid,
    baseline: false,
  };
}
