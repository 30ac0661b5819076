import { afterEach, describe, expect, it } from 'vitest';
import { type ClientOptions, GraftClient } from '../../src/client/client.ts';
import { type FakeServer, fakeServer, type Reply, type Seen } from './fake-server.ts';

const opened: FakeServer[] = [];
afterEach(() => {
  for (const server of opened.splice(0)) server.close();
});

async function clientOf(
  reply: Reply | ((seen: Seen) => Reply),
  options: ClientOptions = {},
): Promise<{ readonly client: GraftClient; readonly server: FakeServer }> {
  const server = await fakeServer(typeof reply === 'function' ? reply : () => reply);
  opened.push(server);
  return { server, client: new GraftClient(`${server.origin}/`, options) };
}

const json = (value: unknown): Reply => ({ body: JSON.stringify(value) });

/** An answer of the binary extension, put together by hand. */
function binary(head: unknown, ...blobs: readonly (readonly number[])[]): Reply {
  const text = JSON.stringify(head);
  return {
    headers: { 'Inference-Header-Content-Length': String(Buffer.byteLength(text)) },
    body: Buffer.concat([Buffer.from(text), Buffer.from(blobs.flat())]),
  };
}

const output = (name: string, datatype: string, shape: number[], bytes: number): unknown => {
  return { name, datatype, shape, parameters: { binary_data_size: bytes } };
};

const containing = (text: string): unknown => expect.stringContaining(text);
const matching = (pattern: string): unknown => expect.stringMatching(new RegExp(pattern));

const empty = { model_name: 'm', outputs: [] };

describe('infer', () => {
  it('sends the JSON, then the tensors as little-endian bytes in its order', async () => {
    const { client, server } = await clientOf(json(empty));
    await client.infer('a/b', {
      id: 'seven',
      inputs: {
        x: { shape: [1, 2], data: Float32Array.of(1, -2) },
        s: { shape: [2], data: ['é', ''] },
      },
      outputs: ['y'],
    });
    const [seen] = server.seen;
    expect(seen?.url).toBe('/v2/models/a%2Fb/infer');
    const end = Number(seen?.headers['inference-header-content-length']);
    expect(JSON.parse(seen?.body.subarray(0, end).toString() ?? '')).toEqual({
      id: 'seven',
      parameters: { binary_data_output: true },
      inputs: [
        { name: 'x', shape: [1, 2], datatype: 'FP32', parameters: { binary_data_size: 8 } },
        { name: 's', shape: [2], datatype: 'BYTES', parameters: { binary_data_size: 10 } },
      ],
      outputs: [{ name: 'y' }],
    });
    expect([...(seen?.body.subarray(end) ?? [])]).toEqual([
      0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 2, 0, 0, 0, 0xc3, 0xa9, 0, 0, 0, 0,
    ]);
  });

  it('reads outputs that come as bytes, aligned or not, and as JSON', async () => {
    const { client } = await clientOf(
      binary(
        {
          model_name: 'm',
          model_version: '3',
          id: 'seven',
          outputs: [
            output('b', 'BOOL', [1], 1),
            output('y', 'FP32', [1, 2], 8),
            output('n', 'INT64', [1], 8),
            output('s', 'BYTES', [2], 11),
            output('none', 'FP64', [0, 4], 0),
            { name: 'j', datatype: 'INT16', shape: [1, 2], data: [[5, -6]] },
            { name: 'k', datatype: 'FP32', shape: [2], data: [null, 0.5] },
          ],
        },
        [1],
        [0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0],
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        [2, 0, 0, 0, 0x68, 0x69, 1, 0, 0, 0, 0x21],
      ),
    );
    const result = await client.infer('m', { inputs: {} });
    expect(result).toMatchObject({ model: 'm', version: '3', id: 'seven' });
    const { b, y, n, s, none, j, k } = result.outputs;
    expect(b?.data).toEqual(Uint8Array.of(1));
    expect(y).toEqual({ datatype: 'FP32', shape: [1, 2], data: Float32Array.of(1, -2) });
    expect(n?.data).toEqual(BigInt64Array.of(-1n));
    expect(s?.data).toEqual([Uint8Array.of(0x68, 0x69), Uint8Array.of(0x21)]);
    expect(none?.data).toEqual(new Float64Array(0));
    expect(j?.data).toEqual(Int16Array.of(5, -6));
    expect(k?.data).toEqual(Float32Array.of(Number.NaN, 0.5));
  });

  it('passes its deadline on, in microseconds', async () => {
    const { client, server } = await clientOf(json(empty));
    await client.infer('m', { inputs: {}, priority: 1 }, { timeoutMs: 5000, version: '2' });
    expect(server.seen[0]?.url).toBe('/v2/models/m/versions/2/infer');
    expect(server.seen[0]?.body.toString()).toContain('"priority":1,"timeout":5000000');
  });

  it.each([
    ['fewer numbers than the shape', { shape: [3], data: Float32Array.of(1) }, 'holds 3 elements'],
    [
      'numbers of another type',
      { shape: [1], datatype: 'FP16', data: Float32Array.of(1) },
      'Float32Array',
    ],
    ['texts as numbers', { shape: [1], datatype: 'FP32', data: ['1'] }, 'FP32 needs a typed array'],
  ] as const)('refuses %s before anything is sent', async (_, input, reason) => {
    const { client, server } = await clientOf(json(empty));
    await expect(client.infer('m', { inputs: { 'the input': input } })).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
      message: matching(`"the input".*${reason}`),
    });
    expect(server.seen).toEqual([]);
  });

  it.each([
    ['bytes that end early', 8, [1, 2, 3, 4], '8 bytes of tensors are announced, but 4 came'],
    ['bytes of another length than the shape', 4, [1, 2, 3, 4], 'takes 8 bytes, but 4 came'],
  ])('says that an answer cannot be understood: %s', async (_, size, bytes, reason) => {
    const { client } = await clientOf(
      binary({ model_name: 'm', outputs: [output('y', 'FP32', [2], size)] }, bytes),
    );
    await expect(client.infer('m', { inputs: {} })).rejects.toMatchObject({
      code: 'ANSWER_INVALID',
      message: containing(reason),
    });
  });
});

