import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { convert } from '../../src/convert/convert.ts';

/** The small VGG of digits 0 to 7 that comes with the package, converted. */
export async function digitsModel(): Promise<string> {
  const output = join(await mkdtemp(join(tmpdir(), 'graft-base-')), 'digits.onnx');
  await convert(fileURLToPath(new URL('../../models/digits_vgg.h5', import.meta.url)), { output });
  return output;
}
