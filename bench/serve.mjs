// Requests a second and their latencies: graft beside MLServer with the same models on onnxruntime, and what batching gains.
//
//   node bench/serve.mjs [--mlserver VENV] [--seconds 5] [--rounds 3] [--connections 32] [--dist dist] [--only WORDS]
//
// VENV is a Python environment with bench/mlserver/requirements.txt in it; without it, graft alone is measured. MLServer
// runs with its models in its own process and in a worker, and counts with whichever is faster. The servers take turns
// within each round; the median round counts. Client, servers and models share this machine; "CPU ms" is what one
// request takes of the server's processes, user and system, which other load changes less than it changes the rates.
// --only measures the rows whose title holds WORDS.
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadSync } from '@grpc/proto-loader';
import sharp from 'sharp';
import { cpuMs } from './cpu-time.mjs';
import { here, median, printTable, timed } from './process.mjs';
import { load } from './serve-client.mjs';
import { writeMobile, writeTiny, writeWide } from './serve-models.mjs';

const { values } = parseArgs({
  options: {
    mlserver: { type: 'string' },
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '32' },
    dist: { type: 'string', default: here('../dist') },
    only: { type: 'string', default: '' },
  },
});
const how = { seconds: Number(values.seconds), connections: Number(values.connections) };
const rounds = Number(values.rounds);
const folder = mkdtempSync(join(tmpdir(), 'graft-bench-'));
const children = [];

const service = loadSync(here('../proto/inference.proto'), { keepCase: true })[
  'inference.GRPCInferenceService'
];
const message = (fields) => service.ModelInfer.requestSerialize(fields).toString('base64');
const grpcPath = '/inference.GRPCInferenceService/ModelInfer';

