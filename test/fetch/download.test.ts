import { readdir, readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { astray, content, faultOf, Mirror, ranged, status, whole } from './mirror.ts';

let mirror: Mirror;

beforeEach(async () => {
  mirror = await Mirror.start();
});

afterEach(async () => {
  await mirror.close();
});

describe('a connection that is cut', () => {
  it('goes on in the middle, on condition that the file is the same', async () => {
    mirror.replies = [mirror.cutAfter(50_000), ranged];
    expect(await readFile((await mirror.pull()).path)).toEqual(content);
    const start = Number(/\d+/.exec(mirror.asked[1]?.headers.range ?? '')?.[0]);
    expect(start).toBeGreaterThan(0);
    expect(start).toBeLessThanOrEqual(50_000);
    expect(mirror.asked[1]?.headers['if-range']).toBe('"v1"');
  });

  it('goes on by date where the ETag is weak', async () => {
    const date = 'Wed, 21 Sep 2016 04:11:54 GMT';
    mirror.replies = [mirror.cutAfter(50_000, { etag: 'W/"v1"', 'last-modified': date }), ranged];
    await mirror.pull();
    expect(mirror.asked[1]?.headers['if-range']).toBe(date);
  });

  it('starts over where nothing tells whether the file is the same', async () => {
    mirror.replies = [mirror.cutAfter(50_000, {}), whole];
    expect(await readFile((await mirror.pull()).path)).toEqual(content);
    expect(mirror.asked[1]?.headers.range).toBeUndefined();
  });

  it('starts over where the server ignores the range', async () => {
    mirror.replies = [mirror.cutAfter(50_000), whole];
    expect(await readFile((await mirror.pull()).path)).toEqual(content);
  });

  it('starts over where the server goes on from another place', async () => {
    mirror.replies = [mirror.cutAfter(50_000), astray, whole];
    expect(await readFile((await mirror.pull()).path)).toEqual(content);
    expect(mirror.asked[2]?.headers.range).toBeUndefined();
  });

  it('starts over where the server has no such range', async () => {
    mirror.replies = [mirror.cutAfter(50_000), status(416), whole];
    expect(await readFile((await mirror.pull()).path)).toEqual(content);
  });

  it('gives up after some attempts, keeps what came, and a second call goes on from there', async () => {
    mirror.replies = [mirror.cutAfter(50_000), status(503)];
    const fault = await faultOf(mirror.pull({ attempts: 3 }));
    expect(fault.code).toBe('DOWNLOAD_FAILED');
    expect(fault.hint).toMatch(/^\d+ bytes are kept: a second call goes on from there/);
    expect(await readdir(mirror.dir)).not.toContain('tiny.h5');
    expect(mirror.asked).toHaveLength(6);
    mirror.replies = [ranged];
    expect(await readFile((await mirror.pull()).path)).toEqual(content);
    expect(mirror.asked[6]?.headers.range).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it('does not go on with what came from another address', async () => {
    mirror.replies = [mirror.cutAfter(50_000), status(404), whole];
    const result = await mirror.pull();
    expect(result.address).toBe(`${mirror.base}/two/tiny.h5`);
    expect(mirror.asked[2]?.headers.range).toBeUndefined();
  });

  it('gives up an attempt when nothing arrives', async () => {
    mirror.replies = [() => undefined];
    const fault = await faultOf(mirror.pull({ idleMs: 20, attempts: 1 }));
    expect(fault.message).toContain('nothing arrived for 0.02 s');
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    mirror.replies = [() => stop.abort(new Error('stopped'))];
    await expect(mirror.pull({ signal: stop.signal })).rejects.toThrow('stopped');
    expect(await readdir(mirror.dir)).toEqual([]);
  });
});
