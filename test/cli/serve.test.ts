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
    expect(stderr()).toContain('Stopping: requests that have come are answered first.');
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
    expect(stderr()).toMatch(/^There is no model yet: /m);
    const before = await fetch(`${url}/v2/health/ready`);
    expect(before.status).toBe(503);
    expect(await before.json()).toEqual({ ready: false, error: says('a model is missing') });
    await addition(at(folder, 'add'));
    await expect.poll(async () => (await fetch(`${url}/v2/health/ready`)).status).toBe(200);
  });
});
