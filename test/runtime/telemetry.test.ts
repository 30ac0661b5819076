import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../files.ts';
import { addition, at } from '../serve/models.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What onnxruntime leaves behind where it reports: the number of the machine and what is to be sent, and a log. */
async function leftBehind(script: string, env: Readonly<Record<string, string>>): Promise<string> {
  const folder = temporaryFolder();
  const [home, temporary] = [join(folder, 'home'), join(folder, 'tmp')];
  for (const each of [home, temporary]) mkdirSync(each);
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  await addition(at(folder, 'add'));
  await build({
    entryPoints: {
      session: join(root, 'src/runtime/session.ts'),
      serve: join(root, 'src/serve/serve.ts'),
      'serve-worker': join(root, 'src/serve/running/worker.ts'),
    },
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  });
  writeFileSync(join(folder, 'script.mjs'), script);
  // Where CI is set it never reports.
  const child = spawn(process.execPath, ['script.mjs'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], HOME: home, TMPDIR: temporary, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  expect(await new Promise((resolve) => child.on('exit', resolve))).toBe(0);
  const left = [home, temporary].map((each) => readdirSync(each, { recursive: true }).join(' '));
  return left.join(' ');
}

const opens = `
  const { openSession } = await import('./session.mjs');
  const session = await openSession({ path: 'add.onnx' });
  await session.close();`;

const serves = `
  const { serve } = await import('./serve.mjs');
  const workers = { file: process.cwd() + '/serve-worker.mjs' };
  const server = await serve({ port: 0, grpcPort: false, models: ['add.onnx'], workers }, { version: '0' });
  await server.loaded;
  if (!server.context.isReady()) throw new Error(server.context.models.list()[0]?.reason);
  await server.close();`;

it.each([
  ['a session', opens],
  ['a server, whose sessions are in threads', serves],
])('%s does not report its use to the makers of onnxruntime', async (_, script) => {
  expect(await leftBehind(script, {})).not.toMatch(/onnxruntime|mat-debug/);
});

it('leaves the decision to whoever has set the variable', async () => {
  expect(await leftBehind(opens, { ORT_DISABLE_TELEMETRY: '0' })).toMatch(/onnxruntime|mat-debug/);
});
