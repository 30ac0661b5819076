// gRPC by hand, as much of HTTP/2 as one connection with one call after the other takes: Node's own client costs as much
// as the servers that are measured. Source: RFC 9113, RFC 7541.
import { connect } from 'node:net';

const type = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, windowUpdate: 8 };
const [endStream, endHeaders, ack] = [1, 4, 1];
const largestWindow = 2 ** 31 - 1;
/** What both sides begin with. */
const [frameBytes, windowBytes] = [16_384, 65_535];
const initialWindowSize = 4;

function frame(kind, flags, stream, payload) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(kind, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

function numbers(...values) {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32BE(value, 4 * i));
  return bytes;
}

function setting(id, value) {
  return Buffer.concat([Buffer.from([0, id]), numbers(value)]);
}

/** A length in HPACK, of a text that is not packed. */
function packedLength(length) {
  if (length < 127) return [length];
  const rest = [];
  for (let left = length - 127; ; left = Math.floor(left / 128)) {
    if (left < 128) return [127, ...rest, left];
    rest.push((left % 128) + 128);
  }
}

/** Headers that no table remembers, so that every call's are the same bytes. */
function headerBlock(headers) {
  const fields = Object.entries(headers).flatMap(([name, value]) => [
    Buffer.from([0]),
    ...packedText(name),
    ...packedText(value),
  ]);
  return Buffer.concat(fields);
}

const packedText = (text) => [Buffer.from(packedLength(text.length)), Buffer.from(text)];

// No table for the answers' headers; no window that would have to be moved while answers come.
const opening = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(
    type.settings,
    0,
    0,
    Buffer.concat([setting(1, 0), setting(2, 0), setting(initialWindowSize, largestWindow)]),
  ),
  frame(type.windowUpdate, 0, 0, numbers(largestWindow - windowBytes)),
]);

/**
 * Sends the same message over and over on one connection. `done(isGood, ms)` is told of each answer, and says whether to
 * go on. An answer is good when a message came before its end: a call that fails has none.
 */
export function grpcConnection(asked, done) {
  const { host = '127.0.0.1', port, path, body, metadata } = asked;
  const message = Buffer.from(body, 'base64');
  const payload = Buffer.concat([Buffer.from([0]), numbers(message.length), message]);
  const block = headerBlock({
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': `${host}:${port}`,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...metadata,
  });
  const socket = connect({ port, host, noDelay: true });
  const connection = new Connection(socket, { block, payload, done });
  socket.on('connect', () => {
    socket.write(opening);
    connection.send();
  });
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => connection.receive(chunk));
  // A connection that the server ends is an error, and another one takes its place.
  socket.on('close', () => {
    if (!connection.isOver && done(false, 0)) grpcConnection(asked, done);
  });
}

class Connection {
  isOver = false;
  #buffered = Buffer.alloc(0);
  #start = 0;
  #stream = -1;
  /** Bytes of the call's message that have been sent, and of its answer that came. */
  #sent = 0;
  #bytes = 0;
  /** What may still be sent on the connection, on the stream, and on each new stream. */
  #credit = windowBytes;
  #streamCredit = 0;
  #newCredit = windowBytes;

  constructor(socket, { block, payload, done }) {
    this.socket = socket;
    this.block = block;
    this.payload = payload;
    this.done = done;
  }

  send() {
    this.#start = performance.now();
    this.#stream += 2;
    this.#bytes = 0;
    this.#sent = 0;
    this.#streamCredit = this.#newCredit;
    this.socket.cork();
    this.socket.write(frame(type.headers, endHeaders, this.#stream, this.block));
    this.#sendData();
    this.socket.uncork();
  }

  receive(chunk) {
    const bytes = this.#buffered.length === 0 ? chunk : Buffer.concat([this.#buffered, chunk]);
    let at = 0;
    while (bytes.length - at >= 9) {
      const end = at + 9 + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const [kind, flags] = [bytes[at + 3], bytes[at + 4]];
      const stream = bytes.readUInt32BE(at + 5) & largestWindow;
      const content = bytes.subarray(at + 9, end);
      if (stream === 0) this.#control(kind, flags, content);
      else if (stream === this.#stream) this.#answer(kind, flags, content);
      at = end;
    }
    this.#buffered = bytes.subarray(at);
  }

  #sendData() {
    while (this.#sent < this.payload.length) {
      const left = this.payload.length - this.#sent;
      const count = Math.min(left, frameBytes, this.#credit, this.#streamCredit);
      if (count <= 0) return;
      const part = this.payload.subarray(this.#sent, this.#sent + count);
      this.#sent += count;
      this.#credit -= count;
      this.#streamCredit -= count;
      this.socket.write(frame(type.data, count === left ? endStream : 0, this.#stream, part));
    }
  }

  #control(kind, flags, content) {
    if (kind === type.windowUpdate) {
      this.#credit += content.readUInt32BE(0);
      this.#sendData();
    } else if ((flags & ack) !== 0) return;
    else if (kind === type.ping) this.socket.write(frame(type.ping, ack, 0, content));
    else if (kind === type.settings) {
      for (let at = 0; at < content.length; at += 6) {
        if (content.readUInt16BE(at) !== initialWindowSize) continue;
        this.#streamCredit += content.readUInt32BE(at + 2) - this.#newCredit;
        this.#newCredit = content.readUInt32BE(at + 2);
      }
      this.socket.write(frame(type.settings, ack, 0, Buffer.alloc(0)));
      this.#sendData();
    }
  }

  #answer(kind, flags, content) {
    if (kind === type.data) this.#bytes += content.length;
    else if (kind === type.windowUpdate) {
      this.#streamCredit += content.readUInt32BE(0);
      this.#sendData();
    } else if (kind === type.reset) this.#end(false);
    else if (kind === type.headers && (flags & endStream) !== 0) this.#end(this.#bytes > 0);
  }

  #end(isGood) {
    this.isOver = !this.done(isGood, performance.now() - this.#start);
    if (this.isOver) this.socket.destroy();
    else this.send();
  }
}
