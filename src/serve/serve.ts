import type { Gate, Log, ServeContext, TlsOptions } from './context.ts';
import { type Doors, openDoors } from './doors.ts';
import type { HttpApp } from './http/http.ts';
import { infer } from './inference.ts';
import { Models } from './models/models.ts';
import type { ServingDefaults } from './models/served.ts';
import type {
  BatchEvent,
  InferEvent,
  ModelEvent,
  RefusalEvent,
  ServeObserver,
} from './request/events.ts';
import { Pictures } from './running/pictures.ts';
import type { WorkerOptions } from './running/thread.ts';
import { Workers } from './running/workers.ts';

/** How models are served. Everything but the models has a default. */
export interface ServeOptions extends Partial<Omit<ServingDefaults, 'threads'>> {
  /** ONNX files, and folders of models (`NAME/VERSION/model.onnx`, or `NAME.onnx`). */
  readonly models: readonly string[];
  readonly threads?: number | undefined;
  /** Address to listen at. Default 127.0.0.1: this machine alone. */
  readonly host?: string | undefined;
  /** Default 8000; 0: any free one. */
  readonly port?: number | undefined;
  /** Default 8001; 0: any free one; `false`: no gRPC. */
  readonly grpcPort?: number | false | undefined;
  readonly tls?: TlsOptions | undefined;
  /** Asked of every call before its message is read. */
  readonly gates?: readonly Gate[] | undefined;
  /** Asked of calls over HTTP before those. */
  readonly httpGates?: readonly Gate[] | undefined;
  readonly log?: Log | undefined;
  /** Bytes of a request, also after it has been decompressed. Default 64 MiB. */
  readonly bodyLimit?: number | undefined;
  /** Pixels of a picture. Default 50 million. */
  readonly maxPixels?: number | undefined;
  /** Time for a client to send a request. Default 60 s. */
  readonly receiveMs?: number | undefined;
  /** Milliseconds between looks at the model files. Default 1,000; 0: never. */
  readonly pollMs?: number | undefined;
  /** Whether requests may load and unload models. Default: they may. */
  readonly isControllable?: boolean | undefined;
  /** Folder for the private copies of the models. Default: the system's temporary folder. */
  readonly copies?: string | undefined;
  /** Default: threads. With `isProcess`, each instance is a process, whose crash leaves the server alone. */
  readonly workers?: WorkerOptions | undefined;
  /** Called before routes are registered, and to register more of them. */
  readonly prepare?: ((app: HttpApp) => void) | undefined;
  readonly register?: ((app: HttpApp, context: ServeContext) => void) | undefined;
  readonly observers?: readonly ServeObserver[] | undefined;
}

/** A server that runs. */
export interface Server {
  readonly port: number;
  readonly grpcPort: number | undefined;
  readonly context: ServeContext;
  /** Resolves when the models have been loaded, or have failed to. */
  readonly loaded: Promise<void>;
  /**
   * Ends it: not ready from now on, every request that has come or still comes is answered, then all is closed.
   *
   * `delayMs` is the time in which it goes on as before, so that those who send requests see that it is not ready.
   */
  close(options?: { readonly delayMs?: number; readonly withinMs?: number }): Promise<void>;
}

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** The extensions of the protocol that are served, by the names that Triton gives them. */
const extensions = [
  'binary_tensor_data',
  'classification',
  'model_repository',
  'model_configuration',
  'statistics',
  'parameters',
] as const;

/** Graft's own release, as the server's metadata has it. */
interface About {
  readonly version: string;
}

/**
 * Serves models by the Open Inference Protocol over HTTP and gRPC.
 *
 * Both doors are open when this resolves; the models are being loaded then, and `loaded` tells when that is done.
 * Whoever started it calls `close`. Throws SERVER_ADDRESS, OUTPUT_UNWRITABLE; `loaded` rejects with FILE_MISSING,
 * and OPTION_INVALID where two models have one name.
 */
