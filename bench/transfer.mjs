// A real network's features on real photos: accuracy of a new head (three seeds) and of a logistic regression.
//
//   npm run build && node bench/transfer.mjs [--real ../shared/real] [--sets cats_dogs,trashnet_glass_paper]
//     [--seeds 0,1,2] [--epochs 30] [--resize bicubic] [--dist dist]
//
// MobileNet 0.25 with ImageNet's weights is converted, cut at its pooling layer, and `graft train` fits a head on each
// set's train folder. Prints the validation accuracy beside that of README.md there, for a logistic regression. Photos are
// resized as Pillow does unless told otherwise (bicubic, from 7.0 on); one photo of 120 is 0.008.
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

function head({ base, at }, set, seed) {
  const history = join(folder, `${set}-${seed}.json`);
  const photos = (part) => join(values.real, 'images', set, part);
  graft(
    'train',
    base,
    photos('train'),
    '--valid',
    photos('valid'),
    '--at',
    at,
    '--epochs',
    values.epochs,
    '--lr',
    '0.01',
    '--dropout',
    '0',
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

async function logistic({ base, at }, set) {
  const model = readModel(base);
  const cut = popLayer(model, { at });
  const parts = {};
  for (const part of ['train', 'valid']) {
    const photos = join(values.real, 'images', set, part);
    const preprocess = { resize: values.resize };
    const cache = join(folder, 'cache');
    parts[part] = await extractFeatures(model, cut, photos, { cache, preprocess });
  }
  const { train, valid } = parts;
  return fitLogistic(train, { classes: train.classes.length }).accuracy(valid);
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
    const seeds = values.seeds.split(',');
    const heads = seeds.map((seed) => head(model, set, seed).toFixed(3));
    rows.push([set, ...heads, (await logistic(model, set)).toFixed(3), stated[set] ?? '']);
  }
  const seeds = values.seeds.split(',').map((seed) => `head, seed ${seed}`);
  printTable(['', ...seeds, 'logistic', 'stated'], rows);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
