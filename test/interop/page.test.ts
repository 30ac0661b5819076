import { readFileSync } from 'node:fs';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { apiKeyGate } from '../../src/serve/security.ts';
import { bundledWorker } from '../serve/server.ts';
import { browserMissing, cameraFlags, launchBrowser } from './browser.ts';
import { drop } from './drop.ts';
import { digitFile, expectedDigit, servedDigits } from './served-digits.ts';

/** A page, and what went on in it that should not have. */
interface Opened {
  readonly page: Page;
  /** Errors of scripts and of the security policy; answers that are no success are the test's own affair. */
  readonly faults: readonly string[];
  /** Requests to other places than the server. */
  readonly outside: readonly string[];
}

describe.skipIf(browserMissing)(`the page${browserMissing}`, { timeout: 60_000 }, () => {
  const workers = bundledWorker();
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser(cameraFlags);
  });
  afterAll(async () => browser.close());

  async function open(url: string, options: BrowserContextOptions = {}): Promise<Opened> {
    const page = await browser.newPage(options);
    onTestFinished(() => page.close());
    const [faults, outside]: [string[], string[]] = [[], []];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => {
      const isAnswer = message.text().startsWith('Failed to load resource');
      if (message.type() === 'error' && !isAnswer) faults.push(message.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(url) && !/^(blob|data):/.test(request.url())) {
        outside.push(request.url());
      }
    });
    await page.goto(url);
    await page.locator('#state[data-state="ready"]').waitFor();
    return { page, faults, outside };
  }

  it('says what Keras said of a picture that is dropped, and asks no one else', async () => {
    const { page, faults, outside } = await open(await servedDigits({ workers }));
    await page.getByRole('combobox', { name: 'Model' }).selectOption('digits');
    await drop(page, 'digit.png', readFileSync(await digitFile(3)));
    const best = page.locator('.best');
    await best.waitFor();
    expect(await best.locator('span').first().textContent()).toBe(labelOf(expectedDigit(3)));
    expect(await page.locator('.bars li').count()).toBe(5);
    expect(await page.getByRole('img', { name: 'Your photo, digit.png' }).isVisible()).toBe(true);
    expect(await page.locator('.timing').textContent()).toMatch(
      /ms in the server \(queue [\d.]+\sms,/,
    );
    // What a screen reader says.
    expect(await page.locator('#spoken').textContent()).toMatch(/^.+, [\d.]+%\.$/);
    expect(faults).toEqual([]);
    expect(outside).toEqual([]);
  });

  it('takes a picture that is pasted', async () => {
    const { page, faults } = await open(await servedDigits({ workers }));
    await page.getByRole('combobox', { name: 'Model' }).selectOption('digits');
    const base64 = JSON.stringify(readFileSync(await digitFile(4)).toString('base64'));
    await page.evaluate(`(() => {
      const bytes = Uint8Array.from(atob(${base64}), (letter) => letter.charCodeAt(0));
      const clipboardData = new DataTransfer();
      clipboardData.items.add(new File([bytes], 'image.png', { type: 'image/png' }));
      document.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true }));
    })()`);
    await page.locator('.best', { hasText: labelOf(expectedDigit(4)) }).waitFor();
    expect(faults).toEqual([]);
  });

  it('shows why a file cannot be read, and goes on with the next', async () => {
    const { page, faults } = await open(await servedDigits({ workers }));
    await drop(page, 'notes.txt', Buffer.from('no picture'));
    const alert = page.getByRole('alert');
    await alert.waitFor();
    expect(await alert.textContent()).toMatch(/^This did not work.*(image|picture)/i);
    await drop(page, 'digit.png', readFileSync(await digitFile(0)));
    await page.locator('.best').waitFor();
    expect(await alert.count()).toBe(0);
    expect(faults).toEqual([]);
  });

  it('can be used by keyboard alone', async () => {
    const { page } = await open(await servedDigits({ workers }));
    const path = await digitFile(1);
    page.on('filechooser', (chooser) => void chooser.setFiles(path));
    const focused = async (): Promise<unknown> =>
      page.evaluate('document.activeElement.id || document.activeElement.className');
    const visited: unknown[] = [];
    for (let i = 0; i < 4; i++) {
      await page.keyboard.press('Tab');
      visited.push(await focused());
    }
    expect(visited).toEqual(['skip', 'model', 'picture', 'camera']);
    await page.keyboard.press('Shift+Tab');
    await page.keyboard.press('Enter');
    await page.locator('.best').waitFor();
    // The camera's dialog takes the focus, and gives it back.
    await page.locator('#camera').focus();
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Camera' }).waitFor();
    await page.keyboard.press('Escape');
    expect(await focused()).toBe('camera');
  });

  it('asks the other model about the same picture when the model is switched', async () => {
    const { page } = await open(await servedDigits({ workers }));
    await page.getByRole('combobox', { name: 'Model' }).selectOption('digits');
    await drop(page, 'digit.png', readFileSync(await digitFile(2)));
    await page.locator('.best', { hasText: labelOf(expectedDigit(2)) }).waitFor();
    await page.getByRole('combobox', { name: 'Model' }).selectOption('colours');
    await page.locator('.best', { hasText: /red|green|blue/ }).waitFor();
    const summary = page.locator('#summary');
    await summary.getByText('8 × 8', { exact: false }).first().waitFor();
    expect(await summary.textContent()).toMatch(/Name\s*colours, version 1/);
    expect(await summary.textContent()).toMatch(/Classes\s*3/);
  });

  it('begins with a model that takes pictures, and says of one that does not', async () => {
    const { page } = await open(await servedDigits({ workers }));
    const model = page.getByRole('combobox', { name: 'Model' });
    await page.getByText('The best classes of your photo will stand here.').waitFor();
    expect(await model.inputValue()).toBe('colours');
    await model.selectOption('add');
    await page.getByText('This model takes no pictures').waitFor();
    await page.getByText('1 node, opset 17').waitFor();
    expect(await page.locator('#drop').isVisible()).toBe(false);
    await model.selectOption('digits');
    await page.getByText('The best classes of your photo will stand here.').waitFor();
  });

  it('says how to ask a model that takes no pictures, and asks it', async () => {
    const url = await servedDigits({ workers });
    const { page, faults } = await open(url);
    await page.getByRole('combobox', { name: 'Model' }).selectOption('add');
    const asked = page.locator('#tensors-asked');
    await asked.getByText('x FP32 any × 3').waitFor();
    const line = await asked.locator('pre').textContent();
    expect(line?.replaceAll(/\s+/g, ' ')).toContain(`curl ${url}/v2/models/add/infer`);
    const request = page.getByRole('textbox', { name: 'Request' });
    await request.fill(
      '{"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}]}',
    );
    expect(await asked.locator('pre').textContent()).toContain('"data": [1, 2, 3]');
    await page.getByRole('button', { name: 'Send' }).press('Enter');
    await page.locator('.values', { hasText: /^2, 3, 4$/ }).waitFor();
    await request.fill('{"inputs": []}');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('alert').getByText("missing required input(s) ['x']").waitFor();
    await page.getByRole('combobox', { name: 'Model' }).selectOption('digits');
    await page.locator('#drop').waitFor();
    expect(faults).toEqual([]);
  });

  it('takes a photo with the camera', async () => {
    const { page, faults } = await open(await servedDigits({ workers }));
    await page.getByRole('combobox', { name: 'Model' }).selectOption('colours');
    await page.getByRole('button', { name: 'Use the camera' }).click();
    await page.locator('#shoot:enabled').click();
    // Chromium's test picture is green.
    await page.locator('.best', { hasText: 'green' }).waitFor();
    expect(faults).toEqual([]);
  });

  it('counts along', async () => {
    const { page } = await open(await servedDigits({ workers }));
    await drop(page, 'digit.png', readFileSync(await digitFile(0)));
    const live = page.locator('#live');
    await live.getByText('Answered').waitFor();
    await live.locator('dd', { hasText: /^1$/ }).first().waitFor();
    await live.getByRole('listitem', { name: '1 run of 1' }).waitFor();
    expect(await live.textContent()).toMatch(/Median latency\s*[\d.]+\sms/);
  });

  it('asks for the key where the server wants one', async () => {
    const url = await servedDigits({ workers, gates: [apiKeyGate(['the-key-of-the-test'])] });
    const page = await browser.newPage();
    onTestFinished(() => page.close());
    await page.goto(url);
    await page.getByLabel('API key').fill('a-wrong-key');
    await page.keyboard.press('Enter');
    await page.getByLabel('API key').fill('the-key-of-the-test');
    await page.keyboard.press('Enter');
    await page.locator('#state[data-state="ready"]').waitFor();
    await drop(page, 'digit.png', readFileSync(await digitFile(0)));
    await page.locator('.best').waitFor();
  });

  it.each([320, 390, 768, 1280])('fits a window of %i pixels', async (width) => {
    const viewport = { width, height: 800 };
    const { page } = await open(await servedDigits({ workers }), { viewport });
    await drop(page, 'digit.png', readFileSync(await digitFile(0)));
    await page.locator('.best').waitFor();
    await page.locator('#summary details').first().waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
  });

  it('names everything that can be operated', async () => {
    const { page } = await open(await servedDigits({ workers }));
    const tree = await page.locator('body').ariaSnapshot();
    expect(tree).toMatch(/- combobox "Model"/);
    expect(tree).toMatch(/- button "Choose a photo|- button "Drop a photo here, or choose one/);
    for (const region of ['Picture', 'What it shows', 'Live', 'Model']) {
      expect(tree).toContain(`- region "${region}"`);
    }
    expect(tree).not.toMatch(/- (button|textbox|combobox|link)(:|$)/m);
  });
});

/** The name that the model without class names gives one of them. */
function labelOf(digit: number): string {
  return String(digit);
}
