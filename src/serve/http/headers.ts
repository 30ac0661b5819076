import { securityHeaders } from '../security.ts';
import type { HttpApp } from './http.ts';

/** What pages of other origins may read of an answer beside the usual. */
const exposed = 'Inference-Header-Content-Length, X-Request-Id, X-Graft-Code, Retry-After';
/** What they may send. */
const allowedHeaders =
  'Authorization, Content-Type, X-API-Key, X-Request-Id, Inference-Header-Content-Length, Traceparent';
const allowedMethods = 'GET, HEAD, POST';
/** For so long a browser need not ask again. */
const preflightSeconds = 600;

/** What every answer carries, whatever it answers. */
export interface HeaderOptions {
  /** Origins whose pages may call, or `*`; none unless given. */
  readonly cors: readonly string[];
}

/**
 * Security headers on every answer, and CORS for the origins that are allowed.
 *
 * To be called before hooks that refuse: the question whether a page may call (preflight) carries no key.
 */
export function registerHeaders(app: HttpApp, { cors }: HeaderOptions): void {
  const fixed = Object.entries(securityHeaders);
  const isAllowed = (origin: string): boolean => cors.includes('*') || cors.includes(origin);
  app.addHook('onRequest', (request, reply, done) => {
    for (const [name, value] of fixed) void reply.header(name, value);
    if (cors.length > 0) void reply.header('vary', 'Origin');
    const { origin, 'access-control-request-method': method } = request.headers;
    if (origin === undefined || !isAllowed(origin)) {
      done();
      return;
    }
    void reply.header('access-control-allow-origin', cors.includes('*') ? '*' : origin);
    void reply.header('access-control-expose-headers', exposed);
    // Else a page that is isolated from other origins could not read what it was allowed to.
    void reply.header('cross-origin-resource-policy', 'cross-origin');
    if (request.method === 'OPTIONS' && method !== undefined) {
      void reply
        .header('access-control-allow-methods', allowedMethods)
        .header('access-control-allow-headers', allowedHeaders)
        .header('access-control-max-age', String(preflightSeconds))
        .code(204)
        .send();
      return;
    }
    done();
  });
}
