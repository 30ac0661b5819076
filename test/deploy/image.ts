import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Ended, run, runWell } from '../interop/packed.ts';
import { root } from './containerfile.ts';

/** The image of Node that ours is to stand on; empty where no container can be built here. */
export const nodeImage = process.env['GRAFT_NODE_IMAGE'] ?? '';

/** What the tests call the image that they build. */
export const image = 'localhost/graft-test';

/** Runs podman to its end; throws with what it wrote unless that is a good one. */
export const podman = async (...args: readonly string[]): Promise<Ended> =>
  runWell(['podman', ...args], { cwd: root });

/** Builds deploy/Containerfile, with npm's settings of this machine; what it wrote. */
export async function buildImage(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'graft-image-'));
  try {
    const { settings, certificates } = await npmSettings();
    const secret = join(folder, 'npmrc');
    writeFileSync(secret, settings, { mode: 0o600 });
    const { stdout, stderr } = await podman(
      'build',
      '--format=docker',
      '--file=deploy/Containerfile',
      `--tag=${image}`,
      // A build needs no container of its own, and one step no layer.
      '--isolation=chroot',
      '--layers=false',
      '--pull=missing',
      `--build-arg=NODE_IMAGE=${nodeImage}`,
      `--secret=id=npmrc,src=${secret}`,
      ...(certificates === '' ? [] : ['-v', `${certificates}:${certificates}:ro`]),
      '.',
    );
    return stdout + stderr;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The text of an .npmrc, and the file of certificates that it names. */
async function npmSettings(): Promise<{ settings: string; certificates: string }> {
  const files = [await npmConfig('globalconfig'), await npmConfig('userconfig')];
  const texts = files.filter((file) => existsSync(file)).map((file) => readFileSync(file, 'utf8'));
  const certificates = (await npmConfig('cafile')) || (process.env['NODE_EXTRA_CA_CERTS'] ?? '');
  const lines = [
    `registry=${await npmConfig('registry')}`,
    ...(certificates === '' ? [] : [`cafile=${certificates}`]),
  ];
  return { settings: [...texts, ...lines, ''].join('\n'), certificates };
}

async function npmConfig(key: string): Promise<string> {
  const { stdout } = await run(['npm', 'config', 'get', key], { cwd: tmpdir() });
  const value = stdout.trim();
  return value === 'null' || value === 'undefined' ? '' : value;
}

let containers = 0;

/** A container that is to run in the foreground, and is gone when the test is over. */
export function containerOf(
  flags: readonly string[],
  args: readonly string[] = [],
): {
  readonly name: string;
  readonly command: readonly string[];
  /** The port of this machine that leads to one of its own. */
  readonly at: (port: string) => Promise<number>;
} {
  containers += 1;
  const name = `graft-test-${process.pid}-${containers}`;
  onTestFinished(async () => void (await podman('rm', '--force', '--time', '0', '--ignore', name)));
  const own = ['--rm', '--name', name, '--network', 'slirp4netns'];
  return {
    name,
    command: ['podman', 'run', ...own, ...flags, image, ...args],
    async at(port) {
      const { stdout } = await podman('port', name, `${port}/tcp`);
      return Number(stdout.trim().split(':').at(-1));
    },
  };
}
