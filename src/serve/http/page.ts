import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pageHeaders } from '../security.ts';
import type { HttpApp } from './http.ts';

/** The page's files: each by the path it is asked for. They lie beside this code, in the checkout and in the package. */
const files = {
  '/': { file: 'index.html', type: 'text/html; charset=utf-8' },
  '/page/page.css': { file: 'page.css', type: 'text/css; charset=utf-8' },
  '/page/page.mjs': { file: 'page.mjs', type: 'text/javascript; charset=utf-8' },
  '/page/server.mjs': { file: 'server.mjs', type: 'text/javascript; charset=utf-8' },
  '/page/picture.mjs': { file: 'picture.mjs', type: 'text/javascript; charset=utf-8' },
  '/page/camera.mjs': { file: 'camera.mjs', type: 'text/javascript; charset=utf-8' },
  '/page/results.mjs': { file: 'results.mjs', type: 'text/javascript; charset=utf-8' },
  '/page/model.mjs': { file: 'model.mjs', type: 'text/javascript; charset=utf-8' },
  '/page/tensors.mjs': { file: 'tensors.mjs', type: 'text/javascript; charset=utf-8' },
  '/page/live.mjs': { file: 'live.mjs', type: 'text/javascript; charset=utf-8' },
  '/page/elements.mjs': { file: 'elements.mjs', type: 'text/javascript; charset=utf-8' },
  '/page/icon.svg': { file: 'icon.svg', type: 'image/svg+xml' },
} as const;

/**
 * The page at `/`, for trying a model with a picture: read into memory once, a few tens of kilobytes.
 *
 * It asks nothing but this server, so it works where there is no network.
 */
export function registerPage(app: HttpApp): void {
  for (const [path, { file, type }] of Object.entries(files)) {
    const content = readFileSync(new URL(`./page/${file}`, import.meta.url));
    const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 16)}"`;
    app.get(path, (request, reply) => {
      void reply.headers({ ...pageHeaders, etag, 'cache-control': 'no-cache' });
      if (request.headers['if-none-match'] === etag) return reply.code(304).send();
      return reply.type(type).send(content);
    });
  }
}
