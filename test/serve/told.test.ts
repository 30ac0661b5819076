import { request } from 'node:http';
import { beforeEach, describe, expect, it } from 'vitest';
import type { InferEvent, RefusalEvent } from '../../src/serve/request/events.ts';
import { apiKeyGate, originGate } from '../../src/serve/security.ts';
import { temporaryFolder } from '../files.ts';
import { GrpcClient } from './grpc-client.ts';
import { addition, at } from './models.ts';
import { bundledWorker, sharedServer, startServer } from './server.ts';

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
const url = sharedServer(options, async (folder) => addition(at(folder, 'add')));
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
    ['an unknown path', '/v1/models/add:predict', {}, {}, 'http PATH_UNKNOWN 404'],
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

  it('over gRPC: one without a key', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    const { grpcPort = 0 } = await startServer({ ...options, models: [folder], grpcPort: 0 });
    const client = new GrpcClient(grpcPort);
    await client.call('ModelInfer', { model_name: 'add' });
    expect(told).toEqual(['grpc KEY_REFUSED 16']);
  });
});
