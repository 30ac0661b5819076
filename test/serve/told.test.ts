import { request } from 'node:http';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import type { InferEvent, RefusalEvent } from '../../src/serve/request/events.ts';
import { apiKeyGate, originGate } from '../../src/serve/security.ts';
import { bareCall, bareConnection, frame } from './bare-grpc.ts';
import { GrpcClient } from './grpc-client.ts';
import { addition, at } from './models.ts';
import { bundledWorker, sharedDoors } from './server.ts';

const workers = bundledWorker();
const key = 'the-key-of-the-test';
const x = { name: 'x', datatype: 'FP32', shape: [1, 3], data: [1, 2, 3] };

const told: string[] = [];
const options = {
  workers,
  bodyLimit: 1000,
  httpGates: [originGate([])],
  gates: [apiKeyGate([key])],
  // Writes down each event in a word.
  observers: [
    {
      onInfer: ({ door, outcome }: InferEvent) => told.push(`${door} ${outcome}`),
      onRefusal: ({ door, code, status }: RefusalEvent) => told.push(`${door} ${code} ${status}`),
    },
  ],
};
const doors = sharedDoors({ ...options, grpcPort: 0 }, async (folder) =>
  addition(at(folder, 'add')),
);
const url = (): string => `http://127.0.0.1:${doors().port}`;
const grpcPort = (): number => doors().grpcPort ?? 0;
beforeEach(() => void told.splice(0));

describe('of every call its observers are told once', { timeout: 30_000 }, () => {
  it.each([
    ['an answer', '/v2/models/add/infer', { inputs: [x] }, {}, 'http success'],
    [
      'a request that does not fit the model',
      '/v2/models/add/infer',
      { inputs: [{ ...x, shape: [3] }] },
      {},
      'http invalid',
    ],
    ['no key', '/v2/models/add/infer', {}, { 'x-api-key': '' }, 'http KEY_REFUSED 401'],
    [
      'a foreign page',
      '/v2/models/add/infer',
      {},
      { origin: 'https://evil.example' },
      'http ORIGIN_REFUSED 403',
    ],
    ['no request', '/v2/models/add/infer', [], {}, 'http REQUEST_INVALID 400'],
    ['an unknown model', '/v2/models/nope/infer', {}, {}, 'http MODEL_UNKNOWN 404'],
    ['an unknown path', '/v3/models/add', {}, {}, 'http PATH_UNKNOWN 404'],
    [
      'a body too large',
      '/v2/models/add/infer',
      'x'.repeat(2000),
      {},
      'http REQUEST_TOO_LARGE 413',
    ],
  ])('over HTTP: %s', async (...[, path, body, headers, expected]) => {
    await fetch(url() + path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'x-api-key': key, ...headers },
    });
    expect(told).toEqual([expected]);
  });

  it('over HTTP: a client that left while it was sending', async () => {
    const headers = { 'x-api-key': key, 'content-length': '500' };
    const sending = request(`${url()}/v2/models/add/infer`, { method: 'POST', headers });
    sending.on('error', () => undefined);
    sending.write('{"inputs":');
    await expect.poll(async () => (await fetch(`${url()}/v2/health/live`)).ok).toBe(true);
    sending.destroy();
    await expect.poll(() => told).toEqual(['http REQUEST_CANCELLED 499']);
  });

  it.each([
    ['GET', '/v2/models/add/infer', 'http METHOD_UNKNOWN 405'],
    ['DELETE', '/v2/models/add', 'http METHOD_UNKNOWN 405'],
    ['OPTIONS', '/v2/health/live', 'http METHOD_UNKNOWN 405'],
    ['GET', '/v2/systemsharedmemory/status', 'http REQUEST_UNSUPPORTED 501'],
    ['POST', '/v2/logging', 'http REQUEST_UNSUPPORTED 501'],
  ])('over HTTP: %s %s', async (method, path, expected) => {
    const reply = await fetch(url() + path, { method, headers: { 'x-api-key': key } });
    expect(told).toEqual([expected]);
    if (reply.status === 405) expect(reply.headers.get('allow')).toMatch(/^(POST|GET, HEAD)$/);
  });

  it.each([
    ['bytes that are no HTTP', 'hello\r\n\r\n', 'http REQUEST_INVALID 400'],
    [
      'headers beyond all measure',
      `GET / HTTP/1.1\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`,
      'http REQUEST_TOO_LARGE 431',
    ],
  ])('over HTTP: %s', async (_, text, expected) => {
    const socket = connect(Number(new URL(url()).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(text);
    await new Promise((resolve) => socket.on('close', resolve).resume());
    expect(told).toEqual([expected]);
  });

  it.each([
    ['a message that is too large', frame(Buffer.alloc(2000)), {}, 'grpc REQUEST_TOO_LARGE 8'],
    [
      'a message that is too large when unpacked',
      frame(gzipSync(Buffer.alloc(2000)), true),
      { 'grpc-encoding': 'gzip' },
      'grpc REQUEST_TOO_LARGE 8',
    ],
    [
      'a compression that there is not',
      frame(Buffer.alloc(10), true),
      { 'grpc-encoding': 'snappy' },
      'grpc REQUEST_UNSUPPORTED 12',
    ],
    [
      'a message that is not compressed as it says',
      frame(Buffer.alloc(10), true),
      { 'grpc-encoding': 'gzip' },
      'grpc REQUEST_INVALID 13',
    ],
    ['a message that is none', frame(Buffer.from([0x0a, 0xff])), {}, 'grpc REQUEST_INVALID 13'],
    [
      'a time-out that is none',
      frame(Buffer.alloc(0)),
      { 'grpc-timeout': 'soon' },
      'grpc REQUEST_INVALID 13',
    ],
  ])('over gRPC, by the library itself: %s', async (...[, body, headers, expected]) => {
    const call = { ...headers, 'x-api-key': key };
    await bareCall(bareConnection(grpcPort()), 'ModelInfer', body, call);
    expect(told).toEqual([expected]);
  });

  it.each([
    ['an answer', 'ServerLive', {}, []],
    ['an unknown model', 'ModelMetadata', { name: 'nope' }, ['grpc MODEL_UNKNOWN 5']],
    ['what Triton has beyond it', 'SystemSharedMemoryStatus', {}, ['grpc REQUEST_UNSUPPORTED 12']],
    ['a request that does not fit', 'ModelInfer', { model_name: 'add' }, ['grpc invalid']],
  ])('over gRPC: %s', async (...[, method, message, expected]) => {
    const headers = { 'x-api-key': key };
    await new GrpcClient(grpcPort()).call(method, message, { headers });
    expect(told).toEqual(expected);
  });

  it('over gRPC: one without a key', async () => {
    const client = new GrpcClient(grpcPort());
    await client.call('ModelInfer', { model_name: 'add' });
    expect(told).toEqual(['grpc KEY_REFUSED 16']);
  });
});
