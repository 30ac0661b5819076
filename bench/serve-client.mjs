// A client that costs as little as it can: requests are bytes made beforehand, sent over connections that stay open.
//
//   node bench/serve-client.mjs http|grpc '{"port":8000,"path":"/…","headers":{…},"body":"<base64>"}' CONNECTIONS SECONDS
//
// Prints one line of JSON: requests, errors, requests a second, latencies in ms. One second warms up.
import { connect } from 'node:net';
import { pathToFileURL } from 'node:url';
import { grpcConnection } from './grpc-connection.mjs';

/** Sends the same request over and over on one HTTP/1.1 connection. */
function httpConnection(asked, done) {
  const { host = '127.0.0.1', port, path, headers, body } = asked;
  const payload = Buffer.from(body, 'base64');
  const lines = Object.entries({ host: `${host}:${port}`, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const head = `POST ${path} HTTP/1.1\r\n${lines.join('')}content-length: ${payload.length}\r\n\r\n`;
  const request = Buffer.concat([Buffer.from(head), payload]);
  const socket = connect({ port, host, noDelay: true });
  let [start, buffered, wanted, isGood, isOver] = [0, Buffer.alloc(0), -1, false, false];
  const send = () => {
    start = performance.now();
    socket.write(request);
  };
  socket.on('connect', send);
  socket.on('error', () => undefined);
  // A connection that the server ends is an error, and another one takes its place.
  socket.on('close', () => {
    if (!isOver && done(false, 0)) httpConnection(asked, done);
  });
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
    isOver = !done(isGood, performance.now() - start);
    if (isOver) socket.destroy();
    else send();
  });
}

/** Loads a server from `connections` connections for `seconds` seconds, after one that warms up. */
export async function load(kind, request, { connections, seconds }) {
  const connection = kind === 'http' ? httpConnection : grpcConnection;
  const times = [];
  let [answered, errors] = [0, 0];
  const begin = performance.now() + 1000;
  const end = begin + seconds * 1000;
  await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise((resolve) => {
          connection(request, (isGood, ms) => {
            const now = performance.now();
            answered += 1;
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
    /** With those of the first second, and those that were under way at the end. */
    answered,
    errors,
    perSecond: times.length / seconds,
    p50: at(0.5),
    p90: at(0.9),
    p95: at(0.95),
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
