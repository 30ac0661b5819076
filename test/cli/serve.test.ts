import { Agent, request } from 'node:http';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../files.ts';
import { GrpcClient } from '../serve/grpc-client.ts';
import { addition, at, slow } from '../serve/models.ts';
import { says } from '../serve/says.ts';
import { installedPackage, type Serving, startServing } from './installed.ts';

const { cli } = installedPackage();
const x = { name: 'x', datatype: 'FP32', shape: [1, 64] };
const data = Array.from({ length: 64 }, () => 1);
const body = JSON.stringify({ inputs: [{ ...x, data }] });

/** Connections that stay open, and how each request over them ended, until nothing listens any more. */
async function askUntilRefused(url: string, connections: number): Promise<readonly string[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const outcomes: string[] = [];
  const ask = async (): Promise<string> =>
    new Promise((resolve) => {
      const asked = request(`${url}/v2/models/slow/infer`, { method: 'POST', agent }, (reply) => {
        reply.on('error', () => resolve('cut off'));
        reply.on('end', () => resolve(String(reply.statusCode)));
        reply.resume();
      });
      asked.on('error', (fault) => resolve('code' in fault ? String(fault.code) : fault.message));
      asked.end(body);
    });
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (outcomes.at(-1) !== 'ECONNREFUSED') outcomes.push(await ask());
    }),
  );
  agent.destroy();
  return outcomes;
}

function isJson(line: string): boolean {
  try {
    return typeof JSON.parse(line) === 'object';
  } catch {
    return false;
  }
}

async function startSlow(...args: readonly string[]): Promise<Serving> {
  const folder = temporaryFolder();
  await slow(at(folder, 'slow'), 64, 200);
  return startServing(cli, [folder, ...args]);
}

describe('graft serve', { timeout: 60_000 }, () => {
  it('ends on SIGTERM when all that came is answered, and loses nothing of a client that goes on', async () => {
    const { child, url, grpc, ended, stderr } = await startSlow();
    const asked = askUntilRefused(url, 8);
    const client = new GrpcClient(Number(grpc.split(':').at(-1)));
    const message = {
      model_name: 'slow',
      inputs: [x],
      raw_input_contents: [Buffer.from(Float32Array.from(data).buffer)],
    };
    const calls = Array.from({ length: 20 }, async () => client.call('ModelInfer', message));
    await calls[0];
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(stderr()).toContain('"msg":"stopping: requests that have come are answered first"');
    expect(
      stderr()
        .trim()
        .split('\n')
        .filter((line) => !isJson(line)),
    ).toEqual([]);
    const outcomes = await asked;
    expect(outcomes.filter((one) => one === '200').length).toBeGreaterThan(8);
    expect(outcomes.filter((one) => one !== '200' && one !== 'ECONNREFUSED')).toEqual([]);
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual(calls.map(() => 0));
  });

  it('ends at once at the second signal', async () => {
    const { child, ended, url } = await startSlow('--drain-delay', '60');
    child.kill('SIGINT');
    await expect.poll(async () => (await fetch(`${url}/v2/health/ready`)).status).toBe(503);
    child.kill('SIGINT');
    expect(await ended).toBe('SIGKILL');
  });

  it('serves what comes into an empty folder, and says that it waits for it', async () => {
    const folder = temporaryFolder();
    const { url, stderr } = await startServing(cli, [folder, '--poll', '0.1']);
    expect(stderr()).toMatch(/"There is no model yet: .*"msg":"not ready"/);
    const before = await fetch(`${url}/v2/health/ready`);
    expect(before.status).toBe(503);
    expect(await before.json()).toEqual({ ready: false, error: says('a model is missing') });
    await addition(at(folder, 'add'));
    await expect.poll(async () => (await fetch(`${url}/v2/health/ready`)).status).toBe(200);
  });
});

async function startAddition(args: readonly string[], env = {}): Promise<Serving> {
  const folder = temporaryFolder();
  await addition(at(folder, 'add'));
  return startServing(cli, [folder, ...args], env);
}

describe('who may use graft serve', { timeout: 60_000 }, () => {
  it('is no one where the variable of the keys is there, but empty', async () => {
    await expect(startAddition([], { GRAFT_API_KEYS: '' })).rejects.toThrow(
      /no API key.*GRAFT_API_KEYS/s,
    );
  });

  it.each([
    ['without keys', [], {}, true],
    ['with keys', [], { GRAFT_API_KEYS: 'key-number-1' }, false],
    ['on this machine alone', ['--host', '127.0.0.1'], {}, false],
  ])('is warned of where others reach it: %s', async (_, args, env, isWarned) => {
    const { stderr } = await startAddition(['--host', '0.0.0.0', ...args], env);
    expect(stderr().includes('whoever reaches this machine')).toBe(isWarned);
  });

  it.each([
    ['by a name that points here', [], 403],
    ['by a name that it is told', ['--allowed-hosts', 'evil.example'], 200],
  ])('is asked %s', async (_, args, expected) => {
    const { url } = await startAddition(args);
    const headers = { host: 'evil.example:8000', origin: 'http://evil.example:8000' };
    const status = await new Promise((resolve) => {
      const path = `${url}/v2/repository/models/add/unload`;
      request(path, { method: 'POST', headers }, (reply) => {
        reply.resume();
        resolve(reply.statusCode);
      }).end();
    });
    expect(status).toBe(expected);
  });

  it.each([
    ['none', 403],
    ['poll', 403],
    ['explicit', 200],
  ])('may load and unload: in mode %s, %i', async (mode, expected) => {
    const { url } = await startAddition(['--model-control-mode', mode]);
    const path = `${url}/v2/repository/models/add/unload`;
    expect((await fetch(path, { method: 'POST' })).status).toBe(expected);
  });
});
