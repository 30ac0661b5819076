import { chmodSync, mkdirSync, mkdtempSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageVersion } from '../../src/cli/version.ts';
import { run } from '../interop/packed.ts';
import { GrpcClient } from '../serve/grpc-client.ts';
import { addition, at, colours, slow } from '../serve/models.ts';
import { buildImage, containerOf, image, nodeImage, podman } from './image.ts';
import { podOf } from './pod.ts';
import { started } from './started.ts';
import { walk } from './walk.ts';

const isAsked = process.env['GRAFT_PACKED'] === '1';

/** Sends a model numbers, as JSON. */
async function infer(
  url: string,
  {
    model = 'add',
    data = [1, 2, 3],
    headers = {},
  }: {
    readonly model?: string;
    readonly data?: readonly number[];
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Promise<[number, unknown]> {
  const x = { name: 'x', shape: [1, data.length], datatype: 'FP32', data };
  const body = JSON.stringify({ inputs: [x] });
  const reply = await fetch(`${url}/v2/models/${model}/infer`, { method: 'POST', body, headers });
  return [reply.status, await reply.json()];
}

const answered = [200, { outputs: [{ data: [2, 3, 4] }] }];

/** Models that another user can read. */
async function writeModels(folder: string): Promise<void> {
  mkdirSync(folder);
  await addition(at(folder, 'add'));
  await colours(at(folder, 'colours'));
  await slow(at(folder, 'slow'), 256, 4000);
}

async function jpeg(background: string): Promise<Uint8Array<ArrayBuffer>> {
  const create = { width: 300, height: 300, channels: 3 as const, background };
  return new Uint8Array(await sharp({ create }).jpeg().toBuffer());
}

/** Flags that publish ports at free ones of this machine alone. */
function publish(...ports: readonly string[]): readonly string[] {
  return ports.flatMap((port) => ['-p', `127.0.0.1::${port}`]);
}

const imageTests = nodeImage === '' ? undefined : describe;
imageTests?.('the image that the Containerfile builds', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'graft-image-'));
  const models = join(folder, 'models');
  let said = '';

  beforeAll(async () => {
    chmodSync(folder, 0o755);
    await writeModels(models);
    said = await buildImage();
  }, 600_000);
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  it('is built without a word of what is ignored, and says what it is', async () => {
    expect(said).not.toMatch(/not supported|will be ignored/);
    const { stdout } = await podman('image', 'inspect', image, '--format', '{{json .Config}}');
    const prefix = 'org.opencontainers.image';
    expect(JSON.parse(stdout)).toMatchObject({
      User: '1000:1000',
      StopSignal: 'SIGTERM',
      ExposedPorts: { '8000/tcp': {}, '8001/tcp': {} },
      Volumes: { '/models': {}, '/tmp': {} },
      Labels: { [`${prefix}.title`]: 'graft', [`${prefix}.version`]: packageVersion() },
    });
  });

  it('holds what a server needs, and nothing that builds it', async () => {
    const files = 'find /app /root /usr /opt /tmp -xdev -type f -o -type l 2>/dev/null; true';
    const found = await podman(
      'run',
      '--rm',
      '--network',
      'none',
      '--entrypoint',
      'sh',
      image,
      '-c',
      files,
    );
    const paths = found.stdout.split('\n');
    const having = (pattern: RegExp): readonly string[] =>
      paths.filter((path) => pattern.test(path));
    expect(having(/\/node_modules\/(vitest|typescript|tsup|esbuild|onnxruntime-web)\//)).toEqual(
      [],
    );
    expect(having(/\/bin\/(npm|npx|yarn|gcc|cc|c\+\+|make|python3?)$/)).toEqual([]);
    expect(having(/\.npmrc$|_cacache|^\/app\/.*(\.map|\.d\.ts)$|^\/app\/src\//)).toEqual([]);
    expect(having(/onnxruntime-node\/bin\/.*libonnxruntime\.so/)).toHaveLength(1);
    expect(having(/onnxruntime-node\/bin\/.*\/(darwin|win32)\//)).toEqual([]);
    expect(having(/libturbojpeg\.so/).length).toBeGreaterThan(0);
    const sizes = await podman('image', 'inspect', image, nodeImage, '--format', '{{.Size}}');
    const [own = 0, base = 0] = sizes.stdout.trim().split('\n').map(Number);
    // Half of it is onnxruntime's own and Node's modules; with what other systems need it was three times as much.
    expect(own - base).toBeLessThan(200e6);
  });

  it('serves over both doors as it is, is healthy, and answers what has come when it is told to end', async () => {
    const flags = [
      '--read-only',
      '--read-only-tmpfs=false',
      '--tmpfs',
      '/tmp',
      '-v',
      `${models}:/models:ro`,
    ];
    const { command, name, at: portAt } = containerOf([...flags, ...publish('8000', '8001')]);
    const { said: told, end } = await started(command);
    // Nothing but its own words and podman's: no complaints of a library about a place that it cannot write to.
    expect(told.split('\n').filter((line) => !/^(\{|Listening|Ready|time=|$)/.test(line))).toEqual(
      [],
    );
    const url = `http://127.0.0.1:${await portAt('8000')}`;
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(200);
    expect(await (await fetch(url)).text()).toContain('/page/page.mjs');
    expect(await infer(url)).toMatchObject(answered);
    const client = new GrpcClient(await portAt('8001'));
    const contents = { fp32_contents: [1, 2, 3] };
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 3], contents }];
    expect(await client.call('ModelInfer', { model_name: 'add', inputs })).toMatchObject({
      code: 0,
    });
    const body = await jpeg('#0033ff');
    const classified = await fetch(`${url}/v2/models/colours/classify`, { method: 'POST', body });
    expect(await classified.json()).toMatchObject({ predictions: [{ label: 'blue' }, {}, {}] });
    const maps = await podman('exec', name, 'cat', '/proc/1/maps');
    expect(maps.stdout).toContain('libturbojpeg');

    await podman('healthcheck', 'run', name);
    const { stdout } = await podman('inspect', name, '--format', '{{.State.Health.Status}}');
    expect(stdout.trim()).toBe('healthy');
    const writing = await podman(
      'exec',
      name,
      'sh',
      '-c',
      'id -u; touch /app/a || touch /models/a || echo no',
    );
    expect(writing.stdout).toBe('1000\nno\n');

    const late = infer(url, { model: 'slow', data: Array.from({ length: 256 }, () => 1) });
    // By the time that this is answered, the other is under way.
    expect((await fetch(`${url}/v2/health/live`)).status).toBe(200);
    expect(await end()).toBe(0);
    expect((await late)[0]).toBe(200);
  });

  it.each(['kubernetes.yaml', 'kserve.yaml'])('runs as %s has it', async (file) => {
    const secret = 'of the cluster';
    const pod = podOf(file, { models, secret });
    const flags = [...pod.flags, ...publish(pod.ports.http, pod.ports.grpc)];
    const { command, at: portAt } = containerOf(flags, pod.args);
    const { end } = await started(command);
    const url = `http://127.0.0.1:${await portAt(pod.ports.http)}`;
    for (const path of pod.probes) expect((await fetch(`${url}${path}`)).status).toBe(200);
    const headers = { 'x-api-key': secret };
    expect(await infer(url, { headers })).toMatchObject(answered);
    expect((await infer(url))[0]).toBe(file === 'kubernetes.yaml' ? 401 : 200);
    const client = new GrpcClient(
      await portAt(pod.ports.grpc),
      'health.proto',
      'grpc.health.v1.Health',
    );
    expect(await client.call('Check', { service: '' })).toMatchObject({
      answer: { status: 'SERVING' },
    });
    expect(await end()).toBe(0);
  });
});

// Where there is no podman, the same steps in plain folders.
const title = isAsked
  ? 'what the Containerfile builds'
  : 'what the Containerfile builds (skipped: it takes minutes, and packages of the registry; set GRAFT_PACKED=1)';

/** The user that the image runs as; only root can become another one. */
const user = process.getuid?.() === 0 ? { uid: 1000, gid: 1000 } : {};

const walked = nodeImage === '' ? describe.skipIf(!isAsked) : undefined;
walked?.(title, { timeout: 300_000 }, () => {
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
    const { said, end } = await started([node, ...ports], {
      cwd: join(top, 'app'),
      env: { PATH: process.env['PATH'], NODE_ENV: 'production', TMPDIR: join(top, 'tmp') },
      ...user,
    });
    const port = /http:\/\/0\.0\.0\.0:(\d+)/.exec(said)?.[1] ?? '';
    const url = `http://127.0.0.1:${port}`;
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(200);
    expect(await (await fetch(url)).text()).toContain('/page/page.mjs');
    expect(await infer(url)).toMatchObject(answered);

    const health = (listening: string): readonly string[] =>
      built.health.map((word) => word.replace(':8000', `:${listening}`));
    expect(await run(health(port), { cwd: top })).toMatchObject({ code: 0 });
    // No one listens there.
    expect(await run(health('9'), { cwd: top })).toMatchObject({ code: 1 });
    expect(await end()).toBe(0);
  });

  it('holds what it needs to run, and nothing that builds it', async () => {
    const { code } = await run(['ls', 'node_modules/vitest'], { cwd: join(top, 'app') });
    expect(code).not.toBe(0);
  });
});
