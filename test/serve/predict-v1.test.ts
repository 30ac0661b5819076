import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/onnx/graph.ts';
import { writeModel } from '../../src/onnx/write.ts';
import { addition, at, colours } from './models.ts';
import { says } from './says.ts';
import { bundledWorker, sharedServer } from './server.ts';

const workers = bundledWorker();
const url = sharedServer({ workers }, async (folder) => {
  await addition(at(folder, 'add'));
  await colours(at(folder, 'colours'));
  const graph = new GraphBuilder();
  const [a, b] = [graph.input('a', 'float32', ['N', 2]), graph.input('b', 'int64', ['N', 1])];
  graph.output(graph.rename(graph.add('Identity', [a]), 's'));
  graph.output(graph.rename(graph.add('Identity', [b]), 'c'));
  await writeModel(at(folder, 'two'), graph, { name: 'two' });
});

async function ask(path: string, body?: unknown): Promise<[number, unknown]> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const reply = await fetch(`${url()}/v1/models/${path}`, {
    ...(body !== undefined && { method: 'POST', body: text }),
  });
  return [reply.status, await reply.json()];
}

describe("TensorFlow Serving's REST API", { timeout: 30_000 }, () => {
  it.each([
    [
      'add:predict',
      {
        instances: [
          [1, 2, 3],
          [4, 5, 6],
        ],
      },
      {
        predictions: [
          [2, 3, 4],
          [5, 6, 7],
        ],
      },
    ],
    ['add:predict', { inputs: [[1, 2, 3]] }, { outputs: [[2, 3, 4]] }],
    ['add/versions/1:predict', { instances: [{ x: [1, 2, 3] }] }, { predictions: [[2, 3, 4]] }],
    [
      'two:predict',
      {
        signature_name: 'serving_default',
        instances: [
          { a: [1, 2], b: [3] },
          { a: [4, 5], b: [6] },
        ],
      },
      {
        predictions: [
          { s: [1, 2], c: [3] },
          { s: [4, 5], c: [6] },
        ],
      },
    ],
    ['two:predict', { inputs: { a: [[1, 2]], b: [[3]] } }, { outputs: { s: [[1, 2]], c: [[3]] } }],
    ['add:predict', { inputs: [['NaN', 2, 3]] }, { outputs: [['NaN', 3, 4]] }],
  ])('%s answers %j', async (path, body, expected) => {
    expect(await ask(path, body)).toEqual([200, expected]);
  });

  it('takes pictures as base64', async () => {
    const picture = readFileSync(new URL('../fixtures/images/rgb.png', import.meta.url));
    const instances = [{ b64: picture.toString('base64') }];
    for (const model of ['colours', 'colours_image']) {
      expect(await ask(`${model}:predict`, { instances })).toMatchObject([
        200,
        { predictions: [[expect.any(Number), expect.any(Number), expect.any(Number)]] },
      ]);
    }
  });

  it('says which models are there, as both of its servers do', async () => {
    expect(await ask('add')).toEqual([
      200,
      {
        name: 'add',
        ready: true,
        model_version_status: [
          { version: '1', state: 'AVAILABLE', status: { error_code: 'OK', error_message: '' } },
        ],
      },
    ]);
    const list = await fetch(`${url()}/v1/models`);
    expect(await list.json()).toEqual({ models: ['add', 'colours', 'colours_image', 'two'] });
  });

  it.each([
    ['nope:predict', { instances: [] }, 404, /unknown model/],
    ['add/versions/7:predict', { instances: [] }, 404, /version 7/],
    ['add:classify', { instances: [] }, 501, /:predict/],
    ['add:predict', {}, 400, /either 'instances' or 'inputs'/],
    ['add:predict', { instances: [], inputs: [] }, 400, /either/],
    ['add:predict', '{"instances": [[1', 400, /parsed as JSON/],
    ['add:predict', '[]', 400, /JSON object/],
    ['add:predict', { instances: 3 }, 400, /list/],
    ['add:predict', { instances: [[1, 2], [3, 4, 5], [6]] }, 400, /not all of one length/],
    ['add:predict', { instances: [[1, 2]] }, 400, /'x'.*\[-1,3\].*\[1,2\]/],
    [
      'add:predict',
      {
        instances: [
          [1, 2, 3],
          [4, 5],
        ],
      },
      400,
      /'x': its lists are not all of one length/,
    ],
    ['add:predict', { instances: [[1, 2, 'b']] }, 400, /'x'/],
    ['add:predict', { instances: [{ z: [1, 2, 3] }] }, 400, /'z'.*allowed inputs are: x/],
    ['two:predict', { instances: [[1, 2]] }, 400, /'a', 'b'/],
    ['two:predict', { instances: [{ a: [1, 2], b: [1] }, { a: [1, 2] }] }, 400, /'b'/],
    ['two:predict', { instances: [{ a: [1, 2], b: [1] }, 4] }, 400, /instance 1/],
    ['add:predict', `{"instances":${'['.repeat(50_000)}${']'.repeat(50_000)}}`, 400, /'x'/],
    ['add:predict', `{"instances":[1,${'['.repeat(50_000)}${']'.repeat(50_000)}]}`, 400, /deep/],
    ['colours_image:predict', { instances: [{ b64: 'bm8gcGljdHVyZQ==' }] }, 400, /Element 0/],
  ])('refuses what is wrong: %s %j', async (path, body, status, error) => {
    const [found, json] = await ask(path, body);
    expect(found).toBe(status);
    expect(json).toMatchObject({ error: says(error) });
  });
});
