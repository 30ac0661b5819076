import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig } from 'tsup';

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    cli: 'src/cli/main.ts',
    'augment-worker': 'src/train/augment/worker.ts',
    client: 'src/client/index.ts',
    // What serving runs in threads of their own.
    'serve-worker': 'src/serve/running/worker.ts',
  },
  format: 'esm',
  target: 'node20.19',
  dts: { entry: { index: 'src/index.ts', client: 'src/client/index.ts' } },
  sourcemap: true,
  external: ['onnxruntime-node', 'koffi'],
  clean: true,
  plugins: [
    {
      name: 'page',
      // The page is no part of any module: serve/http/page.ts reads its files from beside the code.
      buildEnd() {
        cpSync('src/serve/http/page', join(this.options.outDir, 'page'), { recursive: true });
      },
    },
  ],
});
