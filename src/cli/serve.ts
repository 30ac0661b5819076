import { Command, InvalidArgumentError, Option } from 'commander';
import { ToolkitError } from '../errors.ts';
import type { Provider } from '../runtime/providers.ts';
import type { Gate, Log } from '../serve/context.ts';
import { registerHeaders } from '../serve/http/headers.ts';
import { registerOpenapi } from '../serve/http/openapi/document.ts';
import { registerPage } from '../serve/http/page.ts';
import { type LogLevel, logLevels, type OpenLog, openLog } from '../serve/observe/logging.ts';
import { registerMetrics } from '../serve/observe/metrics.ts';
import { openTracing, type Tracing } from '../serve/observe/tracing.ts';
import {
  apiKeyGate,
  hostGate,
  isLoopback,
  keyVariable,
  originGate,
  readApiKeys,
  readTls,
} from '../serve/security.ts';
import { type ServeOptions, type Server, serve } from '../serve/serve.ts';
import { hostList, originList, positiveNumber, providerOption, wholeNumber } from './options.ts';
import { serverWords } from './serve-words.ts';
import { takeSignals } from './signals.ts';
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
  readonly allowedHosts?: string[];
  readonly modelControlMode?: ControlMode;
  readonly otlp?: string;
  readonly logLevel: LogLevel;
  /** `false` for --no-page. */
  readonly page: boolean;
}

/** Triton's words for who changes what is served: no one, requests, the files. */
const controlModes = ['none', 'explicit', 'poll'] as const;
type ControlMode = (typeof controlModes)[number];

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
  optionOf(
    '--model-control-mode <mode>',
    'what may change the models that are served: nothing, requests, or their files (default: both)',
  ).choices(controlModes),
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
  optionOf('--cors <origins>', 'web pages that may call, by origin; * for all', originList).default(
    [],
    'none',
  ),
  optionOf(
    '--allowed-hosts <names>',
    'names that this server is called by, such as those of a proxy (default: localhost, on this machine alone)',
    hostList,
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
  const tracing = await openTracing({ endpoint: options.otlp, log: log.log });
  const observers = [log.observer, ...(tracing ? [tracing.observer] : [])];
  const version = packageVersion();
  try {
    const server = await serve(
      {
        ...servingOf(models, options),
        log: log.log,
        observers,
        httpGates: [...hostGates(options), originGate(options.cors)],
        gates: gatesOf(options, log.log),
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
    await untilStopped(server, { options, log: log.log });
  } finally {
    await close(log, tracing);
  }
}

function servingOf(models: string[], options: Options): ServeOptions {
  const { host, port, provider, maxBatchSize, instances, threads, maxPixels, copies } = options;
  const { modelControlMode: mode } = options;
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
    pollMs: mode === undefined || mode === 'poll' ? options.poll * 1000 : 0,
    isControllable: mode === undefined || mode === 'explicit',
    copies,
  };
}

/** Which names a server goes by that others than this machine reach is theirs to know, so it is asked for there only. */
function hostGates({ host, allowedHosts }: Options): readonly Gate[] {
  return isLoopback(host) || allowedHosts ? [hostGate(allowedHosts ?? [])] : [];
}

function gatesOf({ apiKeyFile: file, host, tlsCa }: Options, log: Log): readonly Gate[] {
  // A variable that is there but empty is a secret that did not arrive, not the wish for an open server.
  const text = process.env[keyVariable];
  if (file !== undefined || text !== undefined) return [apiKeyGate(readApiKeys({ file, text }))];
  if (!isLoopback(host) && tlsCa === undefined) {
    log.warn(
      { host },
      `whoever reaches this machine may use the server: --api-key-file or ${keyVariable} asks for keys, --tls-ca for certificates`,
    );
  }
  return [];
}

function tlsOf({ tlsKey: key, tlsCert: cert, tlsCa: ca }: Options): ServeOptions['tls'] {
  if (key === undefined && cert === undefined && ca === undefined) return undefined;
  if (key !== undefined && cert !== undefined) return readTls({ key, cert, ca });
  throw new ToolkitError('OPTION_INVALID', 'TLS needs a key and a certificate', {
    hint: 'Give both --tls-key and --tls-cert, or neither.',
  });
}

/** Serves until the first SIGTERM or Ctrl-C, then drains; a second one ends it at once. */
async function untilStopped(
  server: Server,
  { options, log }: { readonly options: Options; readonly log: Log },
): Promise<void> {
  const { host, drainDelay, drainTimeout } = options;
  const words = serverWords(log);
  const scheme = options.tlsKey === undefined ? 'http' : 'https';
  const name = host.includes(':') ? `[${host}]` : host;
  const stopped = new Promise<void>((resolve) => {
    takeSignals(['SIGTERM', 'SIGINT'], () => {
      resolve();
      // A run under way cannot be ended in order: whoever asks twice wants it at any price.
      takeSignals(['SIGTERM', 'SIGINT'], () => process.kill(process.pid, 'SIGKILL'));
    });
  });
  const grpc = server.grpcPort === undefined ? undefined : `${name}:${server.grpcPort}`;
  words.listening({ http: `${scheme}://${name}:${server.port}`, grpc });
  try {
    await Promise.race([server.loaded.then(() => words.loaded(server.context)), stopped]);
    await stopped;
    words.stopping();
  } finally {
    await server.close({ delayMs: drainDelay * 1000, withinMs: drainTimeout * 1000 });
  }
}

async function close(log: OpenLog, tracing: Tracing | undefined): Promise<void> {
  await tracing?.close();
  log.close();
}
