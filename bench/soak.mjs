// Whether a server keeps its memory: load of all kinds for minutes, and how its resident set grows after the first.
//
//   node bench/soak.mjs [--minutes 10] [--connections 16] [--dist dist]
//
// JSON, binary and gRPC requests, pictures, requests that are wrong, clients that leave, and a model that is replaced
// each half minute. Prints a line every half minute, and at the end the growth; fails above 10 %.
import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { here, median, timed } from './process.mjs';
import { load } from './serve-client.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    connections: { type: 'string', default: '16' },
    dist: { type: 'string', default: here('../dist') },
  },
});
const minutes = Number(values.minutes);
const folder = mkdtempSync(join(tmpdir(), 'graft-soak-'));
const model = join(folder, 'digits.onnx');
const port = 18450;
const url = `http://127.0.0.1:${port}/v2/models/digits`;

/** Connections that the server ended under a request: when, for what, and how. There shall be none. */
const lost = [];
const begin = Date.now();

/** Asks; `undefined` where the connection was lost. */
async function ask(what, path, init) {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, init);
    return await answer.text();
  } catch (fault) {
    const { code, message } = fault.cause ?? fault;
    lost.push(`${((Date.now() - begin) / 1000).toFixed(1)} s, ${what}: ${code ?? ''} ${message}`);
    return undefined;
  }
}

/** What the server says of its memory, in MiB: resident, JavaScript objects, and what they hold outside. */
async function memory() {
  const text = (await ask('metrics', '/metrics')) ?? '';
  const mib = (name) => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]) / 2 ** 20;
  return {
    resident: mib('process_resident_memory_bytes'),
    heap: mib('nodejs_heap_size_total_bytes'),
    outside: mib('nodejs_external_memory_bytes'),
  };
}

async function ready() {
  for (;;) {
    const isReady = await fetch(`${url}/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Asks, and leaves before the answer. */
async function leave(body) {
  const leaving = new AbortController();
  const reply = fetch(`${url}/infer`, { method: 'POST', body, signal: leaving.signal });
  setTimeout(() => leaving.abort(), Math.random() * 5);
  await reply.then((answer) => answer.arrayBuffer()).catch(() => undefined);
}

async function round({ json, jpeg, seconds }) {
  const connections = Number(values.connections);
  const how = { connections: Math.ceil(connections / 2), seconds };
  const headers = { 'content-type': 'application/json' };
  const end = Date.now() + (seconds + 1) * 1000;
  const others = async () => {
    while (Date.now() < end) {
      await leave(json);
      const wrong = { method: 'POST', body: json.subarray(0, 500) };
      await ask('half a request', '/v2/models/digits/infer', wrong);
    }
  };
  const [tensors, pictures] = await Promise.all([
    load(
      'http',
      { port, path: '/v2/models/digits/infer', headers, body: json.toString('base64') },
      how,
    ),
    load(
      'http',
      { port, path: '/v2/models/digits/classify', headers: {}, body: jpeg.toString('base64') },
      how,
    ),
    others(),
  ]);
  return { done: tensors.requests + pictures.requests, errors: tensors.errors + pictures.errors };
}

let child;
try {
  await timed(process.execPath, [
    join(values.dist, 'cli.js'),
    'convert',
    here('../models/digits_vgg.h5'),
    '-o',
    model,
  ]);
  const args = [
    'serve',
    model,
    '--port',
    String(port),
    '--grpc-port',
    '0',
    '--log-level',
    'silent',
  ];
  child = spawn(process.execPath, [join(values.dist, 'cli.js'), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  await ready();
  const { inputs } = await (await fetch(url)).json();
  const data = Array.from({ length: 3 * 32 * 32 }, (_, i) => (i * 37) % 256);
  const tensor = { name: inputs[0].name, shape: [1, 3, 32, 32], datatype: 'FP32', data };
  const json = Buffer.from(JSON.stringify({ inputs: [tensor] }));
  const create = { width: 300, height: 200, channels: 3, background: { r: 9, g: 99, b: 200 } };
  const jpeg = await sharp({ create }).jpeg().toBuffer();
  const samples = [];
  let [done, errors] = [0, 0];
  while (Date.now() - begin < minutes * 60_000) {
    const counted = await round({ json, jpeg, seconds: 28 });
    done += counted.done;
    errors += counted.errors;
    // A new file each time: loaded beside the old one, which is then let go.
    copyFileSync(model, `${model}.next`);
    renameSync(`${model}.next`, model);
    const afterMs = Date.now() - begin;
    const { resident, heap, outside } = await memory();
    if (resident > 0) samples.push({ afterMs, mib: resident });
    const parts = `heap ${heap.toFixed(0)}, outside ${outside.toFixed(0)}`;
    process.stdout.write(
      `${(afterMs / 60_000).toFixed(1)} min  ${resident.toFixed(0)} MiB (${parts})  ${done} requests\n`,
    );
  }
  const settled = samples.filter(({ afterMs }) => afterMs > 55_000).map(({ mib }) => mib);
  const [first] = settled;
  const last = median(settled.slice(-3));
  const growth = (last / first - 1) * 100;
  process.stdout.write(
    `${done} requests, ${errors} failed; after the first minute ${first.toFixed(0)} MiB, at the end ${last.toFixed(0)} MiB: ${growth.toFixed(1)} %\n`,
  );
  for (const each of lost) process.stdout.write(`connection lost: ${each}\n`);
  if (growth > 10 || errors > 0 || lost.length > 0) process.exitCode = 1;
} finally {
  child?.kill('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
}
