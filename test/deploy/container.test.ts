import { spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { run, runWell } from '../interop/packed.ts';
import { addition, at } from '../serve/models.ts';
import { instructions, root } from './containerfile.ts';

const isAsked = process.env['GRAFT_PACKED'] === '1';
const title = isAsked
  ? 'what the Containerfile builds'
  : 'what the Containerfile builds (skipped: it takes minutes, and packages of the registry; set GRAFT_PACKED=1)';

const strings = z.array(z.string());

/** The user that the image runs as; only root can become another one. */
const user = process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : {};

/**
 * Walks through the Containerfile without a container: its folders are folders under `top`, its COPY copies, its RUN
 * runs. Gives what it starts, and what asks for its health.
 */
async function walk(top: string): Promise<{ command: string[]; health: string[] }> {
  const env: Record<string, string> = {};
  const inside = (path: string, from: string): string =>
    path.startsWith('/') ? join(top, path) : join(from, path);
  let [folder, command, health]: [string, string[], string[]] = [top, [], []];
  for (const { name, text } of instructions()) {
    if (name === 'WORKDIR') {
      folder = join(top, text);
      mkdirSync(folder, { recursive: true });
    }
    if (name === 'ENV') {
      const [key = '', value = ''] = text.split('=');
      env[key] = value;
    }
    if (name === 'COPY') copy(text, { to: folder, inside });
    if (name === 'RUN') await runWell(['sh', '-c', text], { cwd: folder, env });
    if (name === 'ENTRYPOINT' || name === 'CMD') command.push(...strings.parse(JSON.parse(text)));
    if (name === 'HEALTHCHECK') {
      health = strings.parse(JSON.parse(text.replace(/^.*?CMD /, '')));
    }
  }
  command = command.map((word) => (/^\/(app|models)\b/.test(word) ? join(top, word) : word));
  return { command, health };
}

function copy(
  text: string,
  about: { readonly to: string; readonly inside: (path: string, from: string) => string },
): void {
  const words = text.split(' ').filter((word) => !word.startsWith('--'));
  const context = text.startsWith('--from=build') ? '' : root;
  const target = words.at(-1) ?? '';
  for (const word of words.slice(0, -1)) {
    const from = about.inside(word, context);
    const name = word.split('/').at(-1) ?? '';
    const to = target === './' ? join(about.to, name) : join(about.to, target);
    cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  }
}

describe.skipIf(!isAsked)(title, { timeout: 300_000 }, () => {
  let top = '';
  let built = { command: [''], health: [''] };

  beforeAll(async () => {
    top = mkdtempSync(join(tmpdir(), 'graft-container-'));
    chmodSync(top, 0o755);
    // Another user must come to it, also where the tests have a temporary folder of their own.
    if ((statSync(tmpdir()).mode & 0o001) === 0) chmodSync(tmpdir(), 0o711);
    built = await walk(top);
    for (const name of ['models', 'tmp']) mkdirSync(join(top, name));
    chmodSync(join(top, 'tmp'), 0o777);
    await addition(at(join(top, 'models'), 'add'));
  }, 300_000);
  afterAll(() => rm(top, { recursive: true, force: true }), 300_000);

  it('serves the models that are mounted, as a user without rights, is healthy, and ends on SIGTERM', async () => {
    const [node = '', ...args] = built.command;
    // Other ports than those of the image, which may be taken here.
    const ports = args.map((arg) => (/^800[01]$/.test(arg) ? '0' : arg));
    const child = spawn(node, ports, {
      cwd: join(top, 'app'),
      env: { PATH: process.env['PATH'], NODE_ENV: 'production', TMPDIR: join(top, 'tmp') },
      stdio: ['ignore', 'ignore', 'pipe'],
      ...user,
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const ended = new Promise((resolve) => child.on('exit', (code, by) => resolve(code ?? by)));
    let said = '';
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes('"models":["add"],"msg":"ready"')) resolve();
      });
      void ended.then((how) => reject(new Error(`it ended with ${String(how)}: ${said}`)));
    });
    const port = /http:\/\/0\.0\.0\.0:(\d+)/.exec(said)?.[1] ?? '';
    const url = `http://127.0.0.1:${port}`;
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(200);
    expect(await (await fetch(url)).text()).toContain('/page/page.mjs');
    const x = { name: 'x', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] };
    const body = JSON.stringify({ inputs: [x] });
    const reply = await fetch(`${url}/v2/models/add/infer`, { method: 'POST', body });
    expect(await reply.json()).toMatchObject({ outputs: [{ data: [2, 3, 4] }] });

    const health = (listening: string): readonly string[] =>
      built.health.map((word) => word.replace(':8000', `:${listening}`));
    expect(await run(health(port), { cwd: top })).toMatchObject({ code: 0 });
    // No one listens there.
    expect(await run(health('9'), { cwd: top })).toMatchObject({ code: 1 });
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });

  it('holds what it needs to run, and nothing that builds it', async () => {
    const { code } = await run(['ls', 'node_modules/vitest'], { cwd: join(top, 'app') });
    expect(code).not.toBe(0);
  });
});
