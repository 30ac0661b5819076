import sharp from 'sharp';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Leaving } from '../../src/serve/request/leaving.ts';
import { Pictures } from '../../src/serve/running/pictures.ts';
import { tinyPictures } from '../../src/serve/running/tiny-pictures.ts';
import { Workers } from '../../src/serve/running/workers.ts';
import { serve } from '../../src/serve/serve.ts';
import { temporaryFolder } from '../files.ts';
import { plain } from '../runtime/models.ts';
import { at, colours } from './models.ts';
import { bundledWorker } from './server.ts';

const workers = bundledWorker();

it('a model that takes pictures is not ready before its decoders are', {
  timeout: 30_000,
}, async () => {
  const folder = temporaryFolder();
  await colours(at(folder, 'colours'));
  const warm = vi.spyOn(Pictures.prototype, 'warm');
  const gate = new Leaving();
  warm.mockReturnValue(new Promise((resolve) => gate.whenLeft(resolve)));
  onTestFinished(() => warm.mockRestore());
  const options = { models: [folder], workers, port: 0, grpcPort: false, pollMs: 0 } as const;
  const server = await serve(options, { version: '0' });
  onTestFinished(() => server.close());
  await expect.poll(() => warm.mock.calls.length, { timeout: 20_000 }).toBe(1);
  expect(server.context.isReady()).toBe(false);
  gate.leave();
  await server.loaded;
  expect(server.context.isReady()).toBe(true);
});

it.each(['nearest', 'bilinear'] as const)(
  'the first picture finds the worker that decodes it started: %s',
  { timeout: 30_000 },
  async (resize) => {
    const threads = new Workers(workers);
    const pictures = new Pictures(threads, { maxPixels: 100, maxWaiting: 10 });
    onTestFinished(async () => {
      pictures.close();
      await threads.close();
    });
    const take = vi.spyOn(threads, 'take');
    const preprocess = { ...plain([4, 4]), resize };
    await pictures.warm(preprocess);
    expect(take).toHaveBeenCalledTimes(1);
    for (const picture of tinyPictures) {
      expect(await pictures.row(picture, preprocess, undefined)).toHaveLength(4 * 4 * 3);
    }
    expect(take).toHaveBeenCalledTimes(1);
  },
);

it('the pictures it is done with are whole', async () => {
  const formats = tinyPictures.map(async (picture) => (await sharp(picture).stats()).isOpaque);
  expect(await Promise.all(formats)).toHaveLength(3);
});
