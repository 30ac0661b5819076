import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { registerMetrics } from '../../src/serve/observe/metrics.ts';
import { type Server, serve } from '../../src/serve/serve.ts';
import { addition, at, colours } from '../serve/models.ts';
import { bundledWorker } from '../serve/server.ts';
import { type Ended, root, run } from './packed.ts';

const program = process.env['GRAFT_PERF_ANALYZER'] ?? '';
const missing = existsSync(program)
  ? ''
  : ' (skipped: no perf_analyzer; GRAFT_PERF_ANALYZER says where, .ci/perf-analyzer.txt whence)';
// The wheel that has it beside the program, and it counts on.
const libraries = join(dirname(dirname(program)), 'nvidia/cuda_runtime/lib');
const workers = bundledWorker();

const requests = 60;
const clients = 2;

/** The server with the models "add" and "colours", and what perf_analyzer is told to send them, as files. */
let folder = '';
let server: Server | undefined;

async function startServer(): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'graft-perf-'));
  await addition(at(folder, 'add'));
  await colours(at(folder, 'colours'));
  await writeInputs();
  const options = { models: [folder], workers, port: 0, grpcPort: 0, register: registerMetrics };
  server = await serve(options, { version: '0' });
  await server.loaded;
}

const address = (): string => `127.0.0.1:${server?.port ?? 0}`;

/** Runs it against one door, to its end. */
async function analyze(door: 'http' | 'grpc', args: readonly string[]): Promise<Ended> {
  const doors = { http: [address()], grpc: [`127.0.0.1:${server?.grpcPort ?? 0}`, '-i', 'grpc'] };
  const few = ['--request-count', String(requests), '-p', '200'];
  const given = args.map((arg) => (arg.endsWith('.json') ? join(folder, arg) : arg));
  const command = [program, '-u', ...doors[door], ...few, ...given];
  return run(command, { cwd: root, env: { LD_LIBRARY_PATH: libraries } });
}

async function writeInputs(): Promise<void> {
  const create = { width: 20, height: 20, channels: 3 as const, background: '#0033ff' };
  const jpeg = await sharp({ create }).jpeg().toBuffer();
  const length = Buffer.alloc(4);
  length.writeUInt32LE(jpeg.length);
  const element = Buffer.concat([length, jpeg]).toString('base64');
  const files = {
    'right.json': answering([2.5, 3.5, 4.5]),
    'wrong.json': answering([2.5, 3.5, 5.5]),
    // What is base64 here goes out as it is: a BYTES tensor of one element.
    'picture.json': { data: [{ image: { b64: element, shape: [1] } }] },
    'texts.json': { data: [{ image: [jpeg.toString('base64')] }] },
  };
  for (const [name, value] of Object.entries(files)) {
    writeFileSync(join(folder, name), JSON.stringify(value));
  }
}

/** Numbers, and what perf_analyzer is to expect of them. It takes only those with a point for floats. */
const answering = (content: readonly number[]): object => ({
  data: [{ x: { content: [1.5, 2.5, 3.5], shape: [3] } }],
  validation_data: [{ y: { content, shape: [3] } }],
});

const statistics = z.object({
  model_stats: z
    .tuple([
      z.object({
        inference_count: z.number(),
        inference_stats: z.object({ success: z.object({ count: z.number() }) }),
      }),
    ])
    .transform(([one]) => one),
});

/** Requests and rows that the server has counted of a model. */
async function counted(model: string): Promise<{ requests: number; rows: number }> {
  const reply = await fetch(`http://${address()}/v2/models/${model}/stats`);
  const { inference_count: rows, inference_stats } = statistics.parse(
    await reply.json(),
  ).model_stats;
  return { requests: inference_stats.success.count, rows };
}

/** The number behind some words, the first time. */
function numberIn(text: string, words: string): number {
  return Number(new RegExp(`${words}:? (\\d+)`).exec(text)?.[1]);
}

/** The average latency of a request in the server in µs, and the parts that it is said to consist of. */
function latencyIn(text: string): { readonly total: number; readonly parts: number } {
  const [, total = '', parts = ''] = /Avg request latency: (\d+) usec \(([^)]*)\)/.exec(text) ?? [];
  const numbers = [...parts.matchAll(/(\d+) usec/g)].map(([, part]) => Number(part));
  return { total: Number(total), parts: numbers.reduce((sum, part) => sum + part, 0) };
}

const each = ['--concurrency-range', String(clients)];
const picture = ['-m', 'colours_image', '--input-data', 'picture.json'];

