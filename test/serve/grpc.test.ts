import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { describe, expect, it, onTestFinished } from 'vitest';
import { convert } from '../../src/convert/convert.ts';
import { datatypes } from '../../src/serve/request/datatypes.ts';
import { temporaryFolder } from '../files.ts';
import { hasShared, shared } from '../shared.ts';
import { GrpcClient } from './grpc-client.ts';
import { floats } from './http.ts';
import { addition, at, colours, same, slow } from './models.ts';
import { says } from './says.ts';
import { bundledWorker, startServer } from './server.ts';

const workers = bundledWorker();

async function addClient(more: object = {}): Promise<GrpcClient> {
  const folder = temporaryFolder();
  await addition(at(folder, 'add'));
  const { grpcPort = 0 } = await startServer({ models: [folder], workers, grpcPort: 0, ...more });
  return new GrpcClient(grpcPort);
}

const x = (more: object = {}): object => ({ name: 'x', datatype: 'FP32', shape: [1, 3], ...more });
const contents = { contents: { fp32_contents: [1, 2, 3] } };

/** So many rows of 4 MiB. */
const wideRows = (rows: number): Record<string, unknown> => ({
  model_name: 'wide',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [rows, 1024 * 1024] }],
  raw_input_contents: [Buffer.alloc(rows * 4 * 1024 * 1024)],
});

