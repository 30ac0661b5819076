import type { Socket } from 'node:net';
import type { RefusalEvent } from '../request/events.ts';
import { unansweredOf } from './turns.ts';

/**
 * Answers bytes that are no HTTP, and clients that are too slow, and tells of them.
 *
 * Fastify never sees these: there is no request yet, so no path and no id either.
 */
export function answerClientError(
  fault: { readonly code?: string },
  socket: Socket,
  tell: ((event: RefusalEvent) => void) | undefined,
): void {
  if (fault.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const isSlow = fault.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  // A pool opened it in advance: an answer without a question could be taken for the one to a question that has just
  // been sent, while a connection that ends without a word is one that clients replace.
  if (isSlow && socket.bytesRead === 0) {
    socket.end();
    return;
  }
  const isLong = fault.code === 'HPE_HEADER_OVERFLOW';
  const slow = isSlow ? '408 Request Timeout' : '400 Bad Request';
  const status = isLong ? '431 Request Header Fields Too Large' : slow;
  // A request whose body breaks off is told of as that request.
  if (unansweredOf(socket) === 0) {
    tell?.({
      door: 'http',
      code: isSlow ? 'REQUEST_TIMEOUT' : isLong ? 'REQUEST_TOO_LARGE' : 'REQUEST_INVALID',
      status: Number(status.slice(0, 3)),
      path: '',
    });
  }
  const body = JSON.stringify({ error: status.slice(4) });
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
  );
}
