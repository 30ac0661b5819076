// A client that costs as little as it can: requests are bytes made beforehand, sent over connections that stay open.
//
//   node bench/serve-client.mjs http|grpc '{"port":8000,"path":"/…","headers":{…},"body":"<base64>"}' CONNECTIONS SECONDS
//
// Prints one line of JSON: requests, errors, requests a second, latencies in ms. One second warms up.
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { pathToFileURL } from 'node:url';

/** Sends the same request over and over on one HTTP/1.1 connection. */
function httpConnection({ port, path, headers, body }, done) {
  const payload = Buffer.from(body, 'base64');
  const lines = Object.entries({ host: `127.0.0.1:${port}`, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const head = `POST ${path} HTTP/1.1\r\n${lines.join('')}content-length: ${payload.length}\r\n\r\n`;
  const request = Buffer.concat([Buffer.from(head), payload]);
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  let [start, buffered, wanted, isGood] = [0, Buffer.alloc(0), -1, false];
  const send = () => {
    start = performance.now();
    socket.write(request);
  };
  socket.on('connect', send);
  socket.on('error', () => done(false, 0));
  socket.on('data', (chunk) => {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk]);
    if (wanted < 0) {
      const end = buffered.indexOf('\r\n\r\n');
      if (end < 0) return;
      const text = buffered.toString('latin1', 0, end);
      isGood = text.startsWith('HTTP/1.1 200');
      wanted = end + 4 + Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? 0);
    }
    if (buffered.length < wanted) return;
    buffered = Buffer.alloc(0);
    wanted = -1;
    if (done(isGood, performance.now() - start)) send();
    else socket.destroy();
  });
}

/** Sends the same message over and over, one stream after the other, on one HTTP/2 connection. */
function grpcConnection({ port, path, body }, done) {
  const message = Buffer.from(body, 'base64');
  const payload = Buffer.alloc(5 + message.length);
  payload.writeUInt32BE(message.length, 1);
  message.copy(payload, 5);
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => done(false, 0));
  const headers = {
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
  };
  const send = () => {
    const start = performance.now();
    const stream = session.request(headers);
    let [bytes, status] = [0, ''];
    stream.on('response', (found) => (status = found['grpc-status'] ?? status));
    stream.on('trailers', (found) => (status = found['grpc-status'] ?? status));
    stream.on('data', (chunk) => (bytes += chunk.length));
    stream.on('error', () => (status = 'error'));
    stream.on('close', () => {
      const isGood = status === '0' && bytes > 0;
      if (done(isGood, performance.now() - start)) send();
      else session.close();
    });
    stream.end(payload);
  };
  session.on('connect', send);
}

/** Loads a server from `connections` connections for `seconds` seconds, after one that warms up. */
export async function load(kind, request, { connections, seconds }) {
  const connection = kind === 'http' ? httpConnection : grpcConnection;
  const times = [];
  let errors = 0;
  const begin = performance.now() + 1000;
  const end = begin + seconds * 1000;
  await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise((resolve) => {
          connection(request, (isGood, ms) => {
            const now = performance.now();
            if (!isGood) errors += 1;
            else if (now > begin && now < end) times.push(ms);
            const goesOn = now < end && errors < 100;
            if (!goesOn) resolve();
            return goesOn;
          });
        }),
    ),
  );
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0;
  return {
    requests: times.length,
    errors,
    perSecond: times.length / seconds,
    p50: at(0.5),
    p99: at(0.99),
  };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [, , kind, request, connections, seconds] = process.argv;
  const result = await load(kind, JSON.parse(request), {
    connections: Number(connections),
    seconds: Number(seconds),
  });
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
