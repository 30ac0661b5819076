import { join } from 'node:path';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../files.ts';
import { addition, at } from '../serve/models.ts';
import { bundledWorker, startServer } from '../serve/server.ts';
import { root, runWell } from './packed.ts';

const workers = bundledWorker();

it('the load script asks a server that it knows by its address alone, over HTTP and gRPC', {
  timeout: 60_000,
}, async () => {
  const folder = temporaryFolder();
  await addition(at(folder, 'add'));
  const { url, grpcPort = 0 } = await startServer({ models: [folder], workers, grpcPort: 0 });
  const script = join(root, 'bench/load-server.mjs');
  const load = [process.execPath, script, 'add', '--url', url, '--seconds', '0.2'];
  const grpc = ['--grpc', `127.0.0.1:${grpcPort}`];
  for (const door of [[], ['--format', 'json'], grpc]) {
    const { stdout } = await runWell([...load, '--connections', '1,3', ...door], { cwd: root });
    const lines = stdout.trim().split('\n').slice(2);
    const cells = lines.map((line) => line.trim().split(/ +/).map(Number));
    expect(cells.map(([connections, ...rest]) => [connections, rest.at(-1)])).toEqual([
      [1, 0],
      [3, 0],
    ]);
    expect(cells.every(([, perSecond = 0]) => perSecond > 0)).toBe(true);
  }
});
