import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspect } from '../../src/inspect/inspect.ts';
import { readModel } from '../../src/onnx/read.ts';
import { temporaryFolder } from '../files.ts';

function saved(name: string, hex: string): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, Buffer.concat([Buffer.from(hex, 'hex'), Buffer.alloc(64)]));
  return path;
}

describe('what is given for a model by mistake', () => {
  it.each([
    ['a JPEG picture', 'ffd8ffe0', 'graft predict MODEL.onnx cat.jpg'],
    ['a PNG picture', '89504e470d0a1a0a', 'The model comes first'],
    ['a GIF picture', '474946383961', 'The model comes first'],
  ])('is said to be %s', (is, hex, hint) => {
    const path = saved('x', hex);
    expect(() => readModel(path)).toThrow(`found ${is}`);
    expect(() => readModel(path)).toThrow(hint);
  });

  it('is said to be no path where it is none', () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what JavaScript may give
    const none = undefined as unknown as string;
    expect(() => readModel(none)).toThrow(/The path of a file is needed, but undefined was given/);
  });

  it('is neither Keras nor ONNX for inspect', async () => {
    const found = inspect(saved('cat.jpg', 'ffd8ffe0'));
    await expect(found).rejects.toThrow(/Keras or ONNX, but found a picture/);
  });
});