describe('the gRPC service', { timeout: 30_000 }, () => {
  it('says who it is, what it has, and that it is ready', async () => {
    const client = await addClient();
    const answers = async (method: string, message = {}): Promise<unknown> =>
      (await client.call(method, message)).answer;
    expect(await answers('ServerLive')).toEqual({ live: true });
    expect(await answers('ServerReady')).toEqual({ ready: true });
    expect(await answers('ModelReady', { name: 'add', version: '1' })).toEqual({ ready: true });
    expect(await answers('ServerMetadata')).toMatchObject({ name: 'graft', version: '0' });
    expect(await answers('ModelMetadata', { name: 'add' })).toMatchObject({
      name: 'add',
      versions: ['1'],
      inputs: [{ name: 'x', datatype: 'FP32', shape: ['-1', '3'] }],
    });
    expect(await answers('ModelConfig', { name: 'add' })).toMatchObject({
      config: { max_batch_size: 32, input: [{ data_type: 'TYPE_FP32', dims: ['3'] }] },
    });
    expect(await answers('RepositoryIndex')).toEqual({
      models: [{ name: 'add', version: '1', state: 'READY', reason: '' }],
    });
    await client.call('ModelInfer', { model_name: 'add', inputs: [x(contents)] });
    expect(await answers('ModelStatistics', { name: 'add' })).toMatchObject({
      model_stats: [{ inference_count: '1', inference_stats: { success: { count: '1' } } }],
    });
  });

  it('takes typed contents and raw bytes, and answers with raw bytes', async () => {
    const client = await addClient();
    for (const message of [
      { inputs: [x(contents)] },
      { inputs: [x()], raw_input_contents: [floats(1, 2, 3)] },
    ]) {
      const { answer } = await client.call('ModelInfer', {
        model_name: 'add',
        id: 'a',
        ...message,
      });
      expect(answer).toMatchObject({
        model_name: 'add',
        model_version: '1',
        id: 'a',
        outputs: [{ name: 'y', datatype: 'FP32', shape: ['1', '3'] }],
        raw_output_contents: [floats(2, 3, 4)],
      });
    }
  });

  it('takes typed contents of every element type', async () => {
    const folder = temporaryFolder();
    const typed = Object.entries(datatypes).filter(
      ([, { contents: field }]) => field && field !== 'bytes_contents',
    );
    for (const [name, { dtype }] of typed) await same(at(folder, name), dtype);
    const { grpcPort = 0 } = await startServer({ models: [folder], workers, grpcPort: 0 });
    const client = new GrpcClient(grpcPort);
    for (const [name, { contents: field = '', bytes }] of typed) {
      const values =
        name === 'INT64' ? ['-9007199254740993', '1'] : name === 'BOOL' ? [false, true] : [0, 1];
      const input = { name: 'x', datatype: name, shape: [1, 2], contents: { [field]: values } };
      const { answer, details } = await client.call('ModelInfer', {
        model_name: name,
        inputs: [input],
      });
      expect({ name, details }).toEqual({ name, details: '' });
      const [raw] = rawOf(answer);
      expect(raw).toHaveLength(2 * bytes);
      if (name === 'INT64') expect(raw?.readBigInt64LE(0)).toBe(-9007199254740993n);
    }
  });

  it('classifies, and takes pictures as bytes', async () => {
    const folder = temporaryFolder();
    await colours(at(folder, 'colours'));
    const { grpcPort = 0 } = await startServer({ models: [folder], workers, grpcPort: 0 });
    const picture = readFileSync(new URL('../fixtures/images/rgb.png', import.meta.url));
    const { answer, details } = await new GrpcClient(grpcPort).call('ModelInfer', {
      model_name: 'colours_image',
      inputs: [
        { name: 'image', datatype: 'BYTES', shape: [1], contents: { bytes_contents: [picture] } },
      ],
      outputs: [{ name: 'scores', parameters: { classification: { int64_param: 1 } } }],
    });
    expect(details).toBe('');
    expect(answer).toMatchObject({ outputs: [{ datatype: 'BYTES', shape: ['1', '1'] }] });
  });

  it.each([
    ['an unknown model', { model_name: 'nope', inputs: [x(contents)] }, 5, /'nope'/],
    [
      'an unknown version',
      { model_name: 'add', model_version: '9', inputs: [x(contents)] },
      5,
      /version 9/,
    ],
    ['a missing input', { inputs: [] }, 3, /missing required input\(s\) \['x'\]/],
    [
      'another type',
      { inputs: [x({ datatype: 'INT32', contents: { int_contents: [1, 2, 3] } })] },
      3,
      /INT32.*FP32/,
    ],
    ['an unknown type', { inputs: [x({ datatype: 'F' })] }, 3, /'F'/],
    [
      'another shape',
      { inputs: [x({ shape: [1, 2], contents: { fp32_contents: [1, 2] } })] },
      3,
      /\[-1,3\]/,
    ],
    [
      'too few numbers',
      { inputs: [x({ contents: { fp32_contents: [1] } })] },
      3,
      /'x' has 1 elements/,
    ],
    [
      'raw bytes that are too few',
      { inputs: [x()], raw_input_contents: [floats(1)] },
      3,
      /'x'.*12 bytes.*have 4/,
    ],
    [
      'raw bytes for another number of inputs',
      { inputs: [x()], raw_input_contents: [floats(1), floats(1)] },
      3,
      /1 inputs and 2/,
    ],
    [
      'both kinds of contents',
      { inputs: [x(contents)], raw_input_contents: [floats(1, 2, 3)] },
      3,
      /'x' has contents/,
    ],
    [
      '16-bit floats in typed contents',
      { inputs: [x({ datatype: 'FP16', ...contents })] },
      3,
      /FP16.*raw_input_contents/,
    ],
    ['a negative size', { inputs: [x({ shape: [-1, 3], ...contents })] }, 3, /at least 0/],
  ])('refuses %s with its status', async (_, message, code, what) => {
    const client = await addClient();
    const reply = await client.call('ModelInfer', { model_name: 'add', ...message });
    expect(reply).toMatchObject({ code, details: says(what) });
  });

  it('takes messages of many megabytes, and refuses those beyond its limit', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'wide'), 1, 1024 * 1024);
    const { grpcPort = 0 } = await startServer({
      models: [folder],
      workers,
      grpcPort: 0,
      bodyLimit: 10 * 1024 * 1024,
    });
    const client = new GrpcClient(grpcPort);
    const { answer } = await client.call('ModelInfer', wideRows(2));
    expect(rawOf(answer)[0]).toHaveLength(8 * 1024 * 1024);
    expect(await client.call('ModelInfer', wideRows(4))).toMatchObject({ code: 8 });
  });

  it('goes by the deadline of a call, and does not compute what was cancelled', async () => {
    const folder = temporaryFolder();
    await slow(at(folder, 'slow'));
    const { grpcPort = 0, context } = await startServer({
      models: [folder],
      workers,
      grpcPort: 0,
      maxBatchSize: 1,
    });
    const client = new GrpcClient(grpcPort);
    let runs = 0;
    context.observe({ onBatch: () => (runs += 1) });
    const input = { name: 'x', datatype: 'FP32', shape: [1, 512] };
    const message = {
      model_name: 'slow',
      inputs: [input],
      raw_input_contents: [Buffer.alloc(2048)],
    };
    const first = client.call('ModelInfer', message);
    const late = client.call('ModelInfer', message, { deadline: Date.now() + 1 });
    expect((await late).code).toBe(4);
    expect((await first).code).toBe(0);
    await context.models.drain();
    expect(runs).toBeLessThanOrEqual(2);
  });

  it('answers a stream one by one, also after a request that fails', async () => {
    const client = await addClient();
    const answers = await client.stream(
      'ModelStreamInfer',
      ['add', 'nope', 'add'].map((name) => ({ model_name: name, id: name, inputs: [x(contents)] })),
    );
    expect(answers).toHaveLength(3);
    expect(answers.filter(({ error_message: text }) => text !== '')).toHaveLength(1);
  });

  it('tells its health by the usual service', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    const { grpcPort = 0 } = await startServer({ models: [folder], workers, grpcPort: 0 });
    const client = new GrpcClient(grpcPort, 'health.proto', 'grpc.health.v1.Health');
    for (const service of ['', 'add', 'inference.GRPCInferenceService']) {
      expect((await client.call('Check', { service })).answer).toEqual({ status: 'SERVING' });
    }
    expect(await client.call('Check', { service: 'nope' })).toMatchObject({ code: 5 });
  });
});

