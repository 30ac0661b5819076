/** Which room may import which: a room imports only from itself, from the ground floor (errors.ts, tensor.ts, source.ts, scatter.ts, wasm.ts, output.ts, package.ts), and from the rooms it names. */
const rooms = {
  onnx: [],
  files: [],
  keras: ['files'],
  convert: ['keras', 'onnx'],
  runtime: ['onnx'],
  train: ['runtime', 'onnx'],
  verify: ['runtime', 'onnx', 'files'],
  serve: ['runtime'],
  client: [],
  inspect: ['keras', 'onnx', 'convert'],
  show: ['runtime'],
  fetch: [],
  cli: [
    'convert',
    'runtime',
    'train',
    'verify',
    'serve',
    'inspect',
    'show',
    'fetch',
    'keras',
    'onnx',
  ],
};

/** The floors of the serve room: a folder imports only from itself, from those it names, and from the room's context.ts and security.ts. */
const serveFloors = {
  request: [],
  running: ['request'],
  models: ['running', 'request'],
  http: ['models', 'request'],
  grpc: ['models', 'request'],
  observe: ['http', 'models', 'request'],
};

/** The one file through which each foreign library comes in. */
const doors = {
  h5wasm: 'src/keras/h5.ts',
  yauzl: 'src/files/archive.ts',
  yaml: 'src/keras/yaml.ts',
  protobufjs: 'src/onnx/wire.ts',
  'onnx-proto': 'src/onnx/schema.ts',
  'onnxruntime-node': 'src/runtime/session.ts',
  sharp: 'src/runtime/image.ts',
  koffi: 'src/runtime/jpeg.ts',
  '@julusian/jpeg-turbo': 'src/runtime/jpeg.ts',
  fastify: 'src/serve/http/http.ts',
  '@grpc/grpc-js': 'src/serve/grpc/grpc.ts',
  'prom-client': 'src/serve/observe/metrics.ts',
  pino: 'src/serve/observe/logging.ts',
  '@opentelemetry': 'src/serve/observe/tracing.ts',
};

const literally = (text) => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&');

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, path: '^src/', pathNot: '^src/(index|cli/main|client/index)\\.ts$' },
      to: {},
    },
    {
      name: 'src-not-to-test',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench|models)/' },
    },
    {
      name: 'ground-floor',
      comment:
        'errors.ts, tensor.ts, source.ts, scatter.ts, wasm.ts, output.ts and package.ts import nothing from the rooms',
      severity: 'error',
      from: { path: '^src/(errors|tensor|source|scatter|wasm|output|package)\\.ts$' },
      to: {
        path: '^src/',
        pathNot: '^src/(errors|tensor|source|scatter|wasm|output|package)\\.ts$',
      },
    },
    ...Object.entries(rooms).map(([room, allowed]) => ({
      name: `room-${room}`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: {
        path: '^src/',
        pathNot: `^src/(errors|tensor|source|scatter|wasm|output|package)\\.ts$|^src/(${[room, ...allowed].join('|')})/`,
      },
    })),
    ...Object.entries(serveFloors).map(([floor, allowed]) => ({
      name: `serve-${floor}`,
      severity: 'error',
      from: { path: `^src/serve/${floor}/` },
      to: {
        path: '^src/serve/',
        pathNot: `^src/serve/(context|security)\\.ts$|^src/serve/(${[floor, ...allowed].join('|')})/`,
      },
    })),
    ...Object.entries(doors).map(([library, door]) => ({
      name: `door-${library}`,
      severity: 'error',
      from: { path: '^src/', pathNot: `^${literally(door)}$` },
      to: { path: `(^|node_modules/)${literally(library)}(/|$)` },
    })),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
