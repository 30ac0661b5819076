import type { IncomingHttpHeaders } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../files.ts';
import { floats, framed, post } from './http.ts';
import { addition, colours, at as pathOf } from './models.ts';
import { bundledWorker, startServer } from './server.ts';

const workers = bundledWorker();
/** Requests of each kind; the same ones each time. */
const count = 1500;
const seed = 5;

/** Mulberry32: the same numbers for the same seed. */
function randomOf(first: number): (below: number) => number {
  let state = first;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const input = { name: 'x', shape: [1, 3], datatype: 'FP32' };
const good = { inputs: [{ ...input, data: [1, 2, 3] }] };

const values: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1.5,
  2 ** 31,
  2 ** 53,
  -(2 ** 63),
  1e308,
  '',
  'x',
  'NaN',
  '\u0000',
  'é'.repeat(300),
  [],
  {},
  [[]],
  [[[1]]],
  { x: 1 },
  Array.from({ length: 200 }, () => 0),
  '__proto__',
  'FP16',
  'BYTES',
  'BOOL',
  'INT64',
];

/** A good request with some values at some places of it replaced, taken out or doubled. */
function mutated(random: (below: number) => number): string {
  const request: unknown = structuredClone({
    ...good,
    id: 'a',
    parameters: { binary_data_output: true, timeout: 1e9 },
    outputs: [{ name: 'y', parameters: { binary_data: true, classification: 2 } }],
  });
  for (let i = 0; i <= random(3); i++) mutate(request, random);
  return JSON.stringify(request);
}

function mutate(root: unknown, random: (below: number) => number): void {
  let at: unknown = root;
  for (;;) {
    if (typeof at !== 'object' || at === null) return;
    const keys = Object.keys(at);
    const key = keys[random(Math.max(keys.length, 1))] ?? 'more';
    const child: unknown = Reflect.get(at, key);
    const isDeep = typeof child === 'object' && child !== null && Object.keys(child).length > 0;
    if (isDeep && random(3) > 0) {
      at = child;
      continue;
    }
    const kind = random(4);
    if (kind === 0) Reflect.deleteProperty(at, key);
    else if (kind === 1 && Array.isArray(at)) at.push(structuredClone(child));
    else Reflect.set(at, key, structuredClone(values[random(values.length)]));
    return;
  }
}

/** Bytes with some of them changed, taken out or doubled. */
function garbled(bytes: Buffer, random: (below: number) => number): Buffer {
  const result = [...bytes];
  for (let i = 0; i <= random(4); i++) {
    const place = random(result.length);
    const kind = random(3);
    if (kind === 0) result.splice(place, 1 + random(8));
    else if (kind === 1) result.splice(place, 0, ...result.slice(place, place + random(20)));
    else result[place] = random(256);
  }
  return Buffer.from(result);
}

/** Runs one after the other, some at a time. */
async function each(work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: 8 }, lane));
}

async function server(): Promise<{
  url: string;
  port: number;
  grpcPort: number;
  works: () => Promise<void>;
}> {
  const folder = temporaryFolder();
  await addition(pathOf(folder, 'add'));
  await colours(pathOf(folder, 'colours'));
  const { url, port, grpcPort = 0 } = await startServer({ models: [folder], workers, grpcPort: 0 });
  const works = async (): Promise<void> => {
    const { inferred } = await post(`${url}/v2/models/add/infer`, good);
    expect(inferred?.outputs[0]?.data).toEqual([2, 3, 4]);
  };
  return { url, port, grpcPort, works };
}

