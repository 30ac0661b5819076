import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { HttpApp } from '../../src/serve/http/http.ts';
import { registerPage } from '../../src/serve/http/page.ts';
import { bareApp } from './fake-context.ts';

const folder = fileURLToPath(new URL('../../src/serve/page/', import.meta.url));
const apps: HttpApp[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

function pageApp(): HttpApp {
  const app = bareApp();
  apps.push(app);
  registerPage(app);
  return app;
}

describe('the page', () => {
  it.each(readdirSync(folder))('has its file %s, as it lies on disk', async (file) => {
    const reply = await pageApp().inject(file === 'index.html' ? '/' : `/page/${file}`);
    expect(reply.statusCode).toBe(200);
    expect(reply.body).toBe(readFileSync(folder + file, 'utf8'));
  });

  it('runs only its own scripts, and talks to its own server only', async () => {
    const policy = (await pageApp().inject('/')).headers['content-security-policy'];
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("connect-src 'self'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
  });

  it('is not sent again when it has not changed', async () => {
    const app = pageApp();
    const { etag } = (await app.inject('/page/page.css')).headers;
    const again = await app.inject({
      url: '/page/page.css',
      headers: { 'if-none-match': String(etag) },
    });
    expect(again.statusCode).toBe(304);
    expect(again.body).toBe('');
  });

  it('gives out nothing else', async () => {
    for (const url of ['/page/', '/page/../page.ts', '/page/%2e%2e/page.ts', '/page/none.mjs']) {
      expect((await pageApp().inject(url)).statusCode).toBe(404);
    }
  });

  it('names no address outside', () => {
    const outside = readdirSync(folder).filter((file) =>
      /https?:\/\/(?!www\.w3\.org\/2000\/svg)/.test(readFileSync(folder + file, 'utf8')),
    );
    expect(outside).toEqual([]);
  });
});

describe.each(['light', 'dark'] as const)('the colours in the %s', (theme) => {
  const colors = colorsOf(theme);

  it.each([
    ['ink', 'card'],
    ['ink', 'ground'],
    ['ink', 'fault-tint'],
    ['soft', 'card'],
    ['soft', 'ground'],
    ['accent', 'card'],
    ['accent', 'ground'],
    ['accent-ink', 'accent'],
    ['fault', 'fault-tint'],
  ])('can be told apart as text by WCAG AA: %s on %s', (text, ground) => {
    expect(contrast(colors.get(text), colors.get(ground))).toBeGreaterThanOrEqual(4.5);
  });

  it.each([
    ['edge', 'card'],
    ['accent', 'track'],
  ])('can be told apart as a boundary: %s on %s', (line, ground) => {
    expect(contrast(colors.get(line), colors.get(ground))).toBeGreaterThanOrEqual(3);
  });
});

/** The colours of a theme, by name: the second list in the file is the dark one. */
function colorsOf(theme: 'light' | 'dark'): ReadonlyMap<string, string> {
  const lists = readFileSync(`${folder}page.css`, 'utf8').match(/:root \{[^}]*\}/g) ?? [];
  const list = lists[theme === 'light' ? 0 : 1] ?? '';
  return new Map(
    [...list.matchAll(/--([a-z-]+): (#[0-9a-f]{6});/g)].map(([, name = '', color = '']) => [
      name,
      color,
    ]),
  );
}

/** WCAG 2.2, "contrast ratio". */
function contrast(one = '', other = ''): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].toSorted((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/** WCAG 2.2, "relative luminance". */
function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(color.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
