import { type AddressInfo, Server as NetServer } from 'node:net';
import type { Gate, ServeContext, TlsOptions } from './context.ts';
import { GrpcDoor } from './grpc/grpc.ts';
import { addressFault } from './grpc/listener.ts';
import { addInferenceService } from './grpc/service.ts';
import { registerClassify } from './http/classify.ts';
import { type HttpApp, openHttp, openRequestsOf } from './http/http.ts';
import { registerProtocol } from './http/protocol.ts';
import { registerProtocolV1 } from './http/protocol-v1.ts';

/** Both doors, open. */
export interface Doors {
  readonly port: number;
  readonly grpcPort: number | undefined;
  /** Takes nothing more; resolves when what has come is answered, or after `withinMs`. */
  close(withinMs: number): Promise<void>;
}

/** How both doors are opened. */
export interface DoorOptions {
  readonly host: string;
  readonly port: number;
  /** `undefined`: no gRPC. */
  readonly grpcPort: number | undefined;
  readonly tls: TlsOptions | undefined;
  readonly httpGates: readonly Gate[];
  readonly bodyLimit: number;
  readonly receiveMs: number;
  /** The longest time for an answer. */
  readonly timeoutMs: number;
  readonly prepare: ((app: HttpApp) => void) | undefined;
  readonly register: ((app: HttpApp, context: ServeContext) => void) | undefined;
}

/** Opens HTTP and gRPC over one context. Nothing is left open when it throws: SERVER_ADDRESS. */
export async function openDoors(options: DoorOptions, context: ServeContext): Promise<Doors> {
  const { host, port, grpcPort } = options;
  let isClosing = false;
  const app = httpDoor(options, context, () => isClosing);
  const door = grpcPort === undefined ? undefined : grpcDoor(options, context);
  try {
    const bound = grpcPort === undefined ? undefined : await door?.listen(host, grpcPort);
    await listen(app, host, port);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a server that listens at a port has an address of this form
    const { port: httpPort } = app.server.address() as AddressInfo;
    return {
      port: httpPort,
      grpcPort: bound,
      async close(withinMs) {
        // First no more connections, then the word that answers are the last of theirs: whoever hears it connects anew
        // at once, which must not be here.
        stopListening(app);
        isClosing = true;
        await Promise.all([closeHttp(app, withinMs), door?.close(withinMs)]);
      },
    };
  } catch (fault) {
    await Promise.all([app.close(), door?.close(0)]);
    throw fault;
  }
}

function httpDoor(options: DoorOptions, context: ServeContext, isDraining: () => boolean): HttpApp {
  const { bodyLimit, receiveMs, timeoutMs, tls, prepare, httpGates } = options;
  const app = openHttp({
    bodyLimit,
    totalBodyLimit: Math.max(16 * bodyLimit, 1024 ** 3),
    receiveMs,
    // The longest answer, and some time to send it.
    silenceMs: timeoutMs + receiveMs,
    gates: [...httpGates, ...context.gates],
    tls,
    log: context.log,
    onRefusal: context.refused,
    prepare,
    isDraining,
  });
  registerProtocol(app, context);
  registerProtocolV1(app, context);
  registerClassify(app, context, bodyLimit);
  options.register?.(app, context);
  return app;
}

function grpcDoor({ bodyLimit, tls }: DoorOptions, context: ServeContext): GrpcDoor {
  const { gates, log, refused } = context;
  const door = new GrpcDoor({ messageLimit: bodyLimit, gates, tls, log, onRefusal: refused });
  addInferenceService(door, context);
  return door;
}

async function listen(app: HttpApp, host: string, port: number): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (fault) {
    if (fault instanceof Error && 'syscall' in fault) throw addressFault(`${host}:${port}`, fault);
    throw fault;
  }
}

/** The close of an HTTP server would end idle connections at once; that of a socket server takes no more of them. */
function stopListening({ server }: HttpApp): void {
  NetServer.prototype.close.call(server);
}

/** So long, a connection that is open may still bring a request: one that was on its way, or its first. */
const graceMs = 300;

/**
 * Ends connections, but none that a client may just be writing to: each ends with the answer to its
 * next request, which says so, and what is still idle after a while ends then.
 */
async function closeHttp(app: HttpApp, withinMs: number): Promise<void> {
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, Math.min(graceMs, withinMs)));
  // Connections become idle one by one, as their last answers go out; those that never sent a request do not count as
  // idle, and would be waited for until they are cut off.
  const timer = setInterval(() => {
    const isLate = performance.now() - start > withinMs;
    if (isLate || openRequestsOf(app) === 0) app.server.closeAllConnections();
    else app.server.closeIdleConnections();
  }, 50);
  try {
    await app.close();
  } finally {
    clearInterval(timer);
  }
}
