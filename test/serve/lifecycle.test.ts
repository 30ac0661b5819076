import { mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ModelEvent } from '../../src/serve/request/events.ts';
import { temporaryFolder } from '../files.ts';
import { expectFault } from '../runtime/fault.ts';
import { ask, first } from './addition-server.ts';
import { GrpcClient } from './grpc-client.ts';
import { post } from './http.ts';
import { addition, at, colours } from './models.ts';
import { says } from './says.ts';
import { bundledWorker, startServer } from './server.ts';

const workers = bundledWorker();
const pollMs = 20;

/** Asks until the answer is the expected one; every answer until then must be one of `also`. */
async function becomes(url: string, expected: unknown, also: readonly unknown[]): Promise<void> {
  for (;;) {
    const found = await first(url);
    if (found === expected) return;
    expect(also).toContain(found);
  }
}

async function index(url: string): Promise<unknown> {
  return (await fetch(`${url}/v2/repository/index`, { method: 'POST' })).json();
}

describe('the files of a model', { timeout: 60_000 }, () => {
  it('are served anew when they are replaced, and no request in between fails', async () => {
    const folder = temporaryFolder();
    const path = await addition(at(folder, 'add'), 1);
    const { url } = await startServer({ models: [path], workers, pollMs });
    expect(await first(url)).toBe(2);
    await addition(join(folder, 'next'), 100);
    renameSync(join(folder, 'next'), path);
    await becomes(url, 101, [2]);
  });

  it('are let go only when the last request that has seen them is answered', async () => {
    const folder = temporaryFolder();
    const path = await addition(at(folder, 'add'));
    const { context } = await startServer({ models: [path], workers });
    const { inUse, queue } = context.models.find('add');
    // As a request does whose pictures are being decoded: nothing of it waits in the queue.
    inUse.enter();
    let isOver = false;
    const unloaded = context.models.unload('add').then(() => (isOver = true));
    await new Promise((resolve) => setImmediate(resolve));
    const x = { name: 'x', datatype: 'FP32', shape: [1, 3], data: new Uint8Array(12) } as const;
    const job = { inputs: [x], rows: 1, outputs: ['y'], deadlineMs: undefined, leaving: undefined };
    expect((await queue.submit(job)).outputs[0]?.shape).toEqual([1, 3]);
    expect(isOver).toBe(false);
    inUse.leave();
    await unloaded;
  });

  it.each([
    ['cut short in place', (path: string) => truncateSync(path, 50)],
    ['overwritten with something else', (path: string) => writeFileSync(path, 'no model at all')],
    ['emptied', (path: string) => truncateSync(path, 0)],
  ])(
    'may be %s: the model is served as it was, and the index says what is wrong',
    async (_, spoil) => {
      const folder = temporaryFolder();
      const path = await addition(at(folder, 'add'));
      const { url } = await startServer({ models: [folder], workers, pollMs });
      spoil(path);
      await expect
        .poll(async () => JSON.stringify(await index(url)), { timeout: 20_000 })
        .toContain('the new file is not served');
      expect(await first(url)).toBe(2);
      expect(await index(url)).toMatchObject([{ name: 'add', version: '1', state: 'READY' }]);
      await addition(path, 5);
      await becomes(url, 6, [2]);
      expect(await index(url)).toMatchObject([{ reason: '' }]);
    },
  );

  it('that come into the folder are served, and those that are gone are not', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    const { url } = await startServer({ models: [folder], workers, pollMs });
    await addition(at(folder, 'more'), 7);
    await expect.poll(async () => first(url, 'more'), { timeout: 20_000 }).toBe(8);
    rmSync(at(folder, 'more'));
    await expect.poll(async () => first(url, 'more'), { timeout: 20_000 }).toBe(404);
    expect(await first(url)).toBe(2);
  });

  it('that cannot be loaded leave the others in service, and the server not ready', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    writeFileSync(at(folder, 'bad'), 'nothing');
    const { url } = await startServer({ models: [folder], workers });
    expect(await first(url)).toBe(2);
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(503);
    expect((await fetch(`${url}/v2/models/bad/ready`)).status).toBe(503);
    expect(await ask(url, 'bad')).toMatchObject({
      status: 503,
      error: says("'bad'"),
    });
    expect(await index(url)).toMatchObject([
      { state: 'READY' },
      { name: 'bad', state: 'UNAVAILABLE' },
    ]);
  });

  it('that are not there are an error', async () => {
    const nowhere = join(temporaryFolder(), 'nothing');
    await expectFault(startServer({ models: [nowhere], workers }), { code: 'FILE_MISSING' });
  });

  it('of an empty folder leave the server alive, but not ready', async () => {
    const { url } = await startServer({ models: [temporaryFolder()], workers });
    expect((await fetch(`${url}/v2/health/live`)).status).toBe(200);
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(503);
  });
});

