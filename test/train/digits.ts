import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { encodePng } from '../../src/runtime/image.ts';

const side = 28;
const require = createRequire(import.meta.url);

/** White digits on black, 28×28 in the middle of 32×32, as the small VGG was trained on; a fifth goes to `valid`. */
export async function writeDigits(
  digits: readonly number[],
  most = Number.POSITIVE_INFINITY,
): Promise<{ readonly root: string; readonly train: string; readonly valid: string }> {
  const root = await mkdtemp(join(tmpdir(), 'graft-digits-'));
  const [train, valid] = [join(root, 'train'), join(root, 'valid')];
  for (const digit of digits) {
    await mkdir(join(train, String(digit)), { recursive: true });
    await mkdir(join(valid, String(digit)), { recursive: true });
    const pictures = readDigits(digit);
    const count = Math.min(most, pictures.length / (side * side));
    await Promise.all(
      Array.from({ length: count }, async (_, i) => {
        const folder = i % 5 === 0 ? valid : train;
        const name = `${String(i).padStart(4, '0')}.png`;
        await writeFile(join(folder, String(digit), name), await picture(pictures, i));
      }),
    );
  }
  return { root, train, valid };
}

/** Greys of 0 to 1, picture after picture. */
function readDigits(digit: number): readonly number[] {
  const path = require.resolve(`mnist/src/digits/${digit}.json`);
  const json: unknown = JSON.parse(readFileSync(path, 'utf8'));
  return z.object({ data: z.array(z.number()) }).parse(json).data;
}

async function picture(pictures: readonly number[], index: number): Promise<Uint8Array> {
  const data = new Uint8Array(32 * 32 * 3);
  for (let i = 0; i < side * side; i++) {
    const at = (2 + Math.floor(i / side)) * 32 + 2 + (i % side);
    const grey = Math.round((pictures[index * side * side + i] ?? 0) * 255);
    data.fill(grey, at * 3, at * 3 + 3);
  }
  return encodePng({ width: 32, height: 32, channels: 3, data });
}
