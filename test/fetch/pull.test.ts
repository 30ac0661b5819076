import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pull } from '../../src/fetch/pull.ts';
import { content, endless, faultOf, Mirror, md5, page, sha256, status, whole } from './mirror.ts';

let mirror: Mirror;

beforeEach(async () => {
  mirror = await Mirror.start();
});

afterEach(async () => {
  await mirror.close();
});

describe('pull', () => {
  it('downloads, verifies and names the file, and leaves nothing else behind', async () => {
    mirror.replies = [whole];
    const result = await mirror.pull();
    expect(result).toMatchObject({
      name: 'tiny',
      path: join(mirror.dir, 'tiny.h5'),
      from: 'network',
      address: `${mirror.base}/one/tiny.h5`,
      bytes: content.length,
      sha256,
      checked: 'md5',
    });
    expect(await readFile(result.path)).toEqual(content);
    expect(await readdir(mirror.dir)).toEqual(['tiny.h5']);
  });

  it('reports how many bytes of how many have arrived', async () => {
    mirror.replies = [whole];
    const seen: [number, number | undefined][] = [];
    await mirror.pull({ onProgress: ({ bytes, total }) => seen.push([bytes, total]) });
    expect(seen.at(-1)).toEqual([content.length, content.length]);
  });

  it('asks the network once', async () => {
    mirror.replies = [whole];
    await mirror.pull();
    expect((await mirror.pull()).from).toBe('cache');
    expect(mirror.asked).toHaveLength(1);
  });

  it('needs no network for what the package has', async () => {
    const found = await pull('imagenet_class_index', { dir: mirror.dir, mirror: mirror.base });
    expect(found).toMatchObject({ from: 'package', checked: 'md5' });
    expect(mirror.asked).toEqual([]);
  });

  it('names downloads that a mistyped name is near to', async () => {
    await expect(pull('vg16')).rejects.toThrow(/Did you mean vgg16/);
  });

  it('downloads again when forced', async () => {
    mirror.replies = [whole];
    await mirror.pull();
    expect((await mirror.pull({ force: true })).from).toBe('network');
  });

  it('replaces a file in the cache that fails its check', async () => {
    mirror.replies = [whole];
    await writeFile(join(mirror.dir, 'tiny.h5'), 'damaged');
    expect((await mirror.pull()).from).toBe('network');
    expect(await readFile(join(mirror.dir, 'tiny.h5'))).toEqual(content);
  });

  it("uses a valid file in Keras' cache where it lies", async () => {
    const kerasDir = join(mirror.dir, 'keras');
    await mkdir(kerasDir);
    await writeFile(join(kerasDir, 'tiny.h5'), content);
    const result = await mirror.pull({ kerasDir });
    expect(result).toMatchObject({ from: 'Keras cache', path: join(kerasDir, 'tiny.h5') });
    expect(mirror.asked).toHaveLength(0);
  });

  it("leaves a damaged file in Keras' cache alone and downloads", async () => {
    mirror.replies = [whole];
    const kerasDir = join(mirror.dir, 'keras');
    await mkdir(kerasDir);
    await writeFile(join(kerasDir, 'tiny.h5'), 'damaged');
    expect((await mirror.pull({ kerasDir })).from).toBe('network');
    expect(await readFile(join(kerasDir, 'tiny.h5'), 'utf8')).toBe('damaged');
  });

  it('asks only the mirror when one is named', async () => {
    mirror.replies = [whole];
    const result = await mirror.pull({ mirror: `${mirror.base}/company/models/` });
    expect(result.address).toBe(`${mirror.base}/company/models/tiny.h5`);
  });

  it.each(['models', 'file:///models', 'ftp://example.org'])(
    'refuses the mirror %s',
    async (address) => {
      expect((await faultOf(mirror.pull({ mirror: address }))).code).toBe('OPTION_INVALID');
    },
  );

  it.each(['other', 'toString'])('lists the names when it does not know "%s"', async (name) => {
    const fault = await faultOf(pull(name, { sources: mirror.sources(), dir: mirror.dir }));
    expect(fault.code).toBe('DOWNLOAD_UNKNOWN');
    expect(fault.hint).toContain('tiny');
  });
});

