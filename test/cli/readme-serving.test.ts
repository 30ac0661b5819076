import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../files.ts';
import { convertedDigits } from '../interop/digits.ts';
import { run, runWell } from '../interop/packed.ts';
import { pythonMissing } from '../interop/python.ts';
import { addition, at } from '../serve/models.ts';
import { installedPackage, type Serving, startServing } from './installed.ts';

const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
const [, serving = ''] = /\n## Serving\n(.*?)\n## /s.exec(readme) ?? [];

/** The blocks of the section in one language, as they are written. */
function blocks(language: string): readonly string[] {
  return [...serving.matchAll(/^```(\w*)\n(.*?)^```/gms)]
    .filter(([, found]) => found === language)
    .map(([, , text = '']) => text);
}

const installed = installedPackage();
const hasCurl = (await run(['curl', '--version'], { cwd: '.' })).code === 0;
const hasTerminal =
  (await run(['script', '-qec', 'timeout 5 true', '/dev/null'], { cwd: '.' })).code === 0;
const noTriton = pythonMissing(['numpy', 'tritonclient']);

/** A text of the section with the port that is free here. */
function here(text: string, { url }: Serving): string {
  return text.replaceAll('127.0.0.1:8000', new URL(url).host);
}

describe("README's section on serving", { timeout: 60_000 }, () => {
  let folder = '';
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'graft-readme-'));
    mkdirSync(join(folder, 'models'));
    copyFileSync(await convertedDigits(folder), at(join(folder, 'models'), 'vgg16-tuned'));
    await addition(at(join(folder, 'models'), 'add'));
    const create = { width: 50, height: 40, channels: 3, background: '#8a6a4a' } as const;
    await sharp({ create }).jpeg().toFile(join(folder, 'cat.jpg'));
  }, 60_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const start = async (): Promise<Serving> => startServing(installed.cli, [join(folder, 'models')]);

  it.skipIf(!hasTerminal)('has what the server says to a terminal when it starts', async () => {
    const model = join(folder, 'models', 'vgg16-tuned.onnx');
    const serve = `${process.execPath} ${installed.cli} serve ${model} --port 0 --grpc-port 0 --log-level warn`;
    // It ends when the test is over, or else by itself.
    const { stdout } = await run(['script', '-qec', `timeout 5 ${serve}`, '/dev/null'], {
      cwd: folder,
    });
    const [, ...expected] = blocks('')[0]?.trim().split('\n') ?? [];
    const said = stdout.replaceAll(/:\d+/g, ':PORT').split(/\r?\n/);
    expect(said.slice(0, expected.length)).toEqual(
      expected.map((line) => line.replaceAll(/:\d+/g, ':PORT')),
    );
  });

  it.skipIf(!hasCurl)('has calls of curl that are answered', async () => {
    const server = await start();
    const [calls = ''] = blocks('sh');
    const commands = calls
      .replaceAll(/\\\n */g, '')
      .trim()
      .split('\n');
    const printed: unknown[] = [];
    for (const command of commands) {
      const { stdout } = await runWell(['sh', '-c', here(command, server)], { cwd: folder });
      printed.push(JSON.parse(stdout));
    }
    expect(printed).toMatchObject([
      { model_name: 'vgg16-tuned', predictions: [{}, {}, {}] },
      { outputs: [{ name: 'y', data: [2, 3, 4] }] },
    ]);
  });

  it.skipIf(noTriton)(`has a program for tritonclient that runs${noTriton}`, async () => {
    const program = here(blocks('python')[0] ?? '', await start());
    const python = process.env['GRAFT_PYTHON'] ?? 'python3';
    const { stdout } = await runWell([python, '-c', program], { cwd: folder });
    expect(stdout.trim()).toBe('[[2. 3. 4.]]');
  });

  it('has a program for the client that runs', async () => {
    const project = temporaryFolder();
    mkdirSync(join(project, 'node_modules'));
    symlinkSync(installed.folder, join(project, 'node_modules/graft'));
    const photo = `import { readFileSync } from 'node:fs';
const photo = readFileSync(${JSON.stringify(join(folder, 'cat.jpg'))});
`;
    const program = here(blocks('ts')[0] ?? '', await start());
    writeFileSync(join(project, 'program.mjs'), `${photo}${program}console.log(predictions);\n`);
    const { stdout } = await runWell([process.execPath, 'program.mjs'], { cwd: project });
    expect(stdout).toMatch(/Float32Array\(3\) \[ 2, 3, 4 \]/);
    expect(stdout.match(/probability:/g)).toHaveLength(3);
  });
});
