import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A frame of HTTP/2. Source: RFC 9113, section 4.1. */
interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export const frameTypes = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
} as const;
const endStream = 0x1;
const endHeaders = 0x4;

/** A client that knows frames, and no more: nothing that is refused is sent again. */
export class BareHttp2 {
  readonly frames: Frame[] = [];
  /** Whether the connection has ended. */
  isOver = false;
  readonly #socket: Socket;
  #next = 1;
  #rest: Buffer = Buffer.alloc(0);

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    onTestFinished(() => void this.#socket.destroy());
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      this.isOver = true;
    });
    this.#socket.on('data', (bytes) => this.#take(bytes));
    this.#socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    this.#write(frameTypes.settings, 0, 0, Buffer.alloc(0));
  }

  /** Asks a method with an empty message; the number of the stream. */
  call(method: string): number {
    const stream = this.#next;
    this.#next += 2;
    const headers = Buffer.concat(
      Object.entries({
        ':method': 'POST',
        ':scheme': 'http',
        ':path': method,
        ':authority': 'a',
        'content-type': 'application/grpc',
        te: 'trailers',
      }).map(([name, value]) => literal(name, value)),
    );
    this.#write(frameTypes.headers, endHeaders, stream, headers);
    this.#write(frameTypes.data, endStream, stream, Buffer.alloc(5));
    return stream;
  }

  of(type: keyof typeof frameTypes): readonly Frame[] {
    return this.frames.filter((frame) => frame.type === frameTypes[type]);
  }

  /** Numbers of the last streams that the server has said it answers. */
  get lasts(): readonly number[] {
    return this.of('goaway').map(({ payload }) => payload.readUInt32BE(0));
  }

  /** Streams whose answers are whole. */
  get answered(): readonly number[] {
    const ended = this.of('headers').filter(({ flags }) => (flags & endStream) !== 0);
    return ended.map(({ stream }) => stream);
  }

  #write(type: number, flags: number, stream: number, payload: Buffer): void {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  #take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#rest.length >= 9 && this.#rest.length >= 9 + this.#rest.readUIntBE(0, 3)) {
      const end = 9 + this.#rest.readUIntBE(0, 3);
      this.frames.push({
        type: this.#rest.readUInt8(3),
        flags: this.#rest.readUInt8(4),
        stream: this.#rest.readUInt32BE(5),
        payload: this.#rest.subarray(9, end),
      });
      this.#rest = this.#rest.subarray(end);
    }
  }
}

/** A header that is spelled out. Source: RFC 7541, section 6.2.2. */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

function text(one: string): Buffer {
  return Buffer.concat([Buffer.from([one.length]), Buffer.from(one)]);
}