async function ready(port, models, child) {
  const deadline = Date.now() + 60_000;
  for (const model of models) {
    for (;;) {
      const isReady = await fetch(`http://127.0.0.1:${port}/v2/models/${model}/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
      if (isReady) break;
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(`no ${model} at ${port}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: 'ignore', ...options });
  children.push(child);
  return child;
}

async function stop(child) {
  if (child.exitCode !== null) return;
  child.kill('SIGTERM');
  await new Promise((resolve) => child.once('exit', resolve));
}

async function startGraft(models, { port, args = [] }) {
  const main = join(values.dist, 'cli.js');
  const ports = ['--port', String(port), '--grpc-port', String(port + 1)];
  const files = models.map((name) => join(folder, `${name}.onnx`));
  const rest = ['--log-level', 'error', ...args];
  const child = start(process.execPath, [main, 'serve', ...files, ...ports, ...rest]);
  await ready(port, models, child);
  return { child, http: port, grpc: port + 1 };
}

/** MLServer with `workers` processes for its models; 0: in the server's own. */
async function startMlserver(port, workers) {
  const home = join(folder, `mlserver-${workers}`);
  const code = join(home, 'code');
  mkdirSync(code, { recursive: true });
  cpSync(here('mlserver/onnx_runtime.py'), join(code, 'onnx_runtime.py'));
  const settings = {
    host: '127.0.0.1',
    http_port: port,
    grpc_port: port + 1,
    metrics_port: port + 2,
    parallel_workers: workers,
    debug: false,
  };
  writeFileSync(join(home, 'settings.json'), JSON.stringify(settings));
  const centred = { resize: 'BILINEAR', centred: true };
  const models = {
    tiny: { file: 'tiny', runtime: 'OnnxModel' },
    digits: { file: 'digits', runtime: 'OnnxModel' },
    digits_image: { file: 'digits', runtime: 'OnnxPictureModel' },
    mobile_image: { file: 'mobile', runtime: 'OnnxPictureModel', extra: centred },
  };
  for (const [name, { file, runtime, extra }] of Object.entries(models)) {
    mkdirSync(join(home, name));
    const uri = join(folder, `${file}.onnx`);
    const parameters = { uri, extra };
    const about = { name, implementation: `onnx_runtime.${runtime}`, parameters };
    writeFileSync(join(home, name, 'model-settings.json'), JSON.stringify(about));
  }
  const child = start(join(values.mlserver, 'bin/mlserver'), ['start', home], {
    cwd: code,
    env: { ...process.env, PYTHONPATH: code },
  });
  await ready(port, Object.keys(models), child);
  return { child, http: port, grpc: port + 1 };
}

function jsonRequest(model, tensor) {
  const body = Buffer.from(JSON.stringify({ inputs: [tensor] })).toString('base64');
  return {
    path: `/v2/models/${model}/infer`,
    headers: { 'content-type': 'application/json' },
    body,
  };
}

function binaryRequest(model, { data, ...head }) {
  const bytes = Buffer.from(Float32Array.from(data).buffer);
  const parameters = { binary_data_output: true };
  const input = { ...head, parameters: { binary_data_size: bytes.length } };
  const json = Buffer.from(JSON.stringify({ inputs: [input], parameters }));
  return {
    path: `/v2/models/${model}/infer`,
    headers: { 'inference-header-content-length': String(json.length) },
    body: Buffer.concat([json, bytes]).toString('base64'),
  };
}

function grpcRequest(model, { data, ...head }) {
  const raw = Buffer.from(Float32Array.from(data).buffer);
  return {
    path: grpcPath,
    body: message({ model_name: model, inputs: [head], raw_input_contents: [raw] }),
  };
}

const numbers = (shape) => {
  const count = shape.reduce((product, dim) => product * dim, 1);
  return Array.from({ length: count }, (_, i) => (i * 37) % 256);
};
const tensor = (name, shape) => ({ name, shape, datatype: 'FP32', data: numbers(shape) });

const same = (request) => ({ graft: request, mlserver: request });

/** One picture to a model, by three ways. */
function pictureCases(title, model, jpeg) {
  const picture = { name: 'image', shape: [1], datatype: 'BYTES' };
  const inputs = [{ ...picture, contents: { bytes_contents: [jpeg] } }];
  const grpc = { path: grpcPath, body: message({ model_name: `${model}_image`, inputs }) };
  const base64 = jsonRequest(`${model}_image`, { ...picture, data: [jpeg.toString('base64')] });
  const classify = {
    path: `/v2/models/${model}/classify`,
    headers: { 'content-type': 'image/jpeg' },
    body: jpeg.toString('base64'),
  };
  return [
    [`${title}, base64 for both`, 'http', same(base64)],
    [`${title}, graft: /classify`, 'http', { graft: classify, mlserver: base64 }],
    [title, 'grpc', same(grpc)],
  ];
}

/** The same question to both; where they take it in different forms, in the best form of each. */
function cases(digitsInput, photo, digit) {
  const tiny = tensor('x', [1, 3]);
  const digits = tensor(digitsInput, [1, 3, 32, 32]);
  return [
    ['tiny, JSON', 'http', same(jsonRequest('tiny', tiny))],
    ['tiny', 'grpc', same(grpcRequest('tiny', tiny))],
    ['tiny VGG, JSON', 'http', same(jsonRequest('digits', digits))],
    [
      'tiny VGG, graft in binary',
      'http',
      { graft: binaryRequest('digits', digits), mlserver: jsonRequest('digits', digits) },
    ],
    ['tiny VGG', 'grpc', same(grpcRequest('digits', digits))],
    ...pictureCases('JPEG 32 × 32, tiny VGG', 'digits', digit),
    ...pictureCases('JPEG 500 × 375, tiny VGG', 'digits', photo),
    ...pictureCases('JPEG 500 × 375, MobileNet-like', 'mobile', photo),
  ].filter(([title]) => title.includes(values.only));
}

async function measure(servers, door, requests) {
  const found = new Map(servers.map(([name]) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, server] of servers) {
      const request = requests[name.startsWith('graft') ? 'graft' : 'mlserver'];
      const before = cpuMs(server.child.pid);
      const result = await load(door, { port: server[door], ...request }, how);
      if (result.errors > 0) throw new Error(`${name}: ${result.errors} requests failed`);
      const cpu = (cpuMs(server.child.pid) - before) / result.answered;
      found.get(name).push({ ...result, cpu });
    }
  }
  return [...found].map(([name, results]) => {
    const perSecond = median(results.map((result) => result.perSecond));
    const p99 = median(results.map((result) => result.p99));
    return { name, perSecond, p99, cpu: median(results.map((result) => result.cpu)) };
  });
}

