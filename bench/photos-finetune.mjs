// Fine-tuning the last blocks of a real network on real photos, against the head alone, three seeds.
//
//   npm run build && node bench/photos-finetune.mjs [--real ../shared/real] [--sets cats_dogs,trashnet_glass_paper]
//     [--seeds 0,1,2] [--dist dist]
//
// MobileNet 0.25 with ImageNet's weights. Of each set's train folder every fifth photo of a class is for choosing: the
// rates of head and blocks (by the loss there, seed 0) and the epoch (patience). The set's valid folder is the test: it
// is looked at once, by the exported files, after all is chosen. One photo of 120 is 0.008.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
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
    dist: { type: 'string', default: here('../dist') },
  },
});
const { convert, listImageFolder, loadModel, predict, readCard, readModel, train } = await import(
  pathToFileURL(join(values.dist, 'index.js')).href
);
const folder = mkdtempSync(join(tmpdir(), 'graft-bench-'));
const headRates = [0.01, 0.003];
const blockRates = [3e-3, 1e-3, 3e-4, 1e-4];
/** The last two blocks of the network, and the head behind them. */
const blocks = 'conv_dw_12+conv_pw_12+conv_dw_13+conv_pw_13+head';

/** Links to the photos: train/ and choose/. */
function split(set) {
  const from = join(values.real, 'images', set, 'train');
  for (const name of readdirSync(from)) {
    for (const [i, file] of readdirSync(join(from, name)).toSorted().entries()) {
      const target = join(folder, set, i % 5 === 4 ? 'choose' : 'train', name);
      mkdirSync(target, { recursive: true });
      symlinkSync(join(from, name, file), join(target, file));
    }
  }
  return { train: join(folder, set, 'train'), valid: join(folder, set, 'choose') };
}

/** Trains one stage; gives its file and the least loss on the photos to choose by. */
async function tuned({ name, photos, seed, ...options }) {
  const output = join(folder, `${name}-${seed}.onnx`);
  const { history } = await train({
    ...photos,
    ...options,
    seed,
    output,
    force: true,
    batchSize: 32,
    cache: join(folder, 'cache'),
    baselines: false,
    checkpoints: false,
    preprocess: { resize: 'bicubic' },
  });
  return { output, loss: Math.min(...history.map((epoch) => epoch.val_loss)) };
}

const headRun = ({ base, at }, photos, { lr, seed, set }) =>
  tuned({
    name: `${set}-head-${lr}`,
    photos,
    seed,
    base,
    at,
    dropout: 0,
    patience: 5,
    stages: [{ train: 'head', epochs: 40, lr }],
  });

const blockRun = (base, photos, { lr, seed, set }) =>
  tuned({
    name: `${set}-blocks-${lr}`,
    photos,
    seed,
    base,
    head: 'keep',
    patience: 5,
    stages: [{ train: blocks, epochs: 20, lr }],
  });

/** The rate with the least loss. */
async function chosenRate(rates, run) {
  const losses = [];
  for (const lr of rates) losses.push((await run(lr)).loss);
  for (const [i, lr] of rates.entries()) console.log(`    rate ${lr}: ${losses[i].toFixed(4)}`);
  return rates[losses.indexOf(Math.min(...losses))];
}

async function accuracy(file, photos) {
  const { files } = await listImageFolder(photos);
  const labels = new Map(files.map(({ path, label }) => [path, label]));
  const model = await loadModel(file);
  let right = 0;
  try {
    for await (const { file: path, top } of predict(model, [...labels.keys()], { top: 1 })) {
      right += Number(top[0].index === labels.get(path));
    }
  } finally {
    await model.close();
  }
  return right / labels.size;
}

try {
  const base = join(folder, 'mobilenet.onnx');
  const file = join(values.real, 'stm32ai-modelzoo-fork', 'mobilenet_v1_0.25_224.h5');
  await convert(file, { output: base, preprocess: 'tf' });
  const { layers } = readCard(readModel(base));
  const at = layers.find((layer) => layer.class === 'GlobalAveragePooling2D').output;
  const rows = [];
  for (const set of values.sets.split(',')) {
    const photos = split(set);
    console.log(`${set}: the head`);
    const headRate = await chosenRate(headRates, (lr) =>
      headRun({ base, at }, photos, { lr, seed: 0, set }),
    );
    const first = await headRun({ base, at }, photos, { lr: headRate, seed: 0, set });
    console.log(`${set}: the last two blocks, after the head at ${headRate}`);
    const blockRate = await chosenRate(blockRates, (lr) =>
      blockRun(first.output, photos, { lr, seed: 0, set }),
    );
    console.log(`${set}: chosen ${headRate} and ${blockRate}`);
    for (const seed of values.seeds.split(',').map(Number)) {
      const head = await headRun({ base, at }, photos, { lr: headRate, seed, set });
      const tail = await blockRun(head.output, photos, { lr: blockRate, seed, set });
      const test = join(values.real, 'images', set, 'valid');
      const [before, after] = [
        await accuracy(head.output, test),
        await accuracy(tail.output, test),
      ];
      rows.push([`${set}, seed ${seed}`, before.toFixed(4), after.toFixed(4)]);
      console.log(rows.at(-1).join('  '));
    }
  }
  printTable(['test photos', 'head alone', 'last blocks'], rows);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
