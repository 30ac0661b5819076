import { Command, InvalidArgumentError, Option } from 'commander';
import { ToolkitError } from '../errors.ts';
import type { Provider } from '../runtime/providers.ts';
import type { Gate } from '../serve/context.ts';
import { registerHeaders } from '../serve/http/headers.ts';
import { registerOpenapi } from '../serve/http/openapi/document.ts';
import { registerPage } from '../serve/http/page.ts';
import { type LogLevel, logLevels, type OpenLog, openLog } from '../serve/observe/logging.ts';
import { registerMetrics } from '../serve/observe/metrics.ts';
import { openTracing, type Tracing } from '../serve/observe/tracing.ts';
import { apiKeyGate, originGate, readApiKeys, readTls } from '../serve/security.ts';
import { type ServeOptions, type Server, serve } from '../serve/serve.ts';
import { noteAssumed } from './assumed.ts';
import { nameList, positiveNumber, providerOption, wholeNumber } from './options.ts';
import { takeSignals } from './signals.ts';
import { note } from './terminal.ts';
import { packageVersion } from './version.ts';

interface Options {
  readonly host: string;
  readonly port: number;
  /** `false` for --no-grpc. */
  readonly grpc: boolean;
  readonly grpcPort: number;
  readonly provider: Provider;
  readonly maxBatchSize: number;
  readonly maxDelay: number;
  readonly instances: number;
  readonly threads?: number;
  readonly isolate?: boolean;
  readonly queue: number;
  readonly timeout: number;
  readonly bodyLimit: number;
  readonly maxPixels: number;
  readonly poll: number;
  readonly copies?: string;
  readonly drainDelay: number;
  readonly drainTimeout: number;
  readonly apiKeyFile?: string;
  readonly tlsKey?: string;
  readonly tlsCert?: string;
  readonly tlsCa?: string;
  readonly cors: string[];
  readonly otlp?: string;
  readonly logLevel: LogLevel;
  /** `false` for --no-page. */
  readonly page: boolean;
}

const mostPort = 65_535;

export function serveCommand(): Command {
  const command = new Command('serve')
    .description('Serve models by the Open Inference Protocol, over HTTP and gRPC.')
    .argument('<models...>', 'ONNX files, or folders of models: NAME/VERSION/model.onnx, NAME.onnx')
    .option('--host <address>', 'address to listen at; 0.0.0.0 for all', '127.0.0.1')
    .option('--port <n>', 'HTTP; 0: any free one', wholeNumber(0, mostPort), 8000)
    .option('--grpc-port <n>', 'gRPC; 0: any free one', wholeNumber(0, mostPort), 8001)
    .option('--no-grpc', 'HTTP only')
    .addOption(providerOption());
  for (const option of [...runOptions(), ...limitOptions(), ...operationOptions()]) {
    command.addOption(option);
  }
  return command.action(run);
}

function optionOf(flags: string, text: string, parse?: (text: string) => unknown): Option {
  const made = new Option(flags, text);
  return parse ? made.argParser(parse) : made;
}

const runOptions = (): readonly Option[] => [
  optionOf(
    '--max-batch-size <n>',
    'rows a run, where the model does not say',
    wholeNumber(1),
  ).default(32),
  optionOf(
    '--max-delay <ms>',
    'how long a request may wait for others to share its run',
    notNegative,
  ).default(0),
  optionOf('--instances <n>', 'sessions of each model', wholeNumber(1)).default(1),
  optionOf(
    '--threads <n>',
    'threads of a session (default: the processors, shared)',
    wholeNumber(1),
  ),
  optionOf(
    '--isolate',
    'each session in a process of its own, whose crash leaves the server alone',
  ),
];

const limitOptions = (): readonly Option[] => [
  optionOf('--queue <n>', 'requests of a model that may wait', wholeNumber(1)).default(1024),
  optionOf('--timeout <s>', 'time for a request', positiveNumber).default(60),
  optionOf('--body-limit <MiB>', 'size of a request', positiveNumber).default(64),
  optionOf('--max-pixels <n>', 'pixels of a picture', wholeNumber(1)).default(50_000_000),
  optionOf('--poll <s>', 'look for changed model files so often; 0: never', notNegative).default(1),
  optionOf('--copies <folder>', 'where private copies of the models are made (default: temporary)'),
  optionOf(
    '--drain-delay <s>',
    'after SIGTERM, go on so long while not ready',
    notNegative,
  ).default(0),
  optionOf('--drain-timeout <s>', 'then wait so long for requests', positiveNumber).default(30),
];