async function versionFolder(folder: string, version: string, plus: number): Promise<void> {
  mkdirSync(join(folder, 'add', version), { recursive: true });
  await addition(join(folder, 'add', version, 'model.onnx'), plus);
}

describe('versions in folders', { timeout: 60_000 }, () => {
  it('are served from the latest on, which takes over when it comes', async () => {
    const folder = temporaryFolder();
    await versionFolder(folder, '1', 1);
    await versionFolder(folder, '9', 9);
    await versionFolder(folder, '010', 10);
    const { url } = await startServer({ models: [folder], workers, pollMs });
    expect(await first(url)).toBe(10);
    expect((await fetch(`${url}/v2/models/add/versions/1`)).status).toBe(404);
    await versionFolder(folder, '10', 20);
    await becomes(url, 21, [10]);
    await expect.poll(async () => index(url)).toMatchObject([{ name: 'add', version: '10' }]);
  });

  it('are all served where the configuration says so, with its limits and labels', async () => {
    const folder = temporaryFolder();
    await versionFolder(folder, '1', 1);
    await versionFolder(folder, '2', 2);
    writeFileSync(join(folder, 'add', 'labels.txt'), 'one\ntwo\nthree\n');
    writeFileSync(
      join(folder, 'add', 'config.pbtxt'),
      `name: "add" # the folder's name
       max_batch_size: 4
       version_policy { all {} }
       dynamic_batching { max_queue_delay_microseconds: 500 preferred_batch_size: [2, 4] }
       instance_group [ { count: 2 kind: KIND_CPU } ]
       model_warmup { name: "x" }`,
    );
    const notes: ModelEvent[] = [];
    const { url } = await startServer({
      models: [join(folder, 'add')],
      workers,
      observers: [{ onModel: (event) => notes.push(event) }],
    });
    expect(await index(url)).toMatchObject([{ version: '1' }, { version: '2' }]);
    const config = await (await fetch(`${url}/v2/models/add/versions/1/config`)).json();
    expect(config).toMatchObject({
      max_batch_size: 4,
      instance_group: [{ count: 2 }],
      dynamic_batching: { max_queue_delay_microseconds: 500 },
    });
    const reply = await post(`${url}/v2/models/add/versions/1/infer`, {
      inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] }],
      outputs: [{ name: 'y', parameters: { classification: 1 } }],
    });
    expect(reply.inferred?.outputs[0]?.data).toEqual(['4.000000:2:three']);
    expect(notes).toContainEqual(
      expect.objectContaining({ kind: 'note', reason: says('model_warmup') }),
    );
  });

  it('of a folder whose configuration is wrong are not served, with the line of the fault', async () => {
    const folder = temporaryFolder();
    await versionFolder(folder, '1', 1);
    writeFileSync(join(folder, 'add', 'config.pbtxt'), 'name: "add"\nmax_batch_size {');
    const { url } = await startServer({ models: [folder], workers });
    expect(await ask(url)).toMatchObject({ status: 503, error: says('line 2') });
  });
});

async function labelled(config: string, labels?: string): Promise<string> {
  const folder = temporaryFolder();
  await versionFolder(folder, '1', 1);
  const path = join(folder, 'add', '1', 'model.onnx');
  await colours(path);
  if (labels !== undefined) writeFileSync(join(folder, 'add', 'labels.txt'), labels);
  writeFileSync(join(folder, 'add', 'config.pbtxt'), config);
  return folder;
}

describe('class names beside a model', { timeout: 60_000 }, () => {
  const green = async (url: string): Promise<unknown> => {
    const create = { width: 8, height: 8, channels: 3, background: '#00ff00' } as const;
    const body = await sharp({ create }).png().toBuffer();
    const reply = await fetch(`${url}/v2/models/add/classify?top=1`, { method: 'POST', body });
    return predicted.parse(await reply.json()).predictions[0]?.label;
  };
  const predicted = z.object({ predictions: z.array(z.object({ label: z.string() })) });

  it('come before those in its file, and are taken anew when they are corrected', async () => {
    const notes: ModelEvent[] = [];
    const folder = await labelled('', 'rot\ngruen\nblau\n');
    const observers = [{ onModel: (event: ModelEvent) => notes.push(event) }];
    const { url } = await startServer({ models: [folder], workers, pollMs, observers });
    expect(await green(url)).toBe('gruen');
    const reason = says('class names are those of labels.txt');
    expect(notes).toContainEqual(expect.objectContaining({ kind: 'note', reason }));
    writeFileSync(join(folder, 'add', 'labels.txt'), 'rot\ngreen\nblau\n');
    await expect.poll(async () => green(url), { timeout: 20_000 }).toBe('green');
  });

  it.each([
    ['is not there', 'output { label_filename: "none.txt" }', /"none.txt" cannot be read/],
    ['lies elsewhere', 'output { label_filename: "../l.txt" }', /"\.\.\/l.txt" is no file/],
    ['is of no output', 'output { name: "Y" }', /no output "Y", it has "scores"/],
  ])('are wrong where their file %s: the model is not served', async (_, config, what) => {
    const { url } = await startServer({ models: [await labelled(config)], workers });
    expect(await index(url)).toMatchObject([{ state: 'UNAVAILABLE', reason: says(what) }]);
  });
});

