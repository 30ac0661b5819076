import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { type ServeOptions, type Server, serve } from '../../src/serve/serve.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The worker's file, bundled anew for the tests of one file: Node runs no TypeScript in a thread. */
export function bundledWorker(): { readonly file: string } {
  const folder = join(root, 'node_modules/.cache', `graft-worker-${process.pid}-${Date.now()}`);
  const file = join(folder, 'serve-worker.mjs');
  beforeAll(async () => {
    mkdirSync(folder, { recursive: true });
    await build({
      entryPoints: [join(root, 'src/serve/running/worker.ts')],
      outfile: file,
      bundle: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
    });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return { file };
}

/** A server that all tests of a file share, once they run. */
export function sharedDoors(
  options: Omit<ServeOptions, 'port' | 'models'>,
  fill: (folder: string) => Promise<unknown>,
): () => Pick<Server, 'port' | 'grpcPort'> {
  let server: Server | undefined;
  const folder = mkdtempSync(join(tmpdir(), 'graft-test-'));
  beforeAll(async () => {
    await fill(folder);
    server = await serve(
      { port: 0, grpcPort: false, pollMs: 0, models: [folder], ...options },
      { version: '0' },
    );
    await server.loaded;
  }, 60_000);
  afterAll(async () => {
    await server?.close();
    rmSync(folder, { recursive: true, force: true });
  });
  return () => server ?? { port: 0, grpcPort: 0 };
}

/** Its address, over HTTP. */
export function sharedServer(...args: Parameters<typeof sharedDoors>): () => string {
  const doors = sharedDoors(...args);
  return () => `http://127.0.0.1:${doors().port}`;
}

/** A server on free ports that is gone when the test is over, with its models loaded. */
export async function startServer(
  options: Omit<ServeOptions, 'port'>,
): Promise<Server & { readonly url: string }> {
  const server = await serve({ port: 0, grpcPort: false, pollMs: 0, ...options }, { version: '0' });
  onTestFinished(() => server.close());
  await server.loaded;
  return { ...server, url: `http://127.0.0.1:${server.port}` };
}
