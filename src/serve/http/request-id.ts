import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** What a client may call its request: it is answered, and written to the log. */
const longestId = 128;

/** Gives each request the id that its client sent as X-Request-Id, or one that no other server or start gives. */
export function requestIds(): (request: { readonly headers: IncomingHttpHeaders }) => string {
  const prefix = randomBytes(6).toString('base64url');
  let count = 0;
  return ({ headers }) => {
    const own = headers['x-request-id'];
    if (typeof own === 'string' && own !== '' && own.length <= longestId) return own;
    count += 1;
    return `${prefix}-${count.toString(36)}`;
  };
}