/** The raw contents of an answer. */
function rawOf(answer: Readonly<Record<string, unknown>>): readonly Buffer[] {
  const raw: unknown = answer['raw_output_contents'];
  return Array.isArray(raw) ? raw.filter((one) => Buffer.isBuffer(one)) : [];
}

const messages = shared('cases/e00-serving-model');
describe.skipIf(!hasShared || !existsSync(messages))(
  `messages of another client${hasShared ? '' : ' (skipped: the collection is not here)'}`,
  () => {
    it.each([
      ['grpc_request.pb', '0'],
      ['grpc_request_contents.pb', '0'],
      ['grpc_request_mixed_bad.pb', '3'],
      ['grpc_request_short_bad.pb', '3'],
      ['grpc_request_fp16_contents_bad.pb', '3'],
    ])('%s ends with status %s', async (file, status) => {
      const folder = temporaryFolder();
      await convert(`${messages}/model.h5`, { output: at(folder, 'serve_me') });
      const { grpcPort = 0 } = await startServer({ models: [folder], workers, grpcPort: 0 });
      expect(await sent(grpcPort, readFileSync(`${messages}/${file}`))).toBe(status);
    });
  },
);

/** Sends a message as it is, over plain HTTP/2; gives the status. */
async function sent(port: number, message: Buffer): Promise<unknown> {
  const session = connect(`http://127.0.0.1:${port}`);
  onTestFinished(() => session.close());
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const stream = session.request({
    ':method': 'POST',
    ':path': '/inference.GRPCInferenceService/ModelInfer',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  return new Promise((resolve, reject) => {
    stream.on('error', reject);
    for (const event of ['response', 'trailers'] as const) {
      stream.on(event, (headers: Readonly<Record<string, unknown>>) => {
        if (headers['grpc-status'] !== undefined) resolve(headers['grpc-status']);
      });
    }
    stream.resume();
    stream.end(Buffer.concat([head, message]));
  });
}
