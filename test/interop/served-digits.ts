import { join } from 'node:path';
import sharp from 'sharp';
import { registerHeaders } from '../../src/serve/http/headers.ts';
import { registerOpenapi } from '../../src/serve/http/openapi/document.ts';
import { registerPage } from '../../src/serve/http/page.ts';
import { registerMetrics } from '../../src/serve/observe/metrics.ts';
import { originGate } from '../../src/serve/security.ts';
import type { ServeOptions } from '../../src/serve/serve.ts';
import { temporaryFolder } from '../files.ts';
import { addition, at, colours } from '../serve/models.ts';
import { startServer } from '../serve/server.ts';
import { convertedDigits, digits } from './digits.ts';

/** A server as the command line starts it, with the digits, a model that tells colours, and one that adds. */
export async function servedDigits(
  options: Pick<ServeOptions, 'workers' | 'gates'>,
  cors: readonly string[] = [],
): Promise<string> {
  const folder = temporaryFolder();
  await convertedDigits(folder);
  await colours(at(folder, 'colours'));
  await addition(at(folder, 'add'));
  const { url } = await startServer({
    models: [folder],
    ...options,
    httpGates: [originGate(cors)],
    prepare: (app) => registerHeaders(app, { cors }),
    register(app, context) {
      registerMetrics(app, context);
      registerOpenapi(app, { version: '0' });
      registerPage(app);
    },
  });
  return url;
}

/** The class that the real Keras gave a picture of the digits, the best of eight. */
export function expectedDigit(picture: number): number {
  const row = Array.from(digits.expected().data.slice(picture * 8, (picture + 1) * 8), Number);
  return row.indexOf(Math.max(...row));
}

/** A picture of the digits as a file; the path. */
export async function digitFile(picture: number): Promise<string> {
  const { data } = digits.input();
  const area = 32 * 32;
  const rgb = Uint8Array.from(
    { length: 3 * area },
    (_, i) => data[picture * 3 * area + (i % 3) * area + Math.floor(i / 3)] ?? 0,
  );
  const path = join(temporaryFolder(), 'digit.png');
  await sharp(rgb, { raw: { width: 32, height: 32, channels: 3 } })
    .png()
    .toFile(path);
  return path;
}
