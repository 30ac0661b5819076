import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { basename, dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Browser, chromium } from 'playwright-core';

/** Where a browser is looked for: GRAFT_CHROMIUM, else Debian's package `chromium`. */
const executable = process.env['GRAFT_CHROMIUM'] ?? '/usr/bin/chromium';

/** What a title says when there is no browser; empty when there is one. */
export const browserMissing = existsSync(executable)
  ? ''
  : ` (skipped: no Chromium at ${executable}; apt-get install chromium, or set GRAFT_CHROMIUM)`;

type BrowserProvider = 'wasm' | 'webgpu';

const quiet = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** SwiftShader is Chromium's own Vulkan on the CPU, so WebGPU runs where there is no GPU. */
const flags: Readonly<Record<BrowserProvider, readonly string[]>> = {
  wasm: [...quiet, '--disable-gpu'],
  webgpu: [
    ...quiet,
    '--enable-unsafe-webgpu',
    '--use-webgpu-adapter=swiftshader',
    '--enable-features=Vulkan',
    '--use-vulkan=swiftshader',
    '--use-angle=swiftshader',
  ],
};

/** A camera that shows a moving figure, and is allowed to. */
export const cameraFlags = [
  ...flags.wasm,
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
];

interface Job {
  readonly model: Uint8Array;
  /** The model's one input. */
  readonly feed: Float32Array;
  readonly shape: readonly number[];
  readonly provider: BrowserProvider;
}

/** Starts the browser; whoever did closes it. */
export async function launchBrowser(args: readonly string[] = flags.wasm): Promise<Browser> {
  return chromium.launch({ executablePath: executable, headless: true, args: [...args] });
}

/** Runs a model with onnxruntime-web in a real browser; the first output's numbers. Nothing leaves this machine. */
export async function runInBrowser(job: Job): Promise<readonly number[]> {
  const { server, origin } = await serve(job);
  const browser = await launchBrowser(flags[job.provider]);
  try {
    const page = await browser.newPage();
    const query = `provider=${job.provider}&shape=${job.shape.join(',')}`;
    await page.goto(`${origin}/?${query}`);
    return numbersOf(await page.evaluate('window.answer'));
  } finally {
    await browser.close();
    server.close();
  }
}

function numbersOf(answer: unknown): readonly number[] {
  if (typeof answer !== 'object' || answer === null) throw new Error('The page gave no answer');
  if ('fault' in answer) throw new Error(`In the browser: ${String(answer.fault)}`);
  if ('numbers' in answer && Array.isArray(answer.numbers)) return answer.numbers.map(Number);
  throw new Error('The page gave no numbers');
}

const here = dirname(fileURLToPath(import.meta.url));
const ort = dirname(createRequire(import.meta.url).resolve('onnxruntime-web'));

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

async function serve(job: Job): Promise<{ readonly server: Server; readonly origin: string }> {
  const content = async (path: string): Promise<Uint8Array> => {
    if (path === '/') return readFile(join(here, 'page.html'));
    if (path === '/model.onnx') return job.model;
    if (path === '/feed.bin') return new Uint8Array(job.feed.slice().buffer);
    return readFile(join(ort, basename(path)));
  };
  const answer = async (path: string, response: ServerResponse): Promise<void> => {
    try {
      const bytes = await content(path);
      const kind = path === '/' ? '.html' : extname(path);
      response.setHeader('content-type', types[kind] ?? 'application/octet-stream');
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  };
  const server = createServer((request, response) => {
    void answer(new URL(request.url ?? '/', 'http://localhost').pathname, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The server has no port');
  return { server, origin: `http://127.0.0.1:${address.port}` };
}
