import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { temporaryFolder } from '../files.ts';
import { addition, at, colours } from '../serve/models.ts';
import { says } from '../serve/says.ts';
import { bundledWorker, startServer } from '../serve/server.ts';
import { pythonMissing, runPython, scriptPath } from './python.ts';

const missing = pythonMissing(['numpy', 'tritonclient', 'kserve', 'grpc', 'geventhttpclient']);
const workers = bundledWorker();

describe.skipIf(missing)(`clients of other servers${missing}`, { timeout: 120_000 }, () => {
  it('tritonclient and kserve, over HTTP and gRPC, are answered as by their own', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    await colours(at(folder, 'colours'));
    const picture = join(folder, 'blue.png');
    const create = {
      width: 20,
      height: 20,
      channels: 3 as const,
      background: { r: 0, g: 51, b: 255 },
    };
    await sharp({ create }).png().toFile(picture);
    const { port, grpcPort = 0 } = await startServer({ models: [folder], workers, grpcPort: 0 });
    const ports = [String(port), String(grpcPort)];
    const y = [
      [2, 3, 4],
      [5, 6, 7],
    ];
    const triton = {
      server: 'graft',
      versions: ['1'],
      max_batch_size: 32,
      y,
      classes: ['4.000000:2', '7.000000:2'],
      colours: [0, 0.2, 1],
      refusal: says("missing required input(s) ['x']"),
      inferences: 4,
      models: ['add', 'colours', 'colours_image'],
    };
    expect(await answers('ask_triton.py', [...ports, picture])).toEqual({
      'tritonclient.http': triton,
      compressed: y,
      'tritonclient.grpc': triton,
    });
    expect(await answers('ask_kserve.py', ports)).toEqual({
      'kserve REST': [y, y],
      'kserve gRPC': y,
    });
  });
});

/** What a script of this folder printed: the last line, for libraries may print before it. */
async function answers(script: string, args: string[]): Promise<Record<string, unknown>> {
  const printed = await runPython(scriptPath(script), { args });
  const last = printed.trim().split('\n').at(-1) ?? '';
  return z.record(z.string(), z.unknown()).parse(JSON.parse(last));
}
