// How much any server of the Open Inference Protocol answers, and how fast, by the number of clients: what perf_analyzer
// does for Triton, for graft, MLServer, KServe and Triton alike.
//
//   node bench/load-server.mjs MODEL [--url http://127.0.0.1:8000] [--grpc 127.0.0.1:8001] [--connections 1,4,16,64]
//        [--seconds 5] [--rows 1] [--shape x=1,3,224,224]… [--format binary|json] [--picture cat.jpg] [--key KEY]
//
// The model says itself what it takes; sizes that it leaves open are 1, the first one --rows. With --grpc the same goes
// over gRPC, with --picture to graft's own …/classify. Each connection asks again when it is answered. Prints one line for
// each number of connections: requests and rows a second, latencies in ms, errors. Fails when there were any.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import protobuf from 'protobufjs';
import { here } from './process.mjs';
import { load } from './serve-client.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:8000' },
    grpc: { type: 'string' },
    connections: { type: 'string', default: '1,4,16,64' },
    seconds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '1' },
    shape: { type: 'string', multiple: true, default: [] },
    format: { type: 'string', default: 'binary' },
    picture: { type: 'string' },
    key: { type: 'string' },
  },
});
const [model] = positionals;
if (!model) throw new Error('Say which model: node bench/load-server.mjs MODEL');
const rows = Number(values.rows);
const address = new URL(values.url);
const path = `/v2/models/${encodeURIComponent(model)}`;
const keyed = values.key === undefined ? {} : { authorization: `Bearer ${values.key}` };

/** Bytes of an element; -1: texts. */
const sizes = {
  BOOL: 1,
  INT8: 1,
  UINT8: 1,
  INT16: 2,
  UINT16: 2,
  FP16: 2,
  BF16: 2,
  INT32: 4,
  UINT32: 4,
  FP32: 4,
  INT64: 8,
  UINT64: 8,
  FP64: 8,
  BYTES: -1,
};

/** Zeros and ones are values of every type: ones, or the text "1". */
function inputOf({ name, datatype, shape }) {
  const given = values.shape.find((one) => one.startsWith(`${name}=`));
  const dims = given
    ? given
        .slice(name.length + 1)
        .split(',')
        .map(Number)
    : shape.map((size, axis) => (axis === 0 && size === -1 ? rows : Math.max(size, 1)));
  const count = dims.reduce((product, size) => product * size, 1);
  const size = sizes[datatype];
  if (size === undefined) throw new Error(`Input ${name} has the unknown datatype ${datatype}`);
  const bytes =
    size === -1
      ? Buffer.concat(Array.from({ length: count }, () => Buffer.from([1, 0, 0, 0, 0x31])))
      : Buffer.alloc(count * size);
  const data = Array.from({ length: count }, () =>
    size === -1 ? '1' : datatype === 'BOOL' ? false : 0,
  );
  return { name, datatype, shape: dims, bytes, data };
}

function httpRequest(inputs) {
  const about = { host: address.hostname, port: Number(address.port || 80) };
  if (values.picture !== undefined) {
    const body = readFileSync(values.picture).toString('base64');
    return { ...about, path: `${path}/classify`, headers: keyed, body };
  }
  const isJson = values.format === 'json';
  const head = JSON.stringify({
    inputs: inputs.map(({ name, datatype, shape, bytes, data }) => ({
      name,
      datatype,
      shape,
      ...(isJson ? { data } : { parameters: { binary_data_size: bytes.length } }),
    })),
    ...(!isJson && { parameters: { binary_data_output: true } }),
  });
  const tail = isJson ? [] : inputs.map(({ bytes }) => bytes);
  const headers = isJson
    ? { 'content-type': 'application/json' }
    : {
        'content-type': 'application/octet-stream',
        'inference-header-content-length': Buffer.byteLength(head),
      };
  const body = Buffer.concat([Buffer.from(head), ...tail]).toString('base64');
  return { ...about, path: `${path}/infer`, headers: { ...headers, ...keyed }, body };
}

function grpcRequest(inputs) {
  const root = protobuf.loadSync(here('../proto/inference.proto'));
  const Message = root.lookupType('inference.ModelInferRequest');
  const message = Message.fromObject({
    modelName: model,
    inputs: inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    rawInputContents: inputs.map(({ bytes }) => bytes),
  });
  const [host, port] = values.grpc.split(':');
  return {
    host,
    port: Number(port),
    path: '/inference.GRPCInferenceService/ModelInfer',
    metadata: keyed,
    body: Buffer.from(Message.encode(message).finish()).toString('base64'),
  };
}

const answer = await fetch(new URL(path, address), { headers: keyed });
if (!answer.ok)
  throw new Error(`${address}${path.slice(1)}: ${answer.status} ${await answer.text()}`);
const inputs = (await answer.json()).inputs.map(inputOf);
const kind = values.grpc === undefined ? 'http' : 'grpc';
const request = kind === 'http' ? httpRequest(inputs) : grpcRequest(inputs);
const what = values.picture ?? inputs.map(({ name, shape }) => `${name} [${shape}]`).join(', ');
process.stdout.write(`${model}, ${kind}, ${what}\n`);
const columns = ['connections', 'requests/s', 'rows/s', 'p50 ms', 'p90 ms', 'p95 ms', 'p99 ms'];
process.stdout.write(`${[...columns, 'errors'].map((name) => name.padStart(11)).join(' ')}\n`);
for (const connections of values.connections.split(',').map(Number)) {
  const found = await load(kind, request, { connections, seconds: Number(values.seconds) });
  const cells = [
    connections,
    found.perSecond.toFixed(0),
    (found.perSecond * rows).toFixed(0),
    ...[found.p50, found.p90, found.p95, found.p99].map((ms) => ms.toFixed(2)),
    found.errors,
  ];
  process.stdout.write(`${cells.map((cell) => String(cell).padStart(11)).join(' ')}\n`);
  if (found.errors > 0) process.exitCode = 1;
}
