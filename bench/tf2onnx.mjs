// Nodes, file size and onnxruntime latency of our graphs beside those of tf2onnx, for ten small models of real Keras.
//
//   npm run build && node bench/tf2onnx.mjs --python venv/bin/python [--fixtures ../shared/fixtures/tfkeras2.15]
//     [--models resnet_block,unet] [--runs 5] [--threads 1] [--keep folder] [--dist dist]
//
// Both files run in this process, in turns, on the same input and with the same options. A run is eleven slices of ten
// milliseconds for each, which alternate; its time is that of the middle slice, and the ratio the median of the runs'. Goals: no more nodes, no more bytes, latency at most
// 1.05 times theirs. Python needs tensorflow-cpu 2.15.1 and tf2onnx 1.17.0.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import * as ort from 'onnxruntime-node';
import { here, median, printTable } from './process.mjs';

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    fixtures: { type: 'string', default: here('../../shared/fixtures/tfkeras2.15') },
    models: {
      type: 'string',
      default: [
        'vgg_functional64',
        'vgg_tiny_bn',
        'resnet_block',
        'mobilenet_block',
        'separableconv2d',
        'unet',
        'transformer_block',
        'lstm_seq2',
        'bidir_lstm_concat',
        'gru_reset_after_true',
      ].join(','),
    },
    runs: { type: 'string', default: '5' },
    threads: { type: 'string', default: '1' },
    keep: { type: 'string' },
    dist: { type: 'string', default: here('../dist') },
  },
});
const { convert, readModel } = await import(pathToFileURL(join(values.dist, 'index.js')).href);
const [slices, sliceMs] = [11, 10];

function modelFile(name) {
  const manifest = JSON.parse(readFileSync(join(values.fixtures, name, 'manifest.json'), 'utf8'));
  return {
    name,
    file: join(values.fixtures, name, manifest.files.model),
    shapes: manifest.input_shapes,
  };
}

/** The same numbers for both: whole ones for embeddings, else between -1 and 1. */
function feedsOf(session, shapes) {
  return Object.fromEntries(
    session.inputMetadata.map(({ name, type }, at) => {
      const shape = shapes[at];
      const size = shape.reduce((product, dim) => product * dim, 1);
      const numbers = Array.from({ length: size }, (_, i) => ((i * 7919) % 997) / 498 - 1);
      const data =
        type === 'float32' ? Float32Array.from(numbers) : Int32Array.from(numbers, Math.abs);
      return [name, new ort.Tensor(type, data, shape)];
    }),
  );
}

async function opened(file, shapes) {
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: Number(values.threads),
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const feeds = feedsOf(session, shapes);
  return { session, outputs: await session.run(feeds), run: () => session.run(feeds) };
}

/** Milliseconds a call. */
async function timed(run, calls) {
  const start = performance.now();
  for (let i = 0; i < calls; i++) await run();
  return (performance.now() - start) / calls;
}

/** Milliseconds a call of each, in the middle slice. */
async function raced(pair, calls, run) {
  const times = pair.map(() => []);
  for (let slice = 0; slice < slices; slice++) {
    const order = (slice + run) % 2 === 0 ? [0, 1] : [1, 0];
    for (const at of order) times[at].push(await timed(pair[at].run, calls));
  }
  return times.map(median);
}

async function latencies(ours, theirs) {
  const pair = [ours, theirs];
  const calls = Math.max(3, Math.ceil(sliceMs / (await timed(theirs.run, 20))));
  await raced(pair, calls, 0);
  const runs = [];
  for (let run = 0; run < Number(values.runs); run++) runs.push(await raced(pair, calls, run));
  return {
    ours: median(runs.map(([time]) => time)),
    theirs: median(runs.map(([, time]) => time)),
    ratio: median(runs.map(([our, their]) => our / their)),
  };
}

function largestDifference(ours, theirs) {
  const pairs = Object.values(ours).map((output, i) => [output, Object.values(theirs)[i]]);
  return Math.max(
    ...pairs.flatMap(([a, b]) =>
      Array.from(a.data, (x, i) => Math.abs(Number(x) - Number(b.data[i]))),
    ),
  );
}

async function row({ name, file, shapes }, folder) {
  const ourFile = join(folder, `${name}.graft.onnx`);
  const theirFile = join(folder, `${name}.tf2onnx.onnx`);
  await convert(file, { output: ourFile, force: true });
  const [ours, theirs] = [await opened(ourFile, shapes), await opened(theirFile, shapes)];
  try {
    const nodes = [ourFile, theirFile].map((path) => readModel(path).nodes.length);
    const bytes = [ourFile, theirFile].map((path) => statSync(path).size);
    const latency = await latencies(ours, theirs);
    return {
      name,
      cells: [
        name,
        ...nodes,
        ...bytes,
        (bytes[0] / bytes[1]).toFixed(2),
        ...[latency.ours, latency.theirs].map((ms) => (ms * 1000).toFixed(0)),
        latency.ratio.toFixed(2),
        largestDifference(ours.outputs, theirs.outputs).toExponential(0),
      ],
      isMet: nodes[0] <= nodes[1] && bytes[0] <= bytes[1] && latency.ratio <= 1.05,
    };
  } finally {
    await ours.session.release();
    await theirs.session.release();
  }
}

const folder = values.keep ?? mkdtempSync(join(tmpdir(), 'graft-bench-'));
mkdirSync(folder, { recursive: true });
try {
  const models = values.models.split(',').map(modelFile);
  const versions = execFileSync(
    values.python,
    [here('tf2onnx_models.py'), folder, ...models.map(({ name, file }) => `${name}=${file}`)],
    { stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' },
  );
  const rows = [];
  for (const model of models) rows.push(await row(model, folder));
  process.stdout.write(
    `${versions.trim().split('\n').at(-1)}, onnxruntime-node, ${values.threads} thread(s), median of ${values.runs}\n`,
  );
  printTable(
    ['', 'nodes', 'theirs', 'bytes', 'theirs', 'ratio', 'µs', 'theirs', 'ratio', 'difference'],
    rows.map(({ cells }) => cells),
  );
  const missed = rows.filter(({ isMet }) => !isMet).map(({ name }) => name);
  process.stdout.write(missed.length === 0 ? 'All goals met\n' : `Missed: ${missed.join(', ')}\n`);
  process.exitCode = missed.length === 0 ? 0 : 1;
} finally {
  if (values.keep === undefined) rmSync(folder, { recursive: true, force: true });
}
