import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { ModelEvent } from '../../src/serve/request/events.ts';
import { serve } from '../../src/serve/serve.ts';
import { temporaryFolder } from '../files.ts';
import { expectFault } from '../runtime/fault.ts';
import { first } from './addition-server.ts';
import { post } from './http.ts';
import { addition, at, slow } from './models.ts';
import { says } from './says.ts';
import { bundledWorker, startServer } from './server.ts';

const workers = bundledWorker();

describe('a worker that is lost', { timeout: 60_000 }, () => {
  it('fails its own requests only, and another one takes its place', async () => {
    const folder = temporaryFolder();
    await slow(at(folder, 'slow'));
    await addition(at(folder, 'add'));
    const processes = { ...workers, isProcess: true };
    const lost: ModelEvent[] = [];
    const { url, context } = await startServer({
      models: [folder],
      workers: processes,
      observers: [{ onModel: (event) => event.kind === 'worker-lost' && lost.push(event) }],
    });
    const data = Array.from({ length: 512 }, () => 0);
    const inputs = [{ name: 'x', shape: [1, 512], datatype: 'FP32', data }];
    const slowUrl = `${url}/v2/models/slow/infer`;
    const { pool } = context.models.find('slow');
    const [pid = 0] = pool.pids;
    const tensor = {
      name: 'x',
      datatype: 'FP32',
      shape: [1, 512],
      data: new Uint8Array(2048),
    } as const;
    const dying = [
      post(slowUrl, { inputs }),
      context
        .infer({ model: 'slow', inputs: [tensor], door: 'http' })
        .catch((fault: unknown) => fault),
    ];
    await expect.poll(() => pool.idle(), { interval: 1 }).toBeUndefined();
    process.kill(pid, 'SIGKILL');
    const ends = await Promise.all(dying);
    expect(ends).toContainEqual(expect.objectContaining({ code: 'WORKER_LOST' }));
    expect(await first(url)).toBe(2);
    expect(await post(slowUrl, { inputs })).toMatchObject({ status: 200 });
    expect(lost).toMatchObject([{ model: 'slow', reason: 'SIGKILL' }]);
  });
});

describe('stopping', { timeout: 60_000 }, () => {
  it('answers everything that has come, is not ready meanwhile, and lets go of the port', async () => {
    const folder = temporaryFolder();
    await slow(at(folder, 'slow'));
    const server = await startServer({ models: [folder], workers, maxBatchSize: 1 });
    const inputs = [
      { name: 'x', shape: [1, 512], datatype: 'FP32', data: Array.from({ length: 512 }, () => 1) },
    ];
    const answers = Array.from({ length: 10 }, async () =>
      post(`${server.url}/v2/models/slow/infer`, { inputs }),
    );
    await expect
      .poll(() => server.context.models.list()[0]?.pending, { interval: 1 })
      .toBeGreaterThan(0);
    const closed = server.close({ delayMs: 1000 });
    expect((await fetch(`${server.url}/v2/health/ready`)).status).toBe(503);
    expect((await fetch(`${server.url}/v2/health/live`)).status).toBe(200);
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(
      Array.from({ length: 10 }, () => 200),
    );
    await closed;
    await expect(fetch(`${server.url}/v2/health/live`)).rejects.toThrow();
  });

  it('leaves no copies of the models behind', async () => {
    const folder = temporaryFolder();
    const copies = temporaryFolder();
    await addition(at(folder, 'add'));
    const server = await startServer({ models: [folder], workers, copies });
    const { path } = server.context.models.find('add').pool;
    expect(path.startsWith(copies)).toBe(true);
    await server.close();
    expect(() => readFileSync(path)).toThrow('ENOENT');
  });
});

describe('a server that was killed', () => {
  it('leaves copies that the next one removes, but not those of one that runs', async () => {
    const folder = temporaryFolder();
    const copies = temporaryFolder();
    await addition(at(folder, 'add'));
    const running = await startServer({ models: [folder], workers, copies });
    const [own = ''] = readdirSync(copies);
    // Linux gives no process this number.
    const abandoned = own.replace(`-${process.pid}-`, '-4194305-');
    mkdirSync(join(copies, abandoned));
    await startServer({ models: [folder], workers, copies });
    expect(readdirSync(copies)).toContain(own);
    expect(readdirSync(copies)).not.toContain(abandoned);
    expect(await first(running.url)).toBe(2);
  });
});

