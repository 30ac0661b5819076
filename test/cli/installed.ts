import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, onTestFinished } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A package as npm would install it, built anew for the tests of one file. */
export interface Installed {
  readonly folder: string;
  /** What `node` runs. */
  readonly cli: string;
}

/** Builds what the package has, of the sources as they are; it is gone after the tests of the file. */
export function installedPackage(): Installed {
  const folder = mkdtempSync(join(tmpdir(), 'graft-installed-'));
  beforeAll(async () => {
    for (const part of ['package.json', 'proto', 'models']) {
      cpSync(join(root, part), join(folder, part), { recursive: true });
    }
    mkdirSync(join(folder, 'dist'));
    cpSync(join(root, 'src/serve/http/page'), join(folder, 'dist/page'), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    await build({
      entryPoints: {
        cli: join(root, 'src/cli/main.ts'),
        client: join(root, 'src/client/index.ts'),
        'serve-worker': join(root, 'src/serve/running/worker.ts'),
      },
      outdir: join(folder, 'dist'),
      bundle: true,
      splitting: true,
      platform: 'node',
      format: 'esm',
      packages: 'external',
    });
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, cli: join(folder, 'dist/cli.js') };
}

/** A `graft serve` that runs. */
export interface Serving {
  readonly child: ChildProcess;
  readonly url: string;
  readonly grpc: string;
  /** What it has written to stderr so far. */
  readonly stderr: () => string;
  /** The exit code, or the signal. */
  readonly ended: Promise<number | string | null>;
}

/** Starts `graft serve` on free ports; resolves when it is ready. It is gone when the test is over. */
export async function startServing(
  cli: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Serving> {
  const free = ['--port', '0', '--grpc-port', '0'];
  const child = spawn(process.execPath, [cli, 'serve', ...args, ...free], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  const ended = new Promise<number | string | null>((resolve) => {
    child.on('exit', (code, signal) => resolve(code ?? signal));
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  let stderr = '';
  await new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      if (/"msg":"(?:not )?ready"/.test(stderr)) resolve();
    });
    child.on('exit', () => reject(new Error(`graft serve ended: ${stderr}`)));
  });
  const [, url = '', grpc = ''] = /"http":"(.+?)","grpc":"(.+?)"/.exec(stderr) ?? [];
  return { child, url, grpc, stderr: () => stderr, ended };
}
