import { mkdtemp, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Builds the library, and the worker beside it, into a temporary folder, for tests that need processes or threads of
 * their own: these cannot run TypeScript. Returns the folder, with `index.js` and `augment-worker.js`.
 */
export async function builtLibrary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'graft-built-'));
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  await build({
    root,
    configFile: false,
    logLevel: 'error',
    build: {
      ssr: true,
      outDir: folder,
      emptyOutDir: false,
      target: 'node20',
      rollupOptions: {
        input: {
          index: join(root, 'src/index.ts'),
          'augment-worker': join(root, 'src/train/augment/worker.ts'),
        },
        output: { entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' },
      },
    },
  });
  return folder;
}
