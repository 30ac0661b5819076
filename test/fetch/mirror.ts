import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { ToolkitError } from '../../src/errors.ts';
import { type PullOptions, pull } from '../../src/fetch/pull.ts';
import type { Check, SourceTable } from '../../src/fetch/sources.ts';

/** A file that begins as HDF5 does; bytes differ from their neighbours, so that a misplaced range is seen. */
export const content = Buffer.concat([
  Buffer.from('\x89HDF\r\n\x1a\n', 'latin1'),
  Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7 + (i >> 8)) & 255)),
]);
export const md5 = createHash('md5').update(content).digest('hex');
export const sha256 = createHash('sha256').update(content).digest('hex');

export type Reply = (request: IncomingMessage, response: ServerResponse) => void;

/** A server on this machine that gives one planned reply a request (the last one for ever), and an empty cache. */
export class Mirror {
  replies: Reply[] = [];
  readonly asked: IncomingMessage[] = [];
  readonly dir: string;
  readonly base: string;
  readonly #server: Server;
  #held: ServerResponse | undefined;

  private constructor(server: Server, dir: string) {
    this.#server = server;
    this.dir = dir;
    const address = server.address();
    this.base = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
    server.on('request', (request, response) => {
      this.asked.push(request);
      const reply = this.replies.length > 1 ? this.replies.shift() : this.replies[0];
      (reply ?? status(404))(request, response);
    });
  }

  static async start(): Promise<Mirror> {
    const server = createServer();
    await new Promise<void>((done) => {
      server.listen(0, '127.0.0.1', done);
    });
    return new Mirror(server, await mkdtemp(join(tmpdir(), 'graft-pull-')));
  }

  async close(): Promise<void> {
    await this.hangUp();
    await rm(this.dir, { recursive: true, force: true });
  }

  async hangUp(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => {
      this.#server.close(done);
    });
  }

  /** Sends the first `bytes` of the file, and cuts the connection when some of them have been written. */
  cutAfter(bytes: number, headers: Record<string, string> = { etag: '"v1"' }): Reply {
    return (_, response) => {
      response.writeHead(200, { 'content-length': content.length, ...headers });
      response.write(content.subarray(0, bytes));
      this.#held = response;
    };
  }

  sources(check: Check = { md5 }): SourceTable {
    return {
      tiny: {
        file: 'tiny.h5',
        title: 'a tiny file',
        addresses: [`${this.base}/one/tiny.h5`, `${this.base}/two/tiny.h5`],
        check,
      },
    };
  }

  pull(options: PullOptions = {}, check?: Check) {
    const { dir } = this;
    return pull('tiny', {
      sources: this.sources(check),
      dir,
      kerasDir: false,
      waitMs: 0,
      ...options,
      onProgress: (progress) => {
        this.#held?.destroy();
        this.#held = undefined;
        options.onProgress?.(progress);
      },
    });
  }
}

/** The fault of a call that must fail. */
export function faultOf(call: Promise<unknown>): Promise<ToolkitError> {
  return call.then(
    () => expect.fail('it must be refused'),
    (error: ToolkitError) => error,
  );
}

export const whole: Reply = (_, response) => {
  response.writeHead(200, { 'content-length': content.length, etag: '"v1"' });
  response.end(content);
};

export const page: Reply = (_, response) => {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
  response.end('<!doctype html><title>Log in</title>');
};

/** Sends without end. */
export const endless: Reply = (_, response) => {
  const more = () => {
    while (response.write(content)) {
      // as much as the connection takes at once
    }
  };
  response.on('drain', more);
  more();
};

export function status(code: number): Reply {
  return (_, response) => response.writeHead(code).end('<html>no</html>');
}

/** Goes on from a byte that was not asked for. */
export const astray: Reply = (_, response) => {
  response.writeHead(206, { 'content-range': `bytes 9-${content.length - 1}/${content.length}` });
  response.end(content.subarray(9));
};

/** Goes on where the request says, as RFC 9110 has it. */
export const ranged: Reply = (request, response) => {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  response.writeHead(206, {
    'content-length': content.length - start,
    'content-range': `bytes ${start}-${content.length - 1}/${content.length}`,
    etag: '"v1"',
  });
  response.end(content.subarray(start));
};
