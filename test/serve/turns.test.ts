import { connect, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openRequestsOf } from '../../src/serve/http/http.ts';
import { temporaryFolder } from '../files.ts';
import { first } from './addition-server.ts';
import { bareApp } from './fake-context.ts';
import { addition, at, slow } from './models.ts';
import { bundledWorker, startServer } from './server.ts';

/** A route whose requests are answered when the test says so, each with its number. */
async function handApp(): Promise<{
  readonly app: ReturnType<typeof bareApp>;
  readonly socket: Socket;
  readonly said: () => string;
  readonly started: string[];
  readonly answer: () => void;
}> {
  const app = bareApp({ bodyLimit: 100_000, totalBodyLimit: 1e9 });
  const started: string[] = [];
  const waiting: (() => void)[] = [];
  app.route({
    method: ['GET', 'POST'],
    url: '/:number',
    async handler(request) {
      const number = request.url.slice(1);
      started.push(number);
      await new Promise<void>((resolve) => waiting.push(resolve));
      const { body } = request;
      return `[${number}${Buffer.isBuffer(body) ? `:${body.length}` : ''}]`;
    },
  });
  onTestFinished(() => {
    app.server.closeAllConnections();
    return app.close();
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const address = app.server.address();
  const socket = connect(typeof address === 'object' ? (address?.port ?? 0) : 0, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString()));
  const said = (): string => (text.match(/\[[^\]]*\]/g) ?? []).join('');
  return { app, socket, said, started, answer: () => waiting.shift()?.() };
}

const get = (number: number): string => `GET /${number} HTTP/1.1\r\nHost: a\r\n\r\n`;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe('requests of one connection', { timeout: 30_000 }, () => {
  it('are worked at a few at a time, and answered in their order', async () => {
    const { socket, said, started, answer } = await handApp();
    socket.write(numbers(40).map(get).join(''));
    await expect.poll(() => started.length).toBe(16);
    for (const number of numbers(40)) {
      await expect.poll(() => started.length).toBe(Math.min(40, 16 + number));
      answer();
    }
    await expect.poll(said).toBe(
      numbers(40)
        .map((number) => `[${number}]`)
        .join(''),
    );
  });

  it('are not read on and on while they wait', async () => {
    const { app, socket, started } = await handApp();
    // Ten thousand: more than a socket holds unread.
    const all = numbers(10_000).map(
      (number) => `${get(number).trimEnd()}\r\nx: ${'y'.repeat(400)}\r\n\r\n`,
    );
    socket.write(all.join(''));
    await expect.poll(() => started.length).toBe(16);
    await new Promise((resolve) => setImmediate(resolve));
    expect(openRequestsOf(app)).toBeLessThan(1000);
    expect(socket.writableLength).toBeGreaterThan(0);
  });

  it('may have bodies longer than what is read at once', async () => {
    const { socket, said, started, answer } = await handApp();
    const body = 'z'.repeat(90_000);
    const long = (number: number): string =>
      `POST /${number} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    socket.write(
      numbers(30)
        .map((number) => (number % 2 ? get(number) : long(number)))
        .join(''),
    );
    for (const number of numbers(30)) {
      await expect.poll(() => started).toContain(String(number));
      answer();
    }
    await expect.poll(said).toMatch(/^\[0:90000\]\[1\].*\[28:90000\]\[29\]$/);
  });

  it('are all let go when the connection ends', async () => {
    const { app, socket, started } = await handApp();
    socket.write(numbers(10).map(get).join(''));
    await expect.poll(() => started.length).toBe(10);
    expect(openRequestsOf(app)).toBe(10);
    socket.destroy();
    await expect.poll(() => openRequestsOf(app)).toBe(0);
  });

  it('are let go with the next answer where some are not read yet', async () => {
    const { app, socket, started, answer } = await handApp();
    socket.write(numbers(40).map(get).join(''));
    await expect.poll(() => started.length).toBe(16);
    socket.destroy();
    answer();
    answer();
    await expect.poll(() => openRequestsOf(app)).toBe(0);
    expect(started.length).toBeLessThan(20);
  });
});

describe('a client that sends on and on without waiting', { timeout: 60_000 }, () => {
  const workers = bundledWorker();

  it('keeps no other client from its answer', async () => {
    const folder = temporaryFolder();
    await slow(at(folder, 'slow'));
    await addition(at(folder, 'add'));
    const { port, url, context } = await startServer({
      models: [folder],
      workers,
      maxBatchSize: 1,
      maxWaiting: 20,
    });
    const inputs = [
      { name: 'x', shape: [1, 512], datatype: 'FP32', data: Array.from({ length: 512 }, () => 1) },
    ];
    const body = JSON.stringify({ inputs });
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    socket.on('error', () => undefined);
    const head = `POST /v2/models/slow/infer HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
    socket.write((head + body).repeat(200));
    const pending = (): number | undefined =>
      context.models.list().find(({ name }) => name === 'slow')?.pending;
    await expect.poll(pending, { interval: 1 }).toBe(15);
    const reply = await fetch(`${url}/v2/models/slow/infer`, { method: 'POST', body });
    expect(reply.status).toBe(200);
    expect(await first(url)).toBe(2);
  });

  it('gets all its answers from a server that is ending', async () => {
    const folder = temporaryFolder();
    await slow(at(folder, 'slow'));
    const server = await startServer({
      models: [folder],
      workers,
      maxBatchSize: 1,
    });
    const body = JSON.stringify({
      inputs: [{ name: 'x', shape: [1, 512], datatype: 'FP32', data: Array(512).fill(1) }],
    });
    const socket = connect(server.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => (text += chunk.toString('latin1')));
    const head = `POST /v2/models/slow/infer HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
    socket.write((head + body).repeat(5));
    await expect
      .poll(() => server.context.models.list()[0]?.pending, { interval: 1 })
      .toBeGreaterThan(0);
    const over = new Promise((resolve) => socket.on('close', resolve));
    await Promise.all([server.close(), over]);
    expect(text.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(5);
    expect(text.match(/connection: close/gi)).toHaveLength(1);
  });
});
