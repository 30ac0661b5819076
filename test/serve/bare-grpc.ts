import { type ClientHttp2Session, connect } from 'node:http2';
import { onTestFinished } from 'vitest';

/** How a call over plain HTTP/2 ended: gRPC's status, or the code of HTTP/2 that its stream was reset with. */
export type End = { readonly status: string } | { readonly reset: number };

/** A connection of HTTP/2 without a gRPC client on it: nothing is tried again. */
export function bareConnection(port: number): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  onTestFinished(() => session.destroy());
  return session;
}

/** A message as gRPC frames it. */
export function frame(message: Uint8Array, isCompressed = false): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(isCompressed ? 1 : 0);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** Sends bytes as the body of a call; gives how it ended. */
export async function bareCall(
  session: ClientHttp2Session,
  method: string,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<End> {
  const stream = session.request({
    ':method': 'POST',
    ':path': method.startsWith('/') ? method : `/inference.GRPCInferenceService/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  let status: unknown;
  for (const event of ['response', 'trailers'] as const) {
    stream.on(event, (said: Readonly<Record<string, unknown>>) => (status ??= said['grpc-status']));
  }
  stream.on('error', () => undefined);
  stream.resume();
  stream.end(body);
  return new Promise((resolve) => {
    stream.on('close', () => {
      resolve(typeof status === 'string' ? { status } : { reset: stream.rstCode });
    });
  });
}
