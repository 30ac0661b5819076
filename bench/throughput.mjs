// Images a second of a converted model: the model alone, and with reading and decoding the pictures beside it.
//
//   node bench/throughput.mjs model.onnx [--provider cpu] [--batch 1,8,16] [--images 64] [--folder photos] [--dist dist]
//
// "Session busy" is the share of the time from the first run to the last in which the model runs; the goal is 90 %.
// Without a folder, JPEGs of 500 × 375 of noise are made. One pass warms up, one is measured.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { here, printTable } from './process.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    provider: { type: 'string', default: 'cpu' },
    batch: { type: 'string', default: '1,8,16' },
    images: { type: 'string', default: '64' },
    folder: { type: 'string' },
    dist: { type: 'string', default: here('../dist') },
  },
});
const { loadModel, predict } = await import(pathToFileURL(join(values.dist, 'index.js')).href);
const made = values.folder === undefined ? mkdtempSync(join(tmpdir(), 'graft-bench-')) : undefined;

async function pictures(folder, count) {
  if (made !== undefined) await makePictures(folder, 16);
  const found = readdirSync(folder)
    .filter((name) => /\.jpe?g$/i.test(name))
    .map((name) => join(folder, name));
  return Array.from({ length: count }, (_, i) => found[i % found.length]);
}

async function makePictures(folder, count) {
  const [width, height] = [500, 375];
  for (let i = 0; i < count; i++) {
    const pixels = Buffer.from(
      Array.from({ length: width * height * 3 }, (_, at) => (at * 31 + (at >> 7) * (i + 3)) & 255),
    );
    const raw = { width, height, channels: 3 };
    await sharp(pixels, { raw })
      .jpeg({ quality: 85 })
      .toFile(join(folder, `${i}.jpg`));
  }
}

async function pass(model, files, batch) {
  const runs = [];
  const start = performance.now();
  const options = { batch, onRun: (run) => runs.push(run) };
  for await (const _ of predict(model, files, options)) {
    // only the time counts
  }
  const runMs = runs.reduce((sum, run) => sum + run.end - run.start, 0);
  const busy = runMs / (runs.at(-1).end - runs[0].start);
  return { wallMs: performance.now() - start, runMs, busy };
}

try {
  const files = await pictures(values.folder ?? made, Number(values.images));
  const model = await loadModel(positionals[0], { provider: values.provider });
  try {
    const rows = [];
    for (const batch of values.batch.split(',').map(Number)) {
      await pass(model, files.slice(0, Math.max(batch, 4)), batch);
      const { wallMs, runMs, busy } = await pass(model, files, batch);
      const msEach = (ms) => (ms / files.length).toFixed(1);
      const perSecond = (ms) => ((files.length / ms) * 1000).toFixed(2);
      const share = `${(busy * 100).toFixed(1)} %`;
      rows.push([batch, perSecond(runMs), perSecond(wallMs), msEach(runMs), share]);
    }
    process.stdout.write(
      `${positionals[0]}, ${values.provider}, ${files.length} images, ${cpus().length} × ${cpus()[0].model}\n`,
    );
    printTable(
      ['batch', 'model alone, images/s', 'with decoding, images/s', 'ms an image', 'session busy'],
      rows,
    );
  } finally {
    await model.close();
  }
} finally {
  if (made !== undefined) rmSync(made, { recursive: true, force: true });
}