const classified = {
  model_name: 'm',
  model_version: '1',
  predictions: [{ index: 3, label: 'cat', probability: 0.75 }],
  is_distribution: true,
  timing: { queue_ms: 0.1, decode_ms: 1, compute_ms: 5, total_ms: 6.5 },
};

describe('classify', () => {
  it.each([
    ['a Blob', new Blob([Uint8Array.of(1, 2, 3)])],
    ['bytes', Uint8Array.of(1, 2, 3)],
    ['an ArrayBuffer', Uint8Array.of(1, 2, 3).buffer],
  ])('sends %s as it is', async (_, image) => {
    const { client, server } = await clientOf(json(classified));
    expect(await client.classify('m', image, { top: 1 })).toEqual(classified);
    expect(server.seen[0]).toMatchObject({ method: 'POST', url: '/v2/models/m/classify?top=1' });
    expect([...(server.seen[0]?.body ?? [])]).toEqual([1, 2, 3]);
  });

  it('names the place of what does not fit', async () => {
    const { client } = await clientOf(json({ ...classified, predictions: [{ index: 3 }] }));
    await expect(client.classify('m', new Uint8Array(1))).rejects.toThrow(
      'predictions[0].label must be a text',
    );
  });
});

describe('the other calls', () => {
  it('reads the metadata of the server, of a model and of the repository', async () => {
    const port = { name: 'x', datatype: 'FP32', shape: [-1, 3] };
    const replies: Readonly<Record<string, unknown>> = {
      '/v2': { name: 'graft', version: '1', extensions: ['binary_tensor_data'] },
      '/v2/models/m': { name: 'm', platform: 'onnx_onnxv1', inputs: [port], outputs: [port] },
      '/v2/repository/index': [{ name: 'm', version: '1', state: 'READY', reason: '' }],
    };
    const { client, server } = await clientOf(({ url }) => json(replies[url]));
    expect(await client.serverMetadata()).toEqual(replies['/v2']);
    expect(await client.modelMetadata('m')).toEqual(replies['/v2/models/m']);
    expect(await client.repository()).toEqual(replies['/v2/repository/index']);
    expect(server.seen.map(({ method }) => method)).toEqual(['GET', 'GET', 'POST']);
  });

  it('loads and unloads', async () => {
    const { client, server } = await clientOf({});
    await client.load('m');
    await client.unload('m');
    expect(server.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'POST /v2/repository/models/m/load',
      'POST /v2/repository/models/m/unload',
    ]);
  });

  it('takes health from the status alone', async () => {
    const { client } = await clientOf(({ url }) => ({ status: url.endsWith('live') ? 200 : 503 }));
    expect(await client.isLive()).toBe(true);
    expect(await client.isReady()).toBe(false);
    expect(await client.isModelReady('m')).toBe(false);
    expect(await new GraftClient('http://127.0.0.1:9').isLive()).toBe(false);
  });

  it('sends the key and own headers', async () => {
    const { client, server } = await clientOf({}, { apiKey: 'k', headers: { 'x-team': 'red' } });
    await client.isLive();
    expect(server.seen[0]?.headers).toMatchObject({ authorization: 'Bearer k', 'x-team': 'red' });
  });
});

