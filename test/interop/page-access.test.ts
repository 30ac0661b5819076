import { readFileSync } from 'node:fs';
import axe from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { z } from 'zod';
import { apiKeyGate } from '../../src/serve/security.ts';
import { bundledWorker } from '../serve/server.ts';
import { browserMissing, cameraFlags, launchBrowser } from './browser.ts';
import { drop } from './drop.ts';
import { digitFile, servedDigits } from './served-digits.ts';

const found = z.array(z.object({ id: z.string(), nodes: z.array(z.object({ html: z.string() })) }));

/** What axe-core objects to in a page as it is, in a line each. */
async function objections(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const rules = await page.evaluate('axe.run().then(({ violations }) => violations)');
  return found.parse(rules).map(({ id, nodes }) => `${id}: ${nodes[0]?.html ?? ''}`);
}

/** Where screenshots go, for people who look at them. */
const shots = process.env['GRAFT_SCREENSHOTS'];

async function shoot(page: Page, name: string): Promise<void> {
  if (shots === undefined) return;
  await page.screenshot({ path: `${shots}/${name.replaceAll(' ', '-')}.png`, fullPage: true });
}

/** The answer of a server that is in trouble, or given more than it takes. */
async function refused(page: Page, status: number): Promise<void> {
  const json = {
    error:
      status === 413
        ? 'The body is larger than 64 bytes. Send less.'
        : 'Exceeds maximum queue size: 1024 requests are waiting. Send it again a little later.',
  };
  await page.route('**/classify*', async (route) => route.fulfill({ status, json }));
  await drop(page, 'digit.png', readFileSync(await digitFile(3)));
  await page.getByRole('alert').waitFor();
}

describe.skipIf(browserMissing)(`the page${browserMissing}`, { timeout: 120_000 }, () => {
  const workers = bundledWorker();
  const key = 'the-key-of-the-test';
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser(cameraFlags);
  });
  afterAll(async () => browser.close());

  /** Every state that the page can be in, and how it comes there. */
  const states: readonly (readonly [string, (page: Page) => Promise<unknown>])[] = [
    ['at first', async (page) => page.locator('#summary dt').first().waitFor()],
    [
      'with a result',
      async (page) => {
        await page.getByRole('combobox', { name: 'Model' }).selectOption('digits');
        await drop(page, 'digit.png', readFileSync(await digitFile(3)));
        await page.locator('.best').waitFor();
        await page.locator('#summary details summary').first().click();
        await page.locator('.batches li').first().waitFor();
      },
    ],
    [
      'with a file that is no picture',
      async (page) => {
        await drop(page, 'notes.txt', Buffer.from('no picture'));
        await page.getByRole('alert').waitFor();
      },
    ],
    ['with a picture that is too large', async (page) => refused(page, 413)],
    ['with a server that is busy', async (page) => refused(page, 503)],
    [
      'with a server that is gone',
      async (page) => {
        await page.route('**/*', async (route) => route.abort());
        await drop(page, 'digit.png', readFileSync(await digitFile(3)));
        await page.getByRole('alert').waitFor();
        await page.locator('#state[data-state="away"]').waitFor();
      },
    ],
    [
      'with a model that takes numbers',
      async (page) => {
        await page.getByRole('combobox', { name: 'Model' }).selectOption('add');
        await page.getByRole('button', { name: 'Send' }).click();
        await page.locator('.values').waitFor();
      },
    ],
    [
      'with the camera',
      async (page) => {
        await page.getByRole('button', { name: 'Use the camera' }).click();
        await page.locator('#shoot:enabled').waitFor();
      },
    ],
    [
      'with a camera that is denied',
      async (page) => {
        await page.evaluate(`navigator.mediaDevices.getUserMedia = () =>
          Promise.reject(new DOMException('no', 'NotAllowedError'))`);
        await page.getByRole('button', { name: 'Use the camera' }).click();
        await page.locator('#camera-fault:not([hidden])').waitFor();
      },
    ],
  ];

  async function look(url: string, options: BrowserContextOptions): Promise<Page> {
    const page = await browser.newPage({ ...options, reducedMotion: 'reduce' });
    onTestFinished(() => page.close());
    await page.goto(url);
    return page;
  }

  const looks = [
    ['wide and light', { viewport: { width: 1280, height: 900 }, colorScheme: 'light' }],
    ['narrow and dark', { viewport: { width: 360, height: 740 }, colorScheme: 'dark' }],
  ] as const;

  it.each(looks)('gives axe-core nothing to object to in any state, %s', async (name, options) => {
    const url = await servedDigits({ workers });
    const all: string[] = [];
    for (const [state, come] of states) {
      const page = await look(url, options);
      await page.locator('#state[data-state="ready"]').waitFor();
      await come(page);
      all.push(...(await objections(page)).map((one) => `${state}: ${one}`));
      const width: unknown = await page.evaluate('document.documentElement.scrollWidth');
      if (width !== options.viewport.width) all.push(`${state}: it is ${String(width)} wide`);
      await shoot(page, `${name} ${state}`);
      await page.close();
    }
    expect(all).toEqual([]);
  });

  it.each(looks)('nor where it asks for a key, %s', async (name, options) => {
    const page = await look(await servedDigits({ workers, gates: [apiKeyGate([key])] }), options);
    await page.getByLabel('API key').waitFor();
    expect(await objections(page)).toEqual([]);
    await shoot(page, `${name} locked`);
  });
});
