import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { packagedPath } from '../package.ts';

const manifest = z.object({ version: z.string() });

/** The version that package.json states. */
export function packageVersion(): string {
  const path = packagedPath('package.json');
  if (path === undefined) throw new Error('Bug: package.json is not where it should be');
  return manifest.parse(JSON.parse(readFileSync(path, 'utf8'))).version;
}
