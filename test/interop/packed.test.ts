import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { expectClose } from '../tolerance.ts';
import { digits } from './digits.ts';
import { freshProject, npms, packCheckout, root, run, runWell } from './packed.ts';

const isAsked = process.env['GRAFT_PACKED'] === '1';
const title = isAsked
  ? 'the packed package'
  : 'the packed package (skipped: it takes minutes, and packages of the registry; set GRAFT_PACKED=1)';

describe.skipIf(!isAsked)(title, { timeout: 300_000 }, () => {
  let folder = '';
  let picture = '';
  let tarball = '';

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'graft-packed-'));
    picture = join(folder, 'digit.png');
    tarball = await packCheckout(join(folder, 'packed'));
    await writeDigit(picture);
  }, 300_000);
  // A fresh project with onnxruntime takes 300 MB, and seconds to delete.
  afterAll(() => rm(folder, { recursive: true, force: true }), 300_000);

  describe.each(Object.entries(npms))('installed by %s', (name, npm) => {
    const project = (kind: string): string =>
      freshProject(join(folder, `${name} ${kind}`.replaceAll(' ', '-')));

    it('converts and predicts from the command line and from TypeScript', async () => {
      const cwd = project('whole');
      const graft = join(cwd, 'node_modules/.bin/graft');
      const env = { ONNXRUNTIME_NODE_INSTALL: 'skip' };
      await runWell([...npm, 'install', tarball], { cwd, env });
      expect((await runWell([graft, '--help'], { cwd })).stdout).toContain('convert');
      await runWell([graft, 'convert', digits.weights, '-o', 'digits.onnx'], { cwd });
      expectDigit(await runWell([graft, ...predict(picture)], { cwd }));

      writeFileSync(join(cwd, 'consumer.ts'), consumer);
      writeFileSync(join(cwd, 'tsconfig.json'), JSON.stringify({ compilerOptions: strict }));
      await runWell([process.execPath, join(root, 'node_modules/typescript/bin/tsc')], { cwd });
      const used = await runWell([process.execPath, 'out/consumer.js', digits.weights], { cwd });
      expect(used.stdout).toBe('78168 fastai-vgg16\n');
    });

    it('installs without a download of CUDA, converts, and names the command that makes it predict', async () => {
      const cwd = project('bare');
      const graft = join(cwd, 'node_modules/.bin/graft');
      // No one listens there: onnxruntime-node's own download fails, whatever network there is.
      const env = { GLOBAL_AGENT_HTTPS_PROXY: 'http://127.0.0.1:9' };
      await runWell([...npm, 'install', tarball], { cwd, env });
      await runWell([graft, 'convert', digits.weights, '-o', 'digits.onnx'], { cwd });
      const before = await run([graft, ...predict(picture)], { cwd });
      // An npm that runs no install scripts has it all at once; one that does has dropped the optional package.
      if (before.code !== 0) {
        expect(before.code).toBe(1);
        const [command = ''] =
          /ONNXRUNTIME_NODE_INSTALL=skip npm install .*/.exec(before.stderr) ?? [];
        expect(command).not.toBe('');
        await runWell(['sh', '-c', command.replace(/\bnpm\b/, npm.join(' '))], { cwd, env });
      }
      expectDigit(await runWell([graft, ...predict(picture)], { cwd }));
    });
  });
});

const predict = (picture: string): readonly string[] => [
  'predict',
  'digits.onnx',
  picture,
  '--top',
  '8',
  '--format',
  'jsonl',
];

/** The first of the sixteen pictures, as a PNG file. */
async function writeDigit(path: string): Promise<void> {
  const { data } = digits.input();
  const area = 32 * 32;
  const rgb = Uint8Array.from(
    { length: 3 * area },
    (_, i) => data[(i % 3) * area + Math.floor(i / 3)] ?? 0,
  );
  await sharp(rgb, { raw: { width: 32, height: 32, channels: 3 } })
    .png()
    .toFile(path);
}

const prediction = z.object({
  top: z.array(z.object({ index: z.number(), probability: z.number() })),
});

function expectDigit({ stdout }: { readonly stdout: string }): void {
  const { top } = prediction.parse(JSON.parse(stdout));
  const found = top.toSorted((a, b) => a.index - b.index).map(({ probability }) => probability);
  expectClose(found, digits.expected().data.slice(0, 8));
}

const strict = {
  strict: true,
  exactOptionalPropertyTypes: true,
  module: 'nodenext',
  target: 'es2022',
  outDir: 'out',
  types: [],
};

const consumer = `import { type ConversionReport, convert } from 'graft';

declare const process: { readonly argv: readonly string[] };
declare const console: { log(text: string): void };

const report: ConversionReport = await convert(process.argv[2] ?? '', { output: 'used.onnx' });
const parameters: number = report.parameters;
console.log(\`\${parameters} \${report.recipe ?? ''}\`);
// @ts-expect-error -- such an option must not be known
await convert('x.h5', { outputt: 'y.onnx' }).catch(() => undefined);
`;
