// Time until a session is ready, and private memory, mapped and plain; each in a process of its own, once.
//
//   node bench/load.mjs model.onnx [--dist dist]
//
// RssAnon is memory that only this process has; mapped pages of the file (RssFile) can be dropped at any time.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { here, printTable, timedNode } from './process.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dist: { type: 'string', default: here('../dist') },
    child: { type: 'string' },
  },
});
const path = positionals[0];

const variants = {
  'mapped, prepacked': () => mapped(true),
  'mapped, not prepacked': () => mapped(false),
  'InferenceSession.create(file)': plain,
};

async function mapped(prepack) {
  const { openSession } = await import(pathToFileURL(join(values.dist, 'index.js')).href);
  return measure(
    () => openSession({ path }, { prepack }),
    (session) => session.run({ [session.inputs[0].name]: oneOf(session.inputs[0]) }),
  );
}

async function plain() {
  const { InferenceSession, Tensor } = await import('onnxruntime-node');
  return measure(
    () => InferenceSession.create(path),
    (session) => {
      const [input] = session.inputMetadata;
      const { data, shape } = oneOf(input);
      return session.run({ [input.name]: new Tensor('float32', data, shape) });
    },
  );
}

/** One image of grey. */
function oneOf({ shape }) {
  const fixed = shape.map((dim) => (typeof dim === 'number' ? dim : 1));
  const data = new Float32Array(fixed.reduce((a, b) => a * b, 1)).fill(128);
  return { dtype: 'float32', shape: fixed, data };
}

async function measure(load, run) {
  const before = memory();
  const start = performance.now();
  const session = await load();
  const readyMs = performance.now() - start;
  const ready = memory();
  const first = performance.now();
  await run(session);
  const firstMs = performance.now() - first;
  return { readyMs, firstMs, before, ready, after: memory() };
}

/** Private and mapped memory, MiB. */
function memory() {
  const status = readFileSync('/proc/self/status', 'utf8');
  const field = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]) / 1024;
  return { anon: field('RssAnon'), file: field('RssFile') };
}

if (values.child !== undefined) {
  process.stdout.write(JSON.stringify(await variants[values.child]()));
} else {
  const rows = [];
  for (const name of Object.keys(variants)) {
    const args = [path, '--dist', values.dist, '--child', name];
    const { output, peakMiB } = await timedNode(here('load.mjs'), args);
    const { readyMs, firstMs, before, ready, after } = JSON.parse(output);
    rows.push([
      name,
      (readyMs / 1000).toFixed(2),
      (firstMs / 1000).toFixed(2),
      ...[before.anon, ready.anon, after.anon, after.file, peakMiB].map((mib) => mib.toFixed(0)),
    ]);
  }
  printTable(
    [
      '',
      'ready, s',
      'first image, s',
      'RssAnon before',
      'ready',
      'after, MiB',
      'RssFile after',
      'peak',
    ],
    rows,
  );
}