describe('two models of one name', { timeout: 60_000 }, () => {
  it('are refused at the start, with the place of both', async () => {
    const [one, other] = [temporaryFolder(), temporaryFolder()];
    const models = [await addition(at(one, 'add')), await addition(at(other, 'add'))];
    const fault = await expectFault(startServer({ models, workers }), { code: 'OPTION_INVALID' });
    for (const path of models) expect(fault.message).toContain(path);
  });

  it('leave the first one in service where the second comes later', async () => {
    const [one, other] = [temporaryFolder(), temporaryFolder()];
    await addition(at(one, 'add'), 1);
    const { url } = await startServer({ models: [one, other], workers, pollMs });
    await addition(at(other, 'add'), 100);
    await expect
      .poll(async () => index(url), { timeout: 20_000 })
      .toMatchObject([{ state: 'READY', reason: says('several models') }]);
    expect(await first(url)).toBe(2);
    rmSync(at(other, 'add'));
    await expect
      .poll(async () => index(url), { timeout: 20_000 })
      .toMatchObject([{ state: 'READY', reason: '' }]);
  });
});

it('a folder in which no copies can be made is named', async () => {
  const copies = join(temporaryFolder(), 'nope');
  const fault = startServer({ models: [], workers, copies });
  await expectFault(fault, { code: 'OUTPUT_UNWRITABLE', file: copies, says: '--copies' });
});

const to = async (url: string, what: string, body = '{}'): Promise<number> =>
  (await fetch(`${url}/v2/repository/models/${what}`, { method: 'POST', body })).status;

describe('loading and unloading on request', { timeout: 60_000 }, () => {
  it('takes a model out of service and brings it back, also with another configuration', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    const { url } = await startServer({ models: [folder], workers, pollMs });
    expect(await to(url, 'add/unload')).toBe(200);
    expect(await first(url)).toBe(503);
    expect(await index(url)).toMatchObject([{ state: 'UNAVAILABLE', reason: 'unloaded' }]);
    expect(await to(url, 'add/load')).toBe(200);
    expect(await first(url)).toBe(2);
    const config = JSON.stringify({ max_batch_size: 3 });
    expect(await to(url, 'add/load', JSON.stringify({ parameters: { config } }))).toBe(200);
    expect(await (await fetch(`${url}/v2/models/add/config`)).json()).toMatchObject({
      max_batch_size: 3,
    });
  });

  it('is refused at both doors where the server was started so', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    const options = { models: [folder], workers, isControllable: false, grpcPort: 0 };
    const { url, grpcPort = 0 } = await startServer(options);
    expect(await to(url, 'add/unload')).toBe(403);
    const refused = await fetch(`${url}/v2/repository/models/add/load`, { method: 'POST' });
    expect(refused.headers.get('x-graft-code')).toBe('CONTROL_REFUSED');
    const client = new GrpcClient(grpcPort);
    const call = await client.call('RepositoryModelUnload', { model_name: 'add' });
    expect(call.code).toBe(status.PERMISSION_DENIED);
    expect(await first(url)).toBe(2);
  });

  it('refuses what it does not know, and files that come with the request', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    const { url } = await startServer({ models: [folder], workers });
    expect(await to(url, '..%2fadd/load')).toBe(404);
    expect(await to(url, 'nope/load')).toBe(404);
    expect(await to(url, 'nope/unload')).toBe(404);
    const parameters = { config: '{}', 'file:1/model.onnx': 'AAAA' };
    expect(await to(url, 'add/load', JSON.stringify({ parameters }))).toBe(501);
    expect(
      await to(
        url,
        'add/load',
        JSON.stringify({ parameters: { config: '{"max_batch_size":"x"}' } }),
      ),
    ).toBe(400);
    expect(await first(url)).toBe(2);
  });
});