export async function serve(options: ServeOptions, about: About): Promise<Server> {
  const log = options.log ?? silent;
  const observers = new Set<ServeObserver>([logObserver(log), ...(options.observers ?? [])]);
  const tell = observerOf(observers, log);
  // Two threads that use WebGPU at once crash their process.
  const isProcess = options.workers?.isProcess ?? options.provider === 'webgpu';
  const workers = new Workers({ ...options.workers, isProcess });
  const defaults = defaultsOf(options);
  const pictures = new Pictures(workers, {
    maxPixels: options.maxPixels ?? 50_000_000,
    maxWaiting: defaults.maxWaiting,
  });
  const models = new Models({
    sources: options.models,
    defaults,
    workers,
    pollMs: options.pollMs ?? 1000,
    isControllable: options.isControllable ?? true,
    copies: options.copies,
    observer: tell,
    prepare: async (spec) => spec.about.pictures && pictures.warm(spec.about.pictures.preprocess),
  });
  let isDraining = false;
  const context: ServeContext = {
    name: 'graft',
    version: about.version,
    extensions,
    models,
    gates: options.gates ?? [],
    log,
    refused: tell.onRefusal,
    infer: async (request) => infer({ models, pictures, onInfer: tell.onInfer }, request),
    isReady: () => !isDraining && models.isReady(),
    observe(observer) {
      observers.add(observer);
      return () => observers.delete(observer);
    },
  };
  const doors = await openAll(options, context);
  const loaded = models.start();
  loaded.catch(() => undefined);
  return {
    port: doors.port,
    grpcPort: doors.grpcPort,
    context,
    loaded,
    async close({ delayMs = 0, withinMs = 30_000 } = {}) {
      if (isDraining) return;
      isDraining = true;
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      await doors.close(withinMs);
      pictures.close();
      await models.close();
      await workers.close();
    },
  };
}

function defaultsOf(options: ServeOptions): ServingDefaults {
  return {
    provider: options.provider ?? 'cpu',
    maxBatchSize: options.maxBatchSize ?? 32,
    delayMs: options.delayMs ?? 0,
    maxWaiting: options.maxWaiting ?? 1024,
    maxWaitingBytes: options.maxWaitingBytes ?? 256 * 1024 * 1024,
    timeoutMs: options.timeoutMs ?? 60_000,
    instances: options.instances ?? 1,
    threads: options.threads,
  };
}

async function openAll(options: ServeOptions, context: ServeContext): Promise<Doors> {
  const { grpcPort = 8001, prepare, register, tls } = options;
  try {
    return await openDoors(
      {
        host: options.host ?? '127.0.0.1',
        port: options.port ?? 8000,
        grpcPort: grpcPort === false ? undefined : grpcPort,
        tls,
        httpGates: options.httpGates ?? [],
        bodyLimit: options.bodyLimit ?? 64 * 1024 * 1024,
        receiveMs: options.receiveMs ?? 60_000,
        timeoutMs: defaultsOf(options).timeoutMs,
        prepare,
        register,
      },
      context,
    );
  } catch (fault) {
    await context.models.close();
    throw fault;
  }
}

interface Told {
  readonly onInfer: (event: InferEvent) => void;
  readonly onRefusal: (event: RefusalEvent) => void;
  readonly onBatch: (event: BatchEvent) => void;
  readonly onModel: (event: ModelEvent) => void;
}

/** Tells everyone; one that fails does not keep it from the others, or from the client its answer. */
function observerOf(observers: ReadonlySet<ServeObserver>, log: Log): Told {
  const each = (tell: (observer: ServeObserver) => void): void => {
    for (const observer of observers) {
      try {
        tell(observer);
      } catch (fault) {
        log.error({ fault: String(fault) }, 'an observer failed');
      }
    }
  };
  return {
    onInfer: (event) => each((observer) => observer.onInfer?.(event)),
    onRefusal: (event) => each((observer) => observer.onRefusal?.(event)),
    onBatch: (event) => each((observer) => observer.onBatch?.(event)),
    onModel: (event) => each((observer) => observer.onModel?.(event)),
  };
}

function logObserver(log: Log): ServeObserver {
  return {
    onModel({ kind, model, version, reason }) {
      const fields = { model, version, reason };
      if (kind === 'failed' || kind === 'worker-lost') log.error(fields, `model ${kind}`);
      else log.info(fields, `model ${kind}`);
    },
  };
}
