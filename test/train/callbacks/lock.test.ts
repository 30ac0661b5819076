import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lockFolder } from '../../../src/train/callbacks/lock.ts';
import { temporaryFolder } from '../../files.ts';

it('lets one training in at a time, and leaves no empty folder', async () => {
  const folder = join(temporaryFolder(), 'checkpoints');
  const free = await lockFolder(folder);
  await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
  await expect(lockFolder(folder)).rejects.toThrow(`process ${process.pid}`);
  await free();
  expect(existsSync(folder)).toBe(false);
  await (await lockFolder(folder))();
});

it('takes over what a dead process left, but not from one that lives', async () => {
  const folder = temporaryFolder();
  const child = spawn(process.execPath, ['-e', 'setInterval(() => 0, 1000)']);
  const { pid = 0 } = child;
  const write = (lock: unknown): Promise<void> =>
    writeFile(join(folder, 'lock'), typeof lock === 'string' ? lock : JSON.stringify(lock));
  // Another process had this number before.
  await write({ pid, host: hostname(), started: 'long ago' });
  await (await lockFolder(folder))();
  child.kill('SIGKILL');
  await once(child, 'exit');
  for (const lock of [
    { pid, host: hostname(), started: '' },
    { pid: 1, host: 'elsewhere', started: '' },
    '{"pi',
  ]) {
    await mkdir(folder, { recursive: true });
    await write(lock);
    await (await lockFolder(folder))();
  }
  expect(existsSync(folder)).toBe(false);
});