describe('what goes wrong', () => {
  it.each([
    [400, 'REQUEST_INVALID'],
    [404, 'REQUEST_INVALID'],
    [401, 'KEY_REFUSED'],
    [429, 'SERVER_BUSY'],
    [503, 'SERVER_BUSY'],
    [504, 'REQUEST_TIMEOUT'],
    [500, 'SERVER_FAILED'],
  ])('turns status %i into %s, with all that the server says', async (status, code) => {
    const { client, server } = await clientOf({
      status,
      headers: { 'x-request-id': 'r-1', 'retry-after': '2' },
      body: '{"error":"input \\"x\\" is missing"}',
    });
    await expect(client.serverMetadata()).rejects.toMatchObject({
      code,
      message: containing(`answered ${status}: input "x" is missing`),
      exchange: { url: `${server.origin}/v2`, status, requestId: 'r-1', retryAfterMs: 2000 },
    });
  });

  it.each([
    [404, 'MODEL_UNKNOWN', 'MODEL_UNKNOWN'],
    [503, 'MODEL_NOT_READY', 'MODEL_NOT_READY'],
    [503, 'SERVER_BUSY', 'SERVER_BUSY'],
    [403, 'ORIGIN_REFUSED', 'ORIGIN_REFUSED'],
    [404, 'no code of ours', 'REQUEST_INVALID'],
  ])('takes the word of the server: status %i with %s is %s', async (status, said, code) => {
    const { client } = await clientOf({ status, headers: { 'x-graft-code': said }, body: '{}' });
    await expect(client.serverMetadata()).rejects.toMatchObject({ code, exchange: { code: said } });
  });

  it('rejects as fetch does where the signal names no reason', async () => {
    const { client } = await clientOf({ hangs: true });
    const signal = AbortSignal.abort();
    await expect(client.serverMetadata({ signal })).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('quotes an answer that is no JSON', async () => {
    const { client } = await clientOf({ status: 502, body: '<h1>Bad gateway</h1>' });
    await expect(client.serverMetadata()).rejects.toThrow('answered 502: <h1>Bad gateway</h1>');
  });

  it('says where no one listens', async () => {
    await expect(new GraftClient('http://127.0.0.1:9').serverMetadata()).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
      where: { file: 'http://127.0.0.1:9/v2' },
    });
  });

  it('keeps its deadline also while the answer trickles', async () => {
    const { client } = await clientOf({ body: '{', hangs: true }, { timeoutMs: 50 });
    await expect(client.serverMetadata()).rejects.toMatchObject({
      code: 'REQUEST_TIMEOUT',
      message: containing('within 50 ms'),
    });
  });

  it('rejects with the reason of the signal that aborted it', async () => {
    const reason = new Error('the user left');
    const left = new AbortController();
    const { client } = await clientOf(() => {
      left.abort(reason);
      return { hangs: true };
    });
    await expect(client.serverMetadata({ signal: left.signal })).rejects.toBe(reason);
    await expect(client.isLive({ signal: left.signal })).rejects.toBe(reason);
  });
});
