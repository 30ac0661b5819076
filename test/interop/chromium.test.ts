import { readFile } from 'node:fs/promises';
import { describe, it } from 'vitest';
import { temporaryFolder } from '../files.ts';
import { expectClose } from '../tolerance.ts';
import { browserMissing, runInBrowser } from './browser.ts';
import { convertedDigits, digits, retrainedDigits, runDigits } from './digits.ts';

describe.skipIf(browserMissing)(`in a browser${browserMissing}`, { timeout: 120_000 }, () => {
  describe.each(['wasm', 'webgpu'] as const)('on %s', (provider) => {
    const { shape, data: feed } = digits.input();

    it('a converted model says what Keras said', async () => {
      const model = await readFile(await convertedDigits(temporaryFolder()));
      expectClose(await runInBrowser({ model, feed, shape, provider }), digits.expected().data);
    });

    it('a model with a new head says what it says in Node', async () => {
      const path = await retrainedDigits(temporaryFolder());
      const model = await readFile(path);
      expectClose(await runInBrowser({ model, feed, shape, provider }), await runDigits(path));
    });
  });
});
