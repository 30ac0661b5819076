import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkTarget, removeUnfinished, writeOutput } from '../src/output.ts';
import { temporaryFolder } from './files.ts';

describe('checkTarget', () => {
  it('lets a new file pass, and an old one where it may be overwritten', async () => {
    const path = join(temporaryFolder(), 'new');
    await checkTarget(path, {});
    writeFileSync(path, 'old');
    await expect(checkTarget(path, {})).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
    await checkTarget(path, { force: true });
  });

  it('refuses a folder that is not there, forced or not', async () => {
    const path = join(temporaryFolder(), 'none', 'new');
    for (const force of [false, true]) {
      await expect(checkTarget(path, { force })).rejects.toMatchObject({
        code: 'OUTPUT_UNWRITABLE',
      });
    }
  });
});

describe('writeOutput', () => {
  it('says that a name is too long', async () => {
    const path = join(temporaryFolder(), 'x'.repeat(300));
    const written = writeOutput(path, {}, async (file) => file.writeFile('x'));
    await expect(written).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE' });
  });

  it('leaves nothing behind when the process is told to end meanwhile', async () => {
    const folder = temporaryFolder();
    const written = writeOutput(join(folder, 'new'), {}, async (file) => {
      await file.writeFile('half');
      expect(readdirSync(folder)).toHaveLength(1);
      removeUnfinished();
    });
    await expect(written).rejects.toMatchObject({ code: 'OUTPUT_UNWRITABLE' });
    expect(existsSync(join(folder, 'new'))).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });
});