describe('what is not the file', () => {
  it('refuses a wrong checksum, names both, and leaves nothing', async () => {
    mirror.replies = [whole];
    const expected = '0123456789abcdef0123456789abcdef';
    const fault = await faultOf(mirror.pull({}, { md5: expected }));
    expect(fault.code).toBe('DOWNLOAD_CHECKSUM');
    expect(fault.message).toContain(expected);
    expect(fault.message).toContain(md5);
    expect(await readdir(mirror.dir)).toEqual([]);
  });

  it('accepts a right SHA-256 and refuses a wrong one', async () => {
    mirror.replies = [whole];
    expect((await mirror.pull({}, { sha256: sha256.toUpperCase() })).checked).toBe('sha256');
    const fault = await faultOf(mirror.pull({ force: true }, { sha256: md5 + md5 }));
    expect(fault.code).toBe('DOWNLOAD_CHECKSUM');
  });

  it('names every address that was tried, with its answer', async () => {
    mirror.replies = [status(404), status(403)];
    const fault = await faultOf(mirror.pull());
    expect(fault.code).toBe('DOWNLOAD_FAILED');
    expect(fault.message).toContain(`${mirror.base}/one/tiny.h5: 404 Not Found`);
    expect(fault.message).toContain(`${mirror.base}/two/tiny.h5: 403 Forbidden`);
    expect(fault.message).toContain('by hand as "tiny.h5"');
    expect(mirror.asked).toHaveLength(2);
  });

  it('asks again after a fault that passes', async () => {
    mirror.replies = [status(503), whole];
    expect((await mirror.pull()).address).toBe(`${mirror.base}/one/tiny.h5`);
  });

  it('refuses a web page and keeps what an earlier attempt brought', async () => {
    mirror.replies = [mirror.cutAfter(50_000), page];
    const fault = await faultOf(mirror.pull());
    expect(fault.message).toContain('it answered with a web page instead of the file');
    expect((await readFile(join(mirror.dir, 'tiny.h5.part'))).length).toBeGreaterThan(0);
  });

  it('refuses a file that does not begin like one', async () => {
    mirror.replies = [(_, response) => response.end('PK something')];
    expect((await faultOf(mirror.pull())).message).toContain('does not begin like such a file');
    expect(await readdir(mirror.dir)).toEqual([]);
  });

  // 50,000 numbers of 4 bytes and 8 bytes of signature
  it('checks signature and size where no checksum is known', async () => {
    mirror.replies = [whole];
    expect((await mirror.pull({}, { parameters: 50_000 })).checked).toBe('signature and size');
  });

  it('refuses a length that cannot hold so many numbers, before anything is read', async () => {
    mirror.replies = [whole];
    const fault = await faultOf(mirror.pull({}, { parameters: 500_000_000 }));
    expect(fault.message).toContain('it has 200008 bytes where 2000000000 to ');
  });

  it('stops a stream that is longer than the file can be', async () => {
    mirror.replies = [endless];
    const fault = await faultOf(mirror.pull({}, { parameters: 50_000 }));
    expect(fault.message).toMatch(/it sent more than \d+ bytes/);
  });

  it('says which addresses cannot be reached', async () => {
    await mirror.hangUp();
    const fault = await faultOf(mirror.pull());
    expect(fault.message).toMatch(/one\/tiny\.h5: .*ECONNREFUSED/);
  });
});

describe('the cache folder', () => {
  it('is a file', async () => {
    const dir = join(mirror.dir, 'file');
    await writeFile(dir, '');
    expect((await faultOf(mirror.pull({ dir }))).code).toBe('OUTPUT_UNWRITABLE');
  });

  it.runIf(process.platform === 'linux')('says when the disk is full', async () => {
    mirror.replies = [whole];
    await symlink('/dev/full', join(mirror.dir, 'tiny.h5.part'));
    const fault = await faultOf(mirror.pull());
    expect(fault.code).toBe('OUTPUT_UNWRITABLE');
    expect(fault.message).toContain('The disk is full (ENOSPC)');
    expect(mirror.asked).toHaveLength(1);
  });

  it('says when it cannot be made', async () => {
    await writeFile(join(mirror.dir, 'file'), '');
    expect((await faultOf(mirror.pull({ dir: join(mirror.dir, 'file', 'models') }))).code).toBe(
      'OUTPUT_UNWRITABLE',
    );
  });

  it('refuses a second download of the same file at the same time', async () => {
    await writeFile(join(mirror.dir, 'tiny.h5.part.lock'), String(process.pid));
    const fault = await faultOf(mirror.pull());
    expect(fault.code).toBe('DOWNLOAD_FAILED');
    expect(fault.message).toContain(`Process ${process.pid} is downloading the same file`);
  });

  it('takes over from a process that is gone', async () => {
    mirror.replies = [whole];
    await writeFile(join(mirror.dir, 'tiny.h5.part.lock'), 'nobody');
    expect((await mirror.pull()).from).toBe('network');
    expect(await readdir(mirror.dir)).toEqual(['tiny.h5']);
  });
});
