import {
  type Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { ToolkitError } from '../../errors.ts';
import { packagedPath } from '../../package.ts';
import type { Call, Gate, Log, TlsOptions } from '../context.ts';
import type { RefusalEvent } from '../request/events.ts';
import { errorText, grpcStatus, statusOf } from '../request/faults.ts';
import { Leaving } from '../request/leaving.ts';
import type { JsonObject } from '../request/request-json.ts';
import { tellRefusal } from '../request/told.ts';
import { Listener } from './listener.ts';
import { onLibraryRefusal, watchStatuses } from './refusals.ts';

/** What a call says beside its message. */
export interface GrpcCall {
  /** When the client cancels, leaves, or its deadline has passed. */
  readonly leaving: Leaving;
  /** Time that its deadline leaves it. */
  readonly timeoutMs: number | undefined;
  header(name: string): string | undefined;
}

/** One message in, one out. */
export type Unary = (message: JsonObject, call: GrpcCall) => Promise<object> | object;

/** Messages in, messages out, until both sides are done. */
export type Stream = (message: JsonObject, call: GrpcCall) => Promise<object>;

/** One message in, messages out until the client has left. */
type Watch = (message: JsonObject, call: GrpcCall, send: (message: object) => void) => void;

/** A service: its protocol file, its full name, and what its methods do. */
export interface GrpcService {
  readonly proto: string;
  readonly name: string;
  readonly unary: Readonly<Record<string, Unary>>;
  readonly streams?: Readonly<Record<string, Stream>>;
  readonly watches?: Readonly<Record<string, Watch>>;
}

/** How the door is opened. */
export interface GrpcOptions {
  /** Bytes of a message, in and out. */
  readonly messageLimit: number;
  readonly gates: readonly Gate[];
  readonly tls: TlsOptions | undefined;
  readonly log: Log;
  /** Told of calls that are refused before they are requests to a model. */
  readonly onRefusal: (event: RefusalEvent) => void;
}

/** The door to @grpc/grpc-js: messages as plain objects, every fault as a status. It knows no methods. */
export class GrpcDoor {
  readonly #server: Server;
  readonly #listener: Listener;
  readonly #options: GrpcOptions;
  #port = 0;

  constructor(options: GrpcOptions) {
    this.#options = options;
    this.#server = new Server({
      'grpc.max_receive_message_length': options.messageLimit,
      'grpc.max_send_message_length': -1,
      // Counts of each call for a service that is not offered: a tenth of what a call costs.
      'grpc.enable_channelz': 0,
      interceptors: [interceptorOf(options)],
    });
    const { tls } = options;
    const credentials = tls ? secure(tls) : ServerCredentials.createInsecure();
    const injector = this.#server.createConnectionInjector(credentials);
    this.#listener = new Listener((socket) => injector.injectConnection(socket));
  }

  /** Adds a service. */
  add({ proto, name, unary, streams = {}, watches = {} }: GrpcService): void {
    // Whole numbers of 64 bits stay whole: they come as objects of two halves.
    const loaded = loadSync(protoPath(proto), {
      keepCase: true,
      enums: String,
      arrays: true,
      objects: true,
      oneofs: true,
    });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the file defines a service under this name
    const definition = loaded[name] as ServiceDefinition;
    const handlers: Record<string, UntypedHandleCall> = {};
    for (const [method, handle] of Object.entries(unary)) handlers[method] = this.#unary(handle);
    for (const [method, handle] of Object.entries(streams)) handlers[method] = this.#stream(handle);
    for (const [method, handle] of Object.entries(watches)) handlers[method] = watch(handle);
    this.#server.addService(definition, handlers);
  }

  /** Listens; gives the port. Throws SERVER_ADDRESS. */
  async listen(host: string, port: number): Promise<number> {
    const bound = await this.#listener.listen(host, port);
    this.#port = bound;
    onLibraryRefusal(bound, (fault, status) => {
      tellRefusal(fault, { door: 'grpc', path: '', status }, this.#options.onRefusal);
    });
    return bound;
  }

  /**
   * Takes no more calls; resolves when those that are under way have ended, or after `withinMs`.
   *
   * Each connection hears the number of the last call that is answered (GOAWAY). Calls that a client has sent meanwhile
   * end with REFUSED_STREAM, and are the client's to send elsewhere, as gRPC's clients do. RFC 9113 (6.8) would have a
   * notice a round trip earlier, but Node reads no more from a connection without calls once it has sent one.
   */
  async close(withinMs: number): Promise<void> {
    this.#listener.close();
    // Not `forceShutdown`, which knows no connections where the counts of channelz are off.
    const timer = setTimeout(() => this.#listener.cut(), withinMs);
    try {
      await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    } finally {
      clearTimeout(timer);
      // Those that are still shaking hands are no sessions, and would stay.
      this.#listener.cut();
      onLibraryRefusal(this.#port, undefined);
    }
  }

  #unary(handle: Unary): UntypedHandleCall {
    return (
      call: ServerUnaryCall<JsonObject, object>,
      answer: (fault: object | null, message?: object) => void,
    ): void => {
      const run = async (): Promise<void> => {
        try {
          answer(null, await handle(call.request, callOf(call)));
        } catch (fault) {
          answer(this.#status(fault, call));
        }
      };
      void run();
    };
  }

  #stream(handle: Stream): UntypedHandleCall {
    return (call: ServerDuplexStream<JsonObject, object>): void => {
      const about = callOf(call);
      let [open, isEnded] = [0, false];
      const finish = (): void => {
        if (isEnded && open === 0) call.end();
      };
      call.on('data', (message: JsonObject) => {
        open += 1;
        if (open >= mostAtOnce) call.pause();
        const run = async (): Promise<void> => {
          call.write(await handle(message, about));
          open -= 1;
          if (open < mostAtOnce) call.resume();
          finish();
        };
        run().catch((fault: unknown) => call.destroy(fault instanceof Error ? fault : undefined));
      });
      call.on('end', () => {
        isEnded = true;
        finish();
      });
      call.on('error', () => undefined);
    };
  }

  #status(fault: unknown, call: ServerUnaryCall<JsonObject, object>): object {
    const { grpc: code } = statusOf(fault);
    if (code === grpcStatus.INTERNAL) {
      const text = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
      this.#options.log.error({ url: call.getPath(), fault: text }, 'request failed');
    }
    const about = refusalOf(call.metadata, { path: call.getPath(), status: code });
    tellRefusal(fault, about, this.#options.onRefusal);
    return { code, details: errorText(fault) };
  }
}

/** Requests of one stream that are worked at. */
const mostAtOnce = 64;

function watch(handle: Watch): UntypedHandleCall {
  return (call: ServerWritableStream<JsonObject, object>): void => {
    handle(call.request, callOf(call), (message) => call.write(message));
  };
}

interface AnyCall {
  readonly metadata: Metadata;
  getDeadline(): Date | number;
  on(event: 'cancelled', listener: () => void): unknown;
}

function callOf(call: AnyCall): GrpcCall {
  const leaving = new Leaving();
  call.on('cancelled', () => leaving.leave());
  const leftMs = Number(call.getDeadline()) - Date.now();
  return {
    leaving,
    timeoutMs: Number.isFinite(leftMs) ? Math.max(0, leftMs) : undefined,
    header: (name) => headerOf(call.metadata, name),
  };
}

function headerOf(metadata: Metadata, name: string): string | undefined {
  return metadata.get(name.toLowerCase())[0]?.toString();
}

/** What is told of a call that is refused. */
function refusalOf(
  metadata: Metadata,
  about: { readonly path: string; readonly status: number },
): Omit<RefusalEvent, 'code'> {
  const requestId = headerOf(metadata, 'x-request-id');
  return { door: 'grpc', ...about, requestId, traceparent: headerOf(metadata, 'traceparent') };
}

/**
 * Asks the gates when the headers are there: the message of a call that is refused is not read. Tells of what grpc-js
 * refuses itself, too: messages that are too large, or that it cannot read.
 *
 * Calls are not wrapped: that costs a tenth more, and grpc-js' own refusals pass no wrapper.
 */
function interceptorOf({ gates, onRefusal }: GrpcOptions): ServerInterceptor {
  return ({ path }, call) => {
    watchStatuses(call);
    if (gates.length > 0) {
      whenHeaded(call, (metadata) => {
        const header = (name: string): string | undefined => headerOf(metadata, name);
        const refusal = firstRefusal(gates, { door: 'grpc', path, header });
        if (!refusal) return true;
        const code = statusOf(refusal).grpc;
        tellRefusal(refusal, refusalOf(metadata, { path, status: code }), onRefusal);
        // oxlint-disable-next-line typescript/no-unsafe-enum-assignment -- faults.ts has gRPC's own numbers
        call.sendStatus({ code, details: errorText(refusal) });
        return false;
      });
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the type wants a wrapper, but grpc-js only calls the methods that every call has
    return call as ServerInterceptingCall;
  };
}

function firstRefusal(gates: readonly Gate[], call: Call): ToolkitError | undefined {
  for (const gate of gates) {
    const refusal = gate(call);
    if (refusal) return refusal;
  }
  return undefined;
}

/** Calls `ask` with the headers of a call; its method gets them, and reads on, where that gives true. */
function whenHeaded(
  call: ServerInterceptingCallInterface,
  ask: (metadata: Metadata) => boolean,
): void {
  const start = call.start.bind(call);
  call.start = (listener) => {
    const pass = listener.onReceiveMetadata.bind(listener);
    listener.onReceiveMetadata = (metadata) => {
      if (ask(metadata)) pass(metadata);
    };
    start(listener);
  };
}

function secure({ key, cert, ca }: TlsOptions): ServerCredentials {
  const pair = { private_key: Buffer.from(key), cert_chain: Buffer.from(cert) };
  return ServerCredentials.createSsl(ca ? Buffer.from(ca) : null, [pair], ca !== undefined);
}

function protoPath(name: string): string {
  const found = packagedPath('proto', name);
  if (found === undefined) throw new Error(`Bug: the package has no proto/${name}`);
  return found;
}