const operationOptions = (): readonly Option[] => [
  optionOf('--api-key-file <file>', 'keys that calls must show, one a line (or GRAFT_API_KEYS)'),
  optionOf('--tls-key <file>', 'private key, PEM'),
  optionOf('--tls-cert <file>', 'certificate, PEM'),
  optionOf('--tls-ca <file>', "whom clients' certificates must come from, PEM"),
  optionOf('--cors <origins>', 'web pages that may call, by origin; * for all', nameList).default(
    [],
    'none',
  ),
  optionOf('--otlp <url>', 'send traces to this OpenTelemetry collector'),
  optionOf('--log-level <level>', 'JSON lines on stderr').choices(logLevels).default('info'),
  optionOf('--no-page', 'without the page at /'),
];

function notNegative(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('A number of at least 0 is needed.');
}

async function run(models: string[], options: Options): Promise<void> {
  const log = openLog(options.logLevel);
  const tracing = await openTracing({ endpoint: options.otlp });
  const observers = [log.observer, ...(tracing ? [tracing.observer] : [])];
  const version = packageVersion();
  try {
    const server = await serve(
      {
        ...servingOf(models, options),
        log: log.log,
        observers,
        httpGates: [originGate(options.cors)],
        gates: keyGates(options),
        tls: tlsOf(options),
        prepare: (app) => registerHeaders(app, { cors: options.cors }),
        register(app, context) {
          registerMetrics(app, context);
          registerOpenapi(app, { version });
          if (options.page) registerPage(app);
        },
      },
      { version },
    );
    await untilStopped(server, options);
  } finally {
    await close(log, tracing);
  }
}

function servingOf(models: string[], options: Options): ServeOptions {
  const { host, port, provider, maxBatchSize, instances, threads, maxPixels, copies } = options;
  return {
    models,
    host,
    port,
    grpcPort: options.grpc ? options.grpcPort : false,
    provider,
    maxBatchSize,
    delayMs: options.maxDelay,
    instances,
    threads,
    workers: options.isolate === true ? { isProcess: true } : {},
    maxWaiting: options.queue,
    timeoutMs: options.timeout * 1000,
    bodyLimit: Math.floor(options.bodyLimit * 1024 * 1024),
    maxPixels,
    pollMs: options.poll * 1000,
    copies,
  };
}

function keyGates({ apiKeyFile: file }: Options): readonly Gate[] {
  const text = process.env['GRAFT_API_KEYS'];
  const hasKeys = file !== undefined || (text ?? '') !== '';
  return hasKeys ? [apiKeyGate(readApiKeys({ file, text }))] : [];
}

function tlsOf({ tlsKey: key, tlsCert: cert, tlsCa: ca }: Options): ServeOptions['tls'] {
  if (key === undefined && cert === undefined && ca === undefined) return undefined;
  if (key !== undefined && cert !== undefined) return readTls({ key, cert, ca });
  throw new ToolkitError('OPTION_INVALID', 'TLS needs a key and a certificate', {
    hint: 'Give both --tls-key and --tls-cert, or neither.',
  });
}

/** Serves until the first SIGTERM or Ctrl-C, then drains; a second one ends it at once. */
async function untilStopped(server: Server, options: Options): Promise<void> {
  const { host, drainDelay, drainTimeout } = options;
  const scheme = options.tlsKey === undefined ? 'http' : 'https';
  const name = host.includes(':') ? `[${host}]` : host;
  const stopped = new Promise<void>((resolve) => {
    takeSignals(['SIGTERM', 'SIGINT'], () => {
      resolve();
      // A run under way cannot be ended in order: whoever asks twice wants it at any price.
      takeSignals(['SIGTERM', 'SIGINT'], () => process.kill(process.pid, 'SIGKILL'));
    });
  });
  const grpc = server.grpcPort === undefined ? '' : `, gRPC at ${name}:${server.grpcPort}`;
  note(`Listening at ${scheme}://${name}:${server.port}${grpc}; loading models.`);
  try {
    await Promise.race([server.loaded.then(() => noteModels(server)), stopped]);
    await stopped;
    note('Stopping: requests that have come are answered first.');
  } finally {
    await server.close({ delayMs: drainDelay * 1000, withinMs: drainTimeout * 1000 });
  }
}

/** Says what is served, what is not and why, or that there is nothing. */
function noteModels({ context }: Server): void {
  const list = context.models.list();
  if (context.isReady()) note(`Ready: ${[...new Set(list.map(({ name }) => name))].join(', ')}`);
  for (const { name, version, reason } of list) {
    if (reason !== '') note(`Not served: ${name}${version && ` version ${version}`}: ${reason}`);
  }
  for (const name of new Set(list.map((entry) => entry.name))) {
    noteAssumed(name, context.models.versions(name).at(-1)?.spec.about.pictures?.preprocess);
  }
  if (list.length === 0) {
    note(
      'There is no model yet: NAME.onnx or NAME/VERSION/model.onnx in the folder will be served.',
    );
  }
}

async function close(log: OpenLog, tracing: Tracing | undefined): Promise<void> {
  await tracing?.close();
  log.close();
}
