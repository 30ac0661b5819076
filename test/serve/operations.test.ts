import { readFileSync } from 'node:fs';
import { get } from 'node:https';
import { type ChannelCredentials, Client, credentials, Metadata, status } from '@grpc/grpc-js';
import sharp from 'sharp';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openLog } from '../../src/serve/observe/logging.ts';
import { openTracing } from '../../src/serve/observe/tracing.ts';
import { apiKeyGate, readTls } from '../../src/serve/security.ts';
import { fakeServer } from '../client/fake-server.ts';
import { temporaryFolder } from '../files.ts';
import { makeCertificate, opensslMissing } from './certificates.ts';
import { at, colours } from './models.ts';
import { bundledWorker, startServer } from './server.ts';

const workers = bundledWorker();
const service = '/inference.GRPCInferenceService';

async function folderOfColours(): Promise<string> {
  const folder = temporaryFolder();
  await colours(at(folder, 'colours'));
  return folder;
}

const same = (bytes: Buffer): Buffer => bytes;

/** Calls a gRPC method with an empty message; the status. */
async function statusOf(
  port: number,
  method: string,
  how: { readonly key?: string; readonly credential?: ChannelCredentials } = {},
): Promise<number> {
  const client = new Client(`localhost:${port}`, how.credential ?? credentials.createInsecure());
  onTestFinished(() => client.close());
  const metadata = new Metadata();
  if (how.key !== undefined) metadata.set('authorization', `Bearer ${how.key}`);
  return new Promise((resolve) => {
    client.makeUnaryRequest(method, same, same, Buffer.alloc(0), metadata, (fault) => {
      resolve(fault?.code ?? status.OK);
    });
  });
}

describe('a server with keys', { timeout: 30_000 }, () => {
  it('asks for one at both doors, and not for health', async () => {
    const { url, grpcPort = 0 } = await startServer({
      models: [await folderOfColours()],
      workers,
      grpcPort: 0,
      gates: [apiKeyGate(['the-key-of-the-test'])],
    });
    const key = 'the-key-of-the-test';
    const http = async (headers = {}): Promise<number> =>
      (await fetch(`${url}/v2/models/colours`, { headers })).status;
    expect(await http()).toBe(401);
    expect(await http({ authorization: `Bearer ${key}` })).toBe(200);
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(200);

    const metadata = `${service}/ServerMetadata`;
    expect(await statusOf(grpcPort, metadata)).toBe(status.UNAUTHENTICATED);
    expect(await statusOf(grpcPort, metadata, { key: 'another-key' })).toBe(status.UNAUTHENTICATED);
    expect(await statusOf(grpcPort, metadata, { key })).toBe(status.OK);
    expect(await statusOf(grpcPort, `${service}/ServerReady`)).toBe(status.OK);
    expect(await statusOf(grpcPort, '/grpc.health.v1.Health/Check')).toBe(status.OK);
  });
});

describe.skipIf(opensslMissing !== '')(
  `a server with TLS${opensslMissing}`,
  { timeout: 30_000 },
  () => {
    it('speaks it at both doors, and nothing else', async () => {
      const paths = makeCertificate(temporaryFolder());
      const { port, grpcPort = 0 } = await startServer({
        models: [await folderOfColours()],
        workers,
        grpcPort: 0,
        tls: readTls(paths),
      });
      const ca = readFileSync(paths.cert);
      const answered = await new Promise((resolve, reject) => {
        get(`https://localhost:${port}/v2/health/ready`, { ca }, (reply) => {
          reply.resume();
          resolve(reply.statusCode);
        }).on('error', reject);
      });
      expect(answered).toBe(200);
      await expect(fetch(`http://localhost:${port}/v2`)).rejects.toThrow();
      const ready = `${service}/ServerReady`;
      const credential = credentials.createSsl(ca);
      expect(await statusOf(grpcPort, ready, { credential })).toBe(status.OK);
      expect(await statusOf(grpcPort, ready)).toBe(status.UNAVAILABLE);
    });
  },
);

describe('a request', { timeout: 30_000 }, () => {
  it('has one name in its answer, in the log and in the trace that it continues', async () => {
    const collector = await fakeServer(() => ({ body: '{}' }));
    onTestFinished(() => collector.close());
    const tracing = await openTracing({ endpoint: collector.origin, environment: {} });
    const lines: string[] = [];
    const log = openLog('info', { write: (line) => lines.push(line) });
    const { url } = await startServer({
      models: [await folderOfColours()],
      workers,
      log: log.log,
      observers: [log.observer, ...(tracing ? [tracing.observer] : [])],
    });
    const green = { width: 8, height: 8, channels: 3, background: '#00ff00' } as const;
    const picture = await sharp({ create: green }).png().toBuffer();
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const input = { name: 'image', datatype: 'FP32', shape: [1, 3, 8, 8] };
    const tensors = JSON.stringify({
      inputs: [{ ...input, data: Array.from({ length: 192 }, () => 1) }],
    });
    for (const [action, body] of [
      ['classify', picture],
      ['infer', tensors],
    ] as const) {
      const traceparent = `00-${traceId}-b7ad6b7169203331-01`;
      const answer = await fetch(`${url}/v2/models/colours/${action}`, {
        method: 'POST',
        headers: { 'x-request-id': `my-${action}`, traceparent },
        body,
      });
      expect(answer.status).toBe(200);
      expect(answer.headers.get('x-request-id')).toBe(`my-${action}`);
    }
    await tracing?.close();
    log.close();
    const logged = lines.filter((line) => line.includes('"msg":"request"'));
    const sent = collector.seen.map(({ body }) => body.toString()).join('');
    expect(logged).toHaveLength(2);
    for (const [i, name] of ['my-classify', 'my-infer'].entries()) {
      expect(JSON.parse(logged[i] ?? '')).toMatchObject({ request_id: name, trace_id: traceId });
      expect(sent).toContain(`{"stringValue":"${name}"}`);
    }
    expect(sent).toContain('"parentSpanId":"b7ad6b7169203331"');
  });
});
