import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../shared/', import.meta.url));

/** Whether the collection of files by real Keras lies beside the checkout; tests that need it skip without it. */
export const hasShared = existsSync(root);

/** Absolute path of something in that collection. */
export function shared(path: string): string {
  return `${root}${path}`;
}
