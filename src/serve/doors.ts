import type { AddressInfo } from 'node:net';
import { registerClassify } from './classify.ts';
import type { Gate, ServeContext } from './context.ts';
import { addressFault, GrpcDoor } from './grpc.ts';
import { addInferenceService } from './grpc-service.ts';
import { type HttpApp, openHttp, openRequestsOf, type TlsOptions } from './http.ts';
import { registerProtocol } from './protocol.ts';

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
  readonly isDraining: () => boolean;
  readonly prepare: ((app: HttpApp) => void) | undefined;
  readonly register: ((app: HttpApp, context: ServeContext) => void) | undefined;
}

/** Opens HTTP and gRPC over one context. Nothing is left open when it throws: SERVER_ADDRESS. */
export async function openDoors(options: DoorOptions, context: ServeContext): Promise<Doors> {
  const { host, port, grpcPort } = options;
  const app = httpDoor(options, context);
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
        await Promise.all([closeHttp(app, withinMs), door?.close(withinMs)]);
      },
    };
  } catch (fault) {
    await Promise.all([app.close(), door?.close(0)]);
    throw fault;
  }
}

function httpDoor(options: DoorOptions, context: ServeContext): HttpApp {
  const { bodyLimit, receiveMs, timeoutMs, tls, isDraining, prepare, httpGates } = options;
  const app = openHttp({
    bodyLimit,
    totalBodyLimit: Math.max(16 * bodyLimit, 1024 ** 3),
    receiveMs,
    // The longest answer, and some time to send it.
    silenceMs: timeoutMs + receiveMs,
    gates: [...httpGates, ...context.gates],
    tls,
    log: context.log,
    prepare,
    isDraining,
  });
  registerProtocol(app, context);
  registerClassify(app, context, bodyLimit);
  options.register?.(app, context);
  return app;
}

function grpcDoor({ bodyLimit, tls }: DoorOptions, context: ServeContext): GrpcDoor {
  const { gates, log } = context;
  const door = new GrpcDoor({ messageLimit: bodyLimit, gates, tls, log });
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

/** So long, connections that have sent nothing yet may still send something. */
const graceMs = 300;

async function closeHttp(app: HttpApp, withinMs: number): Promise<void> {
  const start = performance.now();
  // Connections become idle one by one, as their last answers go out; those that never sent a request do not count as
  // idle, and would be waited for until they are cut off.
  const timer = setInterval(() => {
    const ms = performance.now() - start;
    const isDone = ms > graceMs && openRequestsOf(app) === 0;
    if (isDone || ms > withinMs) app.server.closeAllConnections();
    else app.server.closeIdleConnections();
  }, 50);
  try {
    await app.close();
  } finally {
    clearInterval(timer);
  }
}
