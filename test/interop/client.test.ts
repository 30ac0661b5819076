import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it, onTestFinished } from 'vitest';
import { fakeServer } from '../client/fake-server.ts';
import { bundledWorker } from '../serve/server.ts';
import { expectClose } from '../tolerance.ts';
import { browserMissing, launchBrowser } from './browser.ts';
import { digits } from './digits.ts';
import { digitFile, expectedDigit, servedDigits } from './served-digits.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** The client as a bundler makes it for a page; fails where it needs anything of Node. */
async function bundled(): Promise<{ readonly code: string; readonly inputs: readonly string[] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(root, 'src/client/index.ts')],
    absWorkingDir: root,
    bundle: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'graft',
    write: false,
    metafile: true,
  });
  return { code: outputFiles[0]?.text ?? '', inputs: Object.keys(metafile.inputs) };
}

describe('the bundled client', () => {
  it('is made of its own room and the errors, and needs nothing of Node', async () => {
    const { code, inputs } = await bundled();
    expect(inputs.filter((file) => !/^src\/(client\/|errors\.ts$)/.test(file))).toEqual([]);
    expect(code).not.toMatch(/node:|require\(|process\./);
  });
});

describe.skipIf(browserMissing)(
  `the client in a browser${browserMissing}`,
  { timeout: 60_000 },
  () => {
    const workers = bundledWorker();

    it('classifies and infers from a page of another origin that is allowed', async () => {
      const { code } = await bundled();
      const host = await fakeServer(({ url }) =>
        url === '/client.js'
          ? { headers: { 'content-type': 'text/javascript' }, body: code }
          : {
              headers: { 'content-type': 'text/html' },
              body: '<script src="/client.js"></script>',
            },
      );
      onTestFinished(() => host.close());
      const url = await servedDigits({ workers }, [host.origin]);
      const browser = await launchBrowser();
      onTestFinished(() => browser.close());
      const page = await browser.newPage();
      await page.goto(host.origin);

      const image = readFileSync(await digitFile(4)).toString('base64');
      const best: unknown = await page.evaluate(`(async () => {
        const client = new graft.GraftClient(${JSON.stringify(url)}, { timeoutMs: 20000 });
        const bytes = Uint8Array.from(atob('${image}'), (letter) => letter.charCodeAt(0));
        const { predictions } = await client.classify('digits', new Blob([bytes]), { top: 1 });
        return predictions[0].index;
      })()`);
      expect(best).toBe(expectedDigit(4));

      const { shape, data } = digits.input();
      const numbers: unknown = await page.evaluate(`(async () => {
        const client = new graft.GraftClient(${JSON.stringify(url)});
        const { inputs, outputs } = await client.modelMetadata('digits');
        const data = Float32Array.from(${JSON.stringify(Array.from(data, Number))});
        const input = { shape: ${JSON.stringify(shape)}, data };
        const result = await client.infer('digits', { inputs: { [inputs[0].name]: input } });
        return Array.from(result.outputs[outputs[0].name].data);
      })()`);
      expectClose(Array.isArray(numbers) ? numbers.map(Number) : [], digits.expected().data);

      const refusal: unknown = await page.evaluate(`(async () => {
        const client = new graft.GraftClient(${JSON.stringify(url)});
        const failure = await client.modelMetadata('none').catch((error) => error);
        return [failure instanceof graft.ServerError, failure.code, failure.exchange.status];
      })()`);
      expect(refusal).toEqual([true, 'MODEL_UNKNOWN', 404]);
    });

    it('cannot be used from an origin that is not allowed', async () => {
      const { code } = await bundled();
      const host = await fakeServer(() => ({
        headers: { 'content-type': 'text/html' },
        body: '<!doctype html>',
      }));
      onTestFinished(() => host.close());
      const url = await servedDigits({ workers });
      const browser = await launchBrowser();
      onTestFinished(() => browser.close());
      const page = await browser.newPage();
      await page.goto(host.origin);
      await page.addScriptTag({ content: code });
      const failure: unknown = await page.evaluate(`(async () => {
        const client = new graft.GraftClient(${JSON.stringify(url)});
        return client.unload('digits').catch((error) => error.code);
      })()`);
      expect(failure).toBe('SERVER_UNREACHABLE');
      // Not even without looking at the answer.
      const unload = `${url}/v2/repository/models/digits/unload`;
      await page.evaluate(
        `fetch(${JSON.stringify(unload)}, { method: 'POST', mode: 'no-cors' }).catch(() => undefined)`,
      );
      expect((await fetch(`${url}/v2/models/digits/ready`)).status).toBe(200);
    });
  },
);
