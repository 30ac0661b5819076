import { readFileSync } from 'node:fs';
import { z } from 'zod';

const manifest = z.object({ version: z.string() });

/** The version that package.json states; it lies one folder above the built files and two above the sources. */
export function packageVersion(): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const text = readFileSync(new URL(path, import.meta.url), 'utf8');
      return manifest.parse(JSON.parse(text)).version;
    } catch {
      // Not here: look one folder up.
    }
  }
  throw new Error('Bug: package.json is not where it should be');
}
