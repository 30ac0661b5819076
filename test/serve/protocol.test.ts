import { deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { temporaryFolder } from '../files.ts';
import { additionServer, x } from './addition-server.ts';
import { floats, framed, post } from './http.ts';
import { addition, at, centred, fixedBatch } from './models.ts';
import { says } from './says.ts';
import { startServer } from './server.ts';

const { addServer, workers } = additionServer();

/** The input of the model `add`, behind the JSON. */
const inBytes = {
  name: 'x',
  shape: [1, 3],
  datatype: 'FP32',
  parameters: { binary_data_size: 12 },
};

const counts = z.object({
  model_stats: z.array(
    z.object({
      execution_count: z.number(),
      inference_stats: z.record(z.string(), z.object({ ns: z.number() })),
    }),
  ),
});

async function json(url: string): Promise<[number, unknown]> {
  const response = await fetch(url);
  return [response.status, await response.json()];
}

describe('the server', () => {
  it('says who it is, that it lives, and that it is ready', async () => {
    const root = (await addServer()).replace('/v2/models/add/infer', '');
    expect(await json(`${root}/v2`)).toMatchObject([200, { name: 'graft', version: '0' }]);
    expect(await json(`${root}/v2/`)).toMatchObject([200, { name: 'graft' }]);
    expect(await json(`${root}/v2/health/live`)).toEqual([200, { live: true }]);
    expect(await json(`${root}/v2/health/ready`)).toEqual([200, { ready: true }]);
    expect(await json(`${root}/v2/models`)).toEqual([200, { models: ['add'] }]);
    expect(await json(`${root}/v2/nothing`)).toEqual([404, { error: 'Not Found' }]);
  });

  it('describes a model, with and without its version', async () => {
    const url = (await addServer()).replace('/infer', '');
    const ports = [{ datatype: 'FP32', shape: [-1, 3] }];
    const about = {
      name: 'add',
      versions: ['1'],
      platform: 'onnxruntime_onnx',
      inputs: [{ name: 'x', ...ports[0] }],
      outputs: [{ name: 'y', ...ports[0] }],
    };
    expect(await json(url)).toMatchObject([200, about]);
    expect(await json(`${url}/versions/1`)).toMatchObject([200, about]);
    expect(await json(`${url}/versions/1/ready`)).toMatchObject([200, { ready: true }]);
    expect(await json(`${url}/config`)).toMatchObject([
      200,
      { max_batch_size: 32, input: [{ name: 'x', data_type: 'TYPE_FP32', dims: [3] }] },
    ]);
    expect(await json(`${url}/summary`)).toMatchObject([200, { nodes: 1, operators: { Add: 1 } }]);
    const [status, fault] = await json(`${url}/versions/2`);
    expect(status).toBe(404);
    expect(fault).toMatchObject({ error: says("'add' version 2") });
  });

  it('answers another method with 405, in the form of the protocol', async () => {
    const url = await addServer();
    expect(await json(url)).toEqual([405, { error: 'Method Not Allowed' }]);
  });

  it('counts what it has done', async () => {
    const url = await addServer({});
    await post(url, { inputs: [x([1, 2, 3, 4, 5, 6], [2, 3])] });
    await post(url, { inputs: [x([1, 2, 3])] });
    await post(url, { inputs: [] });
    const statistics = {
      inference_count: 3,
      execution_count: 2,
      batch_stats: [{ batch_size: 1 }, { batch_size: 2 }],
    };
    const model_stats = [
      {
        ...statistics,
        name: 'add',
        version: '1',
        inference_stats: { success: { count: 2 }, fail: { count: 1 } },
      },
    ];
    expect(await json(url.replace('/infer', '/stats'))).toMatchObject([200, { model_stats }]);
    expect(await json(url.replace('/add/infer', '/stats'))).toMatchObject([200, { model_stats }]);
  });

  it('counts times that add up to no more than a request took, also of one that takes several runs', async () => {
    const url = await addServer({ maxBatchSize: 2, instances: 2 });
    await post(url, {
      inputs: [
        x(
          Array.from({ length: 51 }, () => 1),
          [17, 3],
        ),
      ],
    });
    const { model_stats } = counts.parse((await json(url.replace('/infer', '/stats')))[1]);
    const [
      { execution_count, inference_stats: stats } = { execution_count: 0, inference_stats: {} },
    ] = model_stats;
    expect(execution_count).toBe(9);
    const parts = ['queue', 'compute_input', 'compute_infer', 'compute_output'];
    const sum = parts.reduce((total, part) => total + (stats[part]?.ns ?? Infinity), 0);
    expect(sum).toBeLessThanOrEqual(stats['success']?.ns ?? 0);
    expect(sum).toBeGreaterThan(0);
  });
});

describe('inference over HTTP', () => {
  it('takes data flat and nested, and answers flat', async () => {
    const url = await addServer();
    for (const data of [[1, 2, 3], [[1, 2, 3]], [[[1], [2], [3]]]]) {
      const { inferred, headers } = await post(url, { id: 'é 42', inputs: [x(data)] });
      expect(inferred).toMatchObject({
        id: 'é 42',
        model_name: 'add',
        model_version: '1',
        outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 3], data: [2, 3, 4] }],
      });
      expect(headers.get('content-type')).toContain('application/json');
    }
  });

  it('takes and gives tensors as bytes', async () => {
    const url = await addServer();
    for (const asked of [
      { parameters: { binary_data_output: true } },
      { outputs: [{ name: 'y', parameters: { binary_data: true } }] },
    ]) {
      const [body, headers] = framed({ inputs: [inBytes], ...asked }, floats(1, 2, 3));
      const { inferred } = await post(url, body, headers);
      expect(inferred?.bytes.get('y')).toEqual(floats(2, 3, 4));
    }
    const [body, headers] = framed(
      {
        inputs: [inBytes],
        parameters: { binary_data_output: true },
        outputs: [{ name: 'y', parameters: { binary_data: false } }],
      },
      floats(1, 2, 3),
    );
    expect((await post(url, body, headers)).inferred?.outputs[0]?.data).toEqual([2, 3, 4]);
  });

  it('takes the whole body as the only input, when the header says 0', async () => {
    const url = await addServer();
    const { inferred } = await post(url, floats(1, 2, 3), {
      'inference-header-content-length': '0',
    });
    expect(inferred?.bytes.get('y')).toEqual(floats(2, 3, 4));
  });

  it('unpacks compressed bodies, whose JSON length is that before packing', async () => {
    const url = await addServer();
    const [body, headers] = framed({ inputs: [inBytes] }, floats(1, 2, 3));
    for (const [encoding, pack] of [
      ['gzip', gzipSync],
      ['deflate', deflateSync],
    ] as const) {
      const { inferred } = await post(url, pack(body), {
        ...headers,
        'content-encoding': encoding,
      });
      expect(inferred?.outputs[0]?.data).toEqual([2, 3, 4]);
    }
    expect(await post(url, body, { ...headers, 'content-encoding': 'gzip' })).toMatchObject({
      status: 400,
    });
    expect(await post(url, body, { ...headers, 'content-encoding': 'br' })).toMatchObject({
      status: 501,
    });
  });

  it('tells NaN and the infinities apart in JSON, and keeps their bits in bytes', async () => {
    const url = await addServer();
    const { inferred } = await post(url, { inputs: [x(['NaN', 'Infinity', '-Infinity'])] });
    expect(inferred?.outputs[0]?.data).toEqual(['NaN', 'Infinity', '-Infinity']);
  });

  it('gives the best classes as texts', async () => {
    const url = await addServer();
    const outputs = [{ name: 'y', parameters: { classification: 2 } }];
    const { inferred } = await post(url, { inputs: [x([1, 5, 3])], outputs });
    expect(inferred?.outputs).toEqual([
      { name: 'y', datatype: 'BYTES', shape: [1, 2], data: ['6.000000:1', '4.000000:2'] },
    ]);
  });

  it('splits more rows than a run takes, and joins the answers', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    await fixedBatch(at(folder, 'three'), 3);
    const { url, context } = await startServer({ models: [folder], workers, maxBatchSize: 4 });
    const sizes: number[] = [];
    context.observe({ onBatch: ({ rows }) => sizes.push(rows) });
    const values = Array.from({ length: 30 }, (_, i) => i);
    for (const model of ['add', 'three']) {
      const { inferred } = await post(`${url}/v2/models/${model}/infer`, {
        inputs: [x(values, [10, 3])],
      });
      expect(inferred?.outputs[0]?.shape).toEqual([10, 3]);
      expect(inferred?.outputs[0]?.data).toEqual(values.map((value) => value + 1));
    }
    expect(sizes.slice(0, 3)).toEqual([4, 4, 2]);
    expect(sizes.slice(3)).toEqual([3, 3, 3, 1]);
  });

  it('answers no rows with no rows', async () => {
    const { inferred } = await post(await addServer(), { inputs: [x([], [0, 3])] });
    expect(inferred?.outputs[0]).toMatchObject({ shape: [0, 3], data: [] });
  });

  it('never joins the requests of a model whose rows influence each other', async () => {
    const folder = temporaryFolder();
    await centred(at(folder, 'centred'));
    const { url } = await startServer({ models: [folder], workers });
    const infer = `${url}/v2/models/centred/infer`;
    const answers = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => post(infer, { inputs: [x([i, i, i])] })),
    );
    for (const { inferred } of answers) expect(inferred?.outputs[0]?.data).toEqual([0, 0, 0]);
    const [, about] = await json(`${url}/v2/models/centred/config`);
    expect(about).toMatchObject({ max_batch_size: 0 });
  });

  it('gives each of many requests at once its own answer', async () => {
    const url = await addServer();
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => post(url, { inputs: [x([i, 0, -i])] })),
    );
    expect(answers.map(({ inferred }) => inferred?.outputs[0]?.data)).toEqual(
      Array.from({ length: 200 }, (_, i) => [i + 1, 1, 1 - i]),
    );
  });
});
