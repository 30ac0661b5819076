import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';

/** One request as the server saw it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What the server is to answer. */
export interface Reply {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Sends the head and never ends. */
  readonly hangs?: boolean;
}

/** A server of a few lines that answers as it is told, byte for byte. */
export interface FakeServer {
  readonly origin: string;
  readonly seen: Seen[];
  close(): void;
}

/** Starts it on a free port of this machine. */
export async function fakeServer(reply: (seen: Seen) => Reply): Promise<FakeServer> {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const call = { method, url, headers, body: Buffer.concat(parts) };
      seen.push(call);
      const { status = 200, headers: own = {}, body = '', hangs = false } = reply(call);
      response.writeHead(status, own);
      if (hangs) response.write(body);
      else response.end(body);
    });
  });
  const port = await listen(server);
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  return { origin: `http://127.0.0.1:${port}`, seen, close };
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('The server has no port');
  return address.port;
}
