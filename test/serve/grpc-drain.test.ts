import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../files.ts';
import { BareHttp2 } from './bare-http2.ts';
import { GrpcClient } from './grpc-client.ts';
import { addition, at, slow } from './models.ts';
import { bundledWorker, startServer } from './server.ts';

const workers = bundledWorker();
const method = '/inference.GRPCInferenceService/ServerLive';

describe('a gRPC server that ends', { timeout: 60_000 }, () => {
  it('answers each call that its last word to a client counts in, and none beside', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    const server = await startServer({ models: [folder], workers, grpcPort: 0 });
    const client = new BareHttp2(server.grpcPort ?? 0);
    client.call(method);
    await expect.poll(() => client.answered).toEqual([1]);
    // On their way as the server begins to end.
    for (let i = 0; i < 20; i++) client.call(method);
    await server.close();
    const last = Math.max(...client.lasts);
    const counted = Array.from({ length: (last + 1) / 2 }, (_, i) => 2 * i + 1);
    expect(client.answered.toSorted((a, b) => a - b)).toEqual(counted);
  });

  it('does not wait for ever for a stream that its client keeps open', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    const server = await startServer({ models: [folder], workers, grpcPort: 0 });
    const client = new BareHttp2(server.grpcPort ?? 0);
    // It goes on until its client leaves.
    client.call('/grpc.health.v1.Health/Watch');
    await expect.poll(() => client.of('data').length).toBe(1);
    await server.close({ withinMs: 200 });
    await expect.poll(() => client.isOver).toBe(true);
  });

  it('answers what is under way, and takes no more connections', async () => {
    const folder = temporaryFolder();
    await slow(at(folder, 'slow'));
    const server = await startServer({
      models: [folder],
      workers,
      grpcPort: 0,
      maxBatchSize: 1,
    });
    const { grpcPort = 0, context } = server;
    const client = new GrpcClient(grpcPort);
    const calls = Array.from({ length: 5 }, async () =>
      client.call('ModelInfer', {
        model_name: 'slow',
        inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 512] }],
        raw_input_contents: [Buffer.alloc(2048)],
      }),
    );
    await expect.poll(() => context.models.list()[0]?.pending, { interval: 1 }).toBeGreaterThan(2);
    const closed = server.close();
    expect((await Promise.all(calls)).map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    await closed;
    expect(await new GrpcClient(grpcPort).call('ServerLive', {})).toMatchObject({ code: 14 });
  });
});