describe('a port that is taken', () => {
  it('is an error that names it', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    const { port } = await startServer({ models: [folder], workers });
    await expectFault(
      serve({ models: [folder], workers, port, grpcPort: false }, { version: '0' }),
      {
        code: 'SERVER_ADDRESS',
        says: String(port),
      },
    );
  });
});

describe('under pressure', { timeout: 60_000 }, () => {
  const inputs = [
    { name: 'x', shape: [1, 512], datatype: 'FP32', data: Array.from({ length: 512 }, () => 1) },
  ];

  it('refuses at once what goes beyond the queue, with when to come again', async () => {
    const folder = temporaryFolder();
    await slow(at(folder, 'slow'));
    const { url } = await startServer({
      models: [folder],
      workers,
      maxBatchSize: 1,
      maxWaiting: 2,
    });
    const answers = await Promise.all(
      Array.from({ length: 12 }, async () => post(`${url}/v2/models/slow/infer`, { inputs })),
    );
    const refused = answers.filter(({ status }) => status === 503);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(3);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]?.headers.get('retry-after')).toBe('1');
    expect(refused[0]?.error).toContain('Exceeds maximum queue size');
  });

  it('answers a request whose time is up with 504', async () => {
    const folder = temporaryFolder();
    await slow(at(folder, 'slow'));
    const { url } = await startServer({ models: [folder], workers });
    const reply = await post(`${url}/v2/models/slow/infer`, {
      inputs,
      parameters: { timeout: 100 },
    });
    expect(reply).toMatchObject({ status: 504, error: says('timeout expired') });
  });

  it('does not compute what its client has left', async () => {
    const folder = temporaryFolder();
    await slow(at(folder, 'slow'));
    const outcomes: string[] = [];
    let runs = 0;
    const { url, context } = await startServer({
      models: [folder],
      workers,
      maxBatchSize: 1,
      observers: [{ onInfer: ({ outcome }) => outcomes.push(outcome), onBatch: () => (runs += 1) }],
    });
    const leaving = new AbortController();
    const body = JSON.stringify({ inputs });
    const left = Array.from({ length: 10 }, async () =>
      fetch(`${url}/v2/models/slow/infer`, { method: 'POST', body, signal: leaving.signal }).catch(
        () => undefined,
      ),
    );
    await expect.poll(() => context.models.list()[0]?.pending, { interval: 1 }).toBeGreaterThan(4);
    leaving.abort();
    await Promise.all(left);
    await expect.poll(() => outcomes.length).toBe(10);
    expect(outcomes.filter((outcome) => outcome === 'cancelled').length).toBeGreaterThan(0);
    await context.models.drain();
    expect(runs).toBeLessThan(10);
  });

  it('takes a client that has half closed its connection for one that has left', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    const { port, url } = await startServer({ models: [folder], workers });
    const body = JSON.stringify({
      inputs: [{ name: 'x', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] }],
    });
    const head = `POST /v2/models/add/infer HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
    for (const text of [head + body, head, head + body.slice(0, 20), '']) {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.end(text);
      socket.resume();
      await new Promise((resolve) => socket.on('close', resolve));
    }
    expect(await first(url)).toBe(2);
  });

  it('cuts off a client that does not send what it has begun', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    const { port } = await startServer({ models: [folder], workers, receiveMs: 300 });
    const socket = connect({ port, host: '127.0.0.1' });
    socket.write(
      'POST /v2/models/add/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{"inp',
    );
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    await new Promise((resolve) => socket.on('close', resolve));
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1\.1 408/);
  });

  it('ends a connection that never asked without a word, which could be taken for an answer', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    const { port } = await startServer({ models: [folder], workers, receiveMs: 300 });
    const socket = connect({ port, host: '127.0.0.1' });
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    await new Promise((resolve) => socket.on('close', resolve));
    expect(chunks).toEqual([]);
  });
});
