import { defineConfig } from 'tsup';

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    cli: 'src/cli/main.ts',
    'augment-worker': 'src/train/augment/worker.ts',
  },
  format: 'esm',
  target: 'node20.19',
  dts: { entry: { index: 'src/index.ts' } },
  sourcemap: true,
  external: ['onnxruntime-node'],
  clean: true,
});
