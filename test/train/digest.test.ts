import { createHash } from 'node:crypto';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FileDigests } from '../../src/train/digest.ts';
import { temporaryFolder } from '../files.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

describe('FileDigests', () => {
  it('reads a file once, as long as it seems the same', async () => {
    const path = join(temporaryFolder(), 'picture.png');
    await writeFile(path, 'first');
    await utimes(path, 1000, 1000);
    const digests = new FileDigests();
    expect(await digests.of(path)).toBe(sha256('first'));
    await writeFile(path, 'other');
    await utimes(path, 1000, 1000);
    const again = await digests.of(path);
    await utimes(path, 1000, 2000);
    expect(again).toBe(sha256('first'));
    expect(await digests.of(path)).toBe(sha256('other'));
  });

  it('knows none of what cannot be read', async () => {
    expect(await new FileDigests().of(join(temporaryFolder(), 'absent.png'))).toBeUndefined();
  });
});