async function makePicture() {
  const [width, height] = [500, 375];
  const pixels = Buffer.from({ length: width * height * 3 }, (_, at) => at);
  for (let at = 0; at < pixels.length; at++) pixels[at] = (at * 31 + (at >> 9) * 7) & 255;
  const raw = { width, height, channels: 3 };
  return sharp(pixels, { raw }).blur(3).jpeg({ quality: 85 }).toBuffer();
}

async function beside() {
  const digits = join(folder, 'digits.onnx');
  const h5 = here('../models/digits_vgg.h5');
  await timed(process.execPath, [join(values.dist, 'cli.js'), 'convert', h5, '-o', digits]);
  writeTiny(join(folder, 'tiny.onnx'));
  writeMobile(join(folder, 'mobile.onnx'));
  const servers = [['graft', await startGraft(['tiny', 'digits', 'mobile'], { port: 18400 })]];
  if (values.mlserver !== undefined) {
    servers.push(['MLServer, own process', await startMlserver(18410, 0)]);
    servers.push(['MLServer, worker', await startMlserver(18420, 1)]);
  }
  const about = await fetch('http://127.0.0.1:18400/v2/models/digits').then((reply) =>
    reply.json(),
  );
  const photo = await makePicture();
  const digit = await sharp(photo).resize(32, 32).jpeg({ quality: 85 }).toBuffer();
  const rows = [];
  for (const [title, door, requests] of cases(about.inputs[0].name, photo, digit)) {
    const [graft, ...others] = await measure(servers, door, requests);
    const best = others.toSorted((a, b) => b.perSecond - a.perSecond)[0];
    const row = [title, door, ...cells(graft)];
    if (best) {
      row.push(...cells(best), (graft.perSecond / best.perSecond).toFixed(2));
      row.push((best.cpu / graft.cpu).toFixed(2), best.name);
    }
    rows.push(row);
  }
  const each = ['/s', 'p99 ms', 'CPU ms'];
  const ends = ['times', 'CPU times', 'which'];
  printTable(['request', 'door', ...each.map((of) => `graft ${of}`), ...each, ...ends], rows);
  for (const [, { child }] of servers) await stop(child);
}

const cells = ({ perSecond, p99, cpu }) => [perSecond.toFixed(0), p99.toFixed(1), cpu.toFixed(2)];

/** The same requests with runs of one row, and of up to 32. */
async function batching() {
  const [width, depth] = [1024, 8];
  writeWide(join(folder, 'wide.onnx'), width, depth);
  const request = binaryRequest('wide', tensor('x', [1, width]));
  const servers = [];
  for (const size of [1, 32]) {
    const args = ['--max-batch-size', String(size)];
    servers.push([`graft ${size}`, await startGraft(['wide'], { port: 18430 + size, args })]);
  }
  const [single, batched] = await measure(servers, 'http', { graft: request });
  process.stdout.write(
    `\nBatching: ${depth} products with [${width}, ${width}], one row a request\n`,
  );
  printTable(
    ['rows a run', 'requests/s', 'p99 ms', 'CPU ms', 'times'],
    [
      ['1', ...cells(single), '1.00'],
      ['up to 32', ...cells(batched), (batched.perSecond / single.perSecond).toFixed(2)],
    ],
  );
  for (const [, { child }] of servers) await stop(child);
}

try {
  const { version } = JSON.parse(readFileSync(here('../package.json'), 'utf8'));
  process.stdout.write(
    `graft ${version}, ${how.connections} connections, ${rounds} rounds of ${how.seconds} s, ${cpus().length} × ${cpus()[0].model}\n`,
  );
  await beside();
  if (values.only === '') await batching();
} finally {
  for (const child of children) if (child.exitCode === null) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}
