// A real network's features on real photos: accuracy of a new head (three seeds) and of a logistic regression.
//
//   npm run build && node bench/transfer.mjs [--real ../shared/real] [--sets cats_dogs,trashnet_glass_paper]
//     [--seeds 0,1,2] [--epochs 30] [--resize bicubic] [--dist dist]
//
// MobileNet 0.25 with ImageNet's weights is converted, cut at its pooling layer, and `graft train` fits a head on each
// set's train folder. Prints the validation accuracy beside that of README.md there, for a logistic regression. Photos are
// resized as Pillow does unless told otherwise (bicubic, from 7.0 on); one photo of 120 is 0.008.
//
// How much large weights cost is chosen on the train folder alone, by cross-validation in five folds of the logistic
// regression, and goes for the head as well: C for standardised features is a penalty of var / (2 C n) for features as
// they are, of variance var.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { here, printTable } from './process.mjs';

const { values } = parseArgs({
  options: {
    real: { type: 'string', default: here('../../shared/real') },
    sets: { type: 'string', default: 'cats_dogs,trashnet_glass_paper' },
    seeds: { type: 'string', default: '0,1,2' },
    epochs: { type: 'string', default: '30' },
    resize: { type: 'string', default: 'bicubic' },
    dist: { type: 'string', default: here('../dist') },
  },
});
const { extractFeatures, fitLogistic, popLayer, readCard, readModel } = await import(
  pathToFileURL(join(values.dist, 'index.js')).href
);
/** README.md of the photos. */
const stated = { cats_dogs: 0.917, trashnet_glass_paper: 0.975 };
const folder = mkdtempSync(join(tmpdir(), 'graft-bench-'));

function graft(...args) {
  const { status, stderr } = spawnSync(process.execPath, [join(values.dist, 'cli.js'), ...args], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
}

function head({ base, at }, { set, seed, l2 }) {
  const history = join(folder, `${set}-${seed}.json`);
  const photos = (which) => join(values.real, 'images', set, which);
  graft(
    'train',
    base,
    photos('train'),
    '--valid',
    photos('valid'),
    '--at',
    at,
    '--preprocess',
    `tf,resize=${values.resize}`,
    '--epochs',
    values.epochs,
    '--lr',
    '0.01',
    '--dropout',
    '0',
    '--l2',
    `${l2}`,
    '--seed',
    seed,
    '--cache',
    join(folder, 'cache'),
    '--history',
    history,
    '-o',
    join(folder, `${set}-${seed}.onnx`),
  );
  return JSON.parse(readFileSync(history, 'utf8')).epochs.at(-1).val_acc;
}

function featuresOf({ base, at }, set, which) {
  const model = readModel(base);
  const photos = join(values.real, 'images', set, which);
  const preprocess = { resize: values.resize };
  const cache = join(folder, 'cache');
  return extractFeatures(model, popLayer(model, { at }), photos, { cache, preprocess });
}

const folds = 5;
const choices = [-4, -3.5, -3, -2.5, -2, -1.5, -1, -0.5, 0, 0.5, 1].map((power) => 10 ** power);

/** The C of the best accuracy on rows left out of the train folder; of equals the smallest. */
function chosen(rows) {
  const score = (c) => {
    let sum = 0;
    for (let fold = 0; fold < folds; fold++) {
      const [kept, left] = [false, true].map((isLeft) => part(rows, fold, isLeft));
      sum += fitLogistic(kept, { classes: rows.classes.length, c }).accuracy(left);
    }
    return sum;
  };
  const scores = choices.map(score);
  return choices[scores.indexOf(Math.max(...scores))];
}

/** Every fifth row, or the others; rows are sorted by class, so that folds have as many of each. */
function part({ features, labels, width }, fold, isLeft) {
  const picked = Array.from(labels, (_, row) => row).filter(
    (row) => (row % folds === fold) === isLeft,
  );
  const rows = picked.flatMap((row) => [...features.subarray(row * width, (row + 1) * width)]);
  return { features: Float32Array.from(rows), labels: picked.map((row) => labels[row]), width };
}

function varianceOf({ features, width }) {
  const count = features.length / width;
  let sum = 0;
  for (let column = 0; column < width; column++) {
    const numbers = Array.from({ length: count }, (_, row) => features[row * width + column]);
    const mean = numbers.reduce((a, b) => a + b, 0) / count;
    sum += numbers.reduce((a, b) => a + (b - mean) ** 2, 0) / count;
  }
  return sum / width;
}

try {
  const base = join(folder, 'mobilenet.onnx');
  const file = join(values.real, 'stm32ai-modelzoo-fork', 'mobilenet_v1_0.25_224.h5');
  graft('convert', file, '-o', base, '--preprocess', 'tf');
  const { layers } = readCard(readModel(base));
  const at = layers.find((layer) => layer.class === 'GlobalAveragePooling2D').output;
  const model = { base, at };
  const rows = [];
  for (const set of values.sets.split(',')) {
    const [train, valid] = [
      await featuresOf(model, set, 'train'),
      await featuresOf(model, set, 'valid'),
    ];
    const c = chosen(train);
    const l2 = varianceOf(train) / (2 * c * train.labels.length);
    const heads = values.seeds.split(',').map((seed) => head(model, { set, seed, l2 }).toFixed(3));
    const logistic = fitLogistic(train, { classes: train.classes.length, c }).accuracy(valid);
    rows.push([set, ...heads, logistic.toFixed(3), c.toPrecision(2), stated[set] ?? '']);
  }
  const seeds = values.seeds.split(',').map((seed) => `head, seed ${seed}`);
  printTable(['', ...seeds, 'logistic', 'C', 'stated'], rows);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