describe.skipIf(missing)(`Triton's perf_analyzer${missing}`, { timeout: 120_000 }, () => {
  beforeAll(startServer, 60_000);
  afterAll(async () => {
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    ['http', ['-m', 'add', ...each]],
    ['http', ['-m', 'add', ...each, '--async', '-b', '4', '--shape', 'x:3']],
    ['http', ['-m', 'add', ...each, '--input-data', 'right.json']],
    ['http', ['-m', 'add', '-x', '1', '--request-rate-range', '50', '--input-data', 'zero']],
    [
      'http',
      ['-m', 'add', ...each, '--input-tensor-format', 'json', '--output-tensor-format', 'json'],
    ],
    ['http', [...picture, ...each]],
    [
      'http',
      [
        '-m',
        'colours_image',
        ...each,
        '--input-data',
        'texts.json',
        '--input-tensor-format',
        'json',
      ],
    ],
    ['grpc', ['-m', 'add', ...each, '--input-data', 'right.json']],
    ['grpc', ['-m', 'add', ...each, '--async', '--grpc-compression-algorithm', 'gzip']],
    ['grpc', ['-m', 'add', ...each, '--async', '--streaming']],
    // More rows than a run takes.
    ['grpc', ['-m', 'add', ...each, '-b', '80']],
    ['grpc', [...picture, ...each, '-b', '2']],
  ] as const)('over %s counts as the server does: %j', async (door, args) => {
    const before = await counted(args[1]);
    const { code, stdout, stderr } = await analyze(door, args);
    expect({ code, stderr, stdout: code === 0 ? '' : stdout }).toEqual({
      code: 0,
      stderr: '',
      stdout: '',
    });
    const rows = Number(args[args.findIndex((arg) => arg === '-b') + 1]) || 1;
    expect(numberIn(stdout, 'Request count')).toBe(requests);
    const after = await counted(args[1]);
    expect(after.requests - before.requests).toBe(requests);
    expect(after.rows - before.rows).toBe(requests * rows);
    // It asks for the server's counts when it has started already.
    const seen = numberIn(stdout, 'Successful request count');
    expect(requests - seen).toBeLessThanOrEqual(clients);
    expect(numberIn(stdout, 'Inference count')).toBe(seen * rows);
    const { total, parts } = latencyIn(stdout);
    expect(total).toBeGreaterThan(0);
    // Each part is rounded.
    expect(Math.abs(total - parts)).toBeLessThanOrEqual(6);
  });

  it('puts what the server counts and measures into its table', async () => {
    const table = join(folder, 'table.csv');
    const metrics = ['--collect-metrics', '--metrics-url', `${address()}/metrics`];
    const csv = ['-f', table, '--verbose-csv', ...metrics, '--metrics-interval', '50'];
    const { code, stdout } = await analyze('http', ['-m', 'add', ...each, ...csv]);
    expect({ code, stdout: code === 0 ? '' : stdout }).toEqual({ code: 0, stdout: '' });
    const [head = '', row = ''] = readFileSync(table, 'utf8').trim().split('\n');
    const cells = new Map(head.split(',').map((name, i) => [name, Number(row.split(',')[i])]));
    expect(cells.get('Concurrency')).toBe(clients);
    const within = ['Queue', 'Compute Input', 'Compute Infer', 'Compute Output'];
    const sum = within.reduce((total, part) => total + (cells.get(`Server ${part}`) ?? NaN), 0);
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThanOrEqual(cells.get('Avg latency') ?? 0);
    const told = await (await fetch(`http://${address()}/metrics`)).text();
    const { requests: all } = await counted('add');
    expect(told).toContain(`nv_inference_request_success{model="add",version="1"} ${all}`);
  });

  it('finds an answer that is not the one it expects', async () => {
    const args = ['-m', 'add', ...each, '--input-data', 'wrong.json'];
    const { code, stdout, stderr } = await analyze('http', args);
    expect(code).not.toBe(0);
    expect(stdout + stderr).toContain("Output doesn't match expected output");
  });

  it.each(['http', 'grpc'] as const)('is told over %s what there is not', async (door) => {
    const shared = await analyze(door, ['-m', 'add', ...each, '--shared-memory', 'system']);
    expect(shared.code).not.toBe(0);
    expect(shared.stdout + shared.stderr).toContain('Shared memory is not served');
    const unknown = await analyze(door, ['-m', 'nothing', ...each]);
    expect(unknown.code).not.toBe(0);
    expect(unknown.stdout + unknown.stderr).toContain("unknown model: 'nothing'");
  });
});
