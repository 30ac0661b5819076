// Time of one epoch of a new head on cached features, against keras.fit on the same numbers of samples and features.
//
//   npm run build && node bench/head-epoch.mjs [--python python3] [--runs 3] [--dist dist]
//
// 2,000 × 4,096 features, 2 classes, Adam, batch 64, no validation. The two take turns, each as a process of its own
// with all cores; of each process the first two epochs warm up. Python needs keras and tensorflow. Goal: 5 times faster.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { here, median, printTable } from './process.mjs';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    runs: { type: 'string', default: '3' },
    dist: { type: 'string', default: here('../dist') },
    child: { type: 'boolean', default: false },
  },
});
const [count, width, epochs] = [2000, 4096, 22];

if (values.child) await child();
else parent();

/** Prints the milliseconds of each epoch as JSON. */
async function child() {
  const url = pathToFileURL(join(values.dist, 'index.js')).href;
  const { denseHead, fitHead, makeOptimizer } = await import(url);
  const features = Float32Array.from(
    { length: count * width },
    (_, i) => ((i * 7919) % 1000) / 1000,
  );
  const targets = Float32Array.from({ length: count * 2 }, (_, i) =>
    (i >> 1) % 2 === i % 2 ? 1 : 0,
  );
  const { history } = await fitHead({
    head: denseHead({ features: width, classes: 2 }),
    loss: 'categorical_crossentropy',
    optimizer: makeOptimizer({ name: 'adam' }),
    batchSize: 64,
    epochs,
    seed: 0,
    shuffle: true,
    train: { count, features, targets },
  });
  process.stdout.write(JSON.stringify(history.map(({ seconds }) => seconds * 1000)));
}

function parent() {
  const own = fileURLToPath(import.meta.url);
  const contenders = {
    'graft, one Loop an epoch': () =>
      timesOf(process.execPath, [own, '--child', '--dist', values.dist]),
    'keras.fit': () =>
      timesOf(values.python, [here('head_epoch.py'), `${count}`, `${width}`, `${epochs}`]),
  };
  const times = Object.fromEntries(Object.keys(contenders).map((name) => [name, []]));
  for (let run = 0; run < Number(values.runs); run++) {
    for (const [name, contender] of Object.entries(contenders)) times[name].push(...contender());
  }
  const [ours, theirs] = Object.values(times);
  printTable(
    ['', 'epoch, ms (median)', 'fastest, ms'],
    Object.entries(times).map(([name, list]) => [
      name,
      median(list).toFixed(1),
      Math.min(...list).toFixed(1),
    ]),
  );
  process.stdout.write(`${(median(theirs) / median(ours)).toFixed(1)} times faster\n`);
}

/** Epoch times without the first two. */
function timesOf(command, args) {
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} failed:\n${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1)).slice(2);
}