describe(`thousands of malformed requests (seed ${seed})`, { timeout: 120_000 }, () => {
  it('of JSON get an answer or an error that says something, and the server stays', async () => {
    const { url, works } = await server();
    const random = randomOf(seed);
    await each(async () => {
      const text = mutated(random);
      const body = random(3) === 0 ? garbled(Buffer.from(text), random) : text;
      const { status, error } = await post(`${url}/v2/models/add/infer`, body);
      expect([200, 400, 504]).toContain(status);
      if (status !== 200) expect(error?.length).toBeGreaterThan(10);
    });
    await works();
  });

  it('with binary tensors whose lengths lie', async () => {
    const { url, works } = await server();
    const random = randomOf(seed + 1);
    await each(async () => {
      const size = [12, 0, 11, 13, -12, 1e12, 2 ** 31][random(7)] ?? 12;
      const [body, headers] = framed(
        { inputs: [{ ...input, parameters: { binary_data_size: size } }] },
        floats(1, 2, 3).subarray(0, random(13)),
      );
      const length = [
        headers['inference-header-content-length'] ?? '',
        '0',
        '1',
        '1e3',
        '-5',
        String(random(200)),
      ];
      const told = { 'inference-header-content-length': length[random(length.length)] ?? '' };
      const sent = random(2) === 0 ? body : garbled(body, random);
      const { status } = await post(
        `${url}/v2/models/add/infer`,
        sent,
        random(2) === 0 ? headers : told,
      );
      expect([200, 400]).toContain(status);
    });
    await works();
  });

  it('to every path', async () => {
    const { url, works } = await server();
    const random = randomOf(seed + 2);
    const parts = [
      'v2',
      'models',
      'add',
      'colours',
      'infer',
      'classify',
      'versions',
      '1',
      'repository',
      'index',
      'stats',
      '..',
      '%2e%2e',
      '%',
      '%00',
      'x'.repeat(300),
      '',
      '?',
      'load',
      'config',
    ];
    const methods = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];
    await each(async () => {
      const path = Array.from({ length: 1 + random(6) }, () => parts[random(parts.length)]).join(
        '/',
      );
      const method = methods[random(methods.length)] ?? 'GET';
      const body =
        method === 'GET' ? null : new Uint8Array(garbled(Buffer.from(mutated(random)), random));
      const response = await fetch(`${url}/${path}`, { method, body });
      await response.arrayBuffer();
      expect(response.status).toBeLessThan(500);
    });
    await works();
  });

  it('that are no HTTP', async () => {
    const { port, works } = await server();
    const random = randomOf(seed + 3);
    const request = Buffer.from(
      `POST /v2/models/add/infer HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${JSON.stringify(good).length}\r\n\r\n${JSON.stringify(good)}`,
    );
    await each(async () => {
      const bytes = garbled(request, random);
      const socket = connect({ port, host: '127.0.0.1' });
      socket.on('error', () => undefined);
      socket.resume();
      socket.end(bytes);
      await new Promise((resolve) => socket.on('close', resolve));
    });
    await works();
  });

  it('over gRPC', async () => {
    const { grpcPort, works } = await server();
    const random = randomOf(seed + 4);
    const session = connectHttp2(`http://127.0.0.1:${grpcPort}`);
    onTestFinished(() => session.close());
    session.on('error', () => undefined);
    // model_name "add"; an input "x" of FP32 [1, 3]; 12 raw bytes.
    const message = Buffer.from(
      '0a036164642a0d0a01781204465033321a0201033a0c0000803f0000004000004040',
      'hex',
    );
    const seen = new Set<string>();
    await each(async () => {
      const body = random(10) === 0 ? message : garbled(message, random);
      const head = Buffer.alloc(5);
      head.writeUInt32BE(body.length, 1);
      const stream = session.request({
        ':method': 'POST',
        ':path': '/inference.GRPCInferenceService/ModelInfer',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('error', () => undefined);
      for (const event of ['response', 'trailers'] as const) {
        stream.on(event, (headers: IncomingHttpHeaders) => {
          if (typeof headers['grpc-status'] === 'string') seen.add(headers['grpc-status']);
        });
      }
      stream.resume();
      stream.end(Buffer.concat([head, body]));
      await new Promise((resolve) => stream.on('close', resolve));
    });
    // OK, INVALID_ARGUMENT, NOT_FOUND, and INTERNAL for bytes that are no message.
    expect([...seen].toSorted()).toEqual(['0', '13', '3', '5']);
    await works();
  });

  it('with pictures', async () => {
    const { url, works } = await server();
    const random = randomOf(seed + 6);
    const picture = Buffer.from(
      'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
      'base64',
    );
    await each(async () => {
      const body = new Uint8Array(garbled(picture, random));
      const response = await fetch(`${url}/v2/models/colours/classify`, { method: 'POST', body });
      await response.arrayBuffer();
      expect([200, 400]).toContain(response.status);
    });
    await works();
  });
});
