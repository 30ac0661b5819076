import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { ToolkitError } from '../../errors.ts';
import type { Gate, Log, TlsOptions } from '../context.ts';
import type { RefusalEvent } from '../request/events.ts';
import { errorText, retryAfterSeconds, statusOf } from '../request/faults.ts';
import { Leaving } from '../request/leaving.ts';
import { tellRefusal } from '../request/told.ts';
import { cancelled } from '../request/waiting.ts';
import { answerClientError } from './client-errors.ts';
import { requestIds } from './request-id.ts';
import { inTurn, unansweredOf } from './turns.ts';

/** The application that routes are registered at. */
export type HttpApp = FastifyInstance;
export type HttpRequest = FastifyRequest;
export type HttpReply = FastifyReply;

/** How the door is opened. */
export interface HttpOptions {
  /** Bytes of a body, also after it has been decompressed. */
  readonly bodyLimit: number;
  /** Bytes of all bodies that are on their way in or being answered. */
  readonly totalBodyLimit: number;
  /** Time for a client to send a request whole. */
  readonly receiveMs: number;
  /** Time in which a connection may be silent; longer than any answer takes. */
  readonly silenceMs: number;
  readonly gates: readonly Gate[];
  readonly tls: TlsOptions | undefined;
  readonly log: Log;
  /** Told of calls that are refused before they are requests to a model. */
  readonly onRefusal?: ((event: RefusalEvent) => void) | undefined;
  /** Registers what comes before every refusal: headers of all answers, and the question whether a page may call. */
  readonly prepare?: ((app: HttpApp) => void) | undefined;
  /** Whether connections are to be closed after their answer. */
  readonly isDraining: () => boolean;
}

/**
 * The door to fastify: bodies as bytes whatever they say they are, every fault as `{"error": "…"}`, gates before
 * bodies, slow clients cut off. It knows no routes.
 */
export function openHttp(options: HttpOptions): HttpApp {
  const app = Fastify({
    bodyLimit: options.bodyLimit,
    requestTimeout: options.receiveMs,
    connectionTimeout: options.silenceMs,
    keepAliveTimeout: 75_000,
    requestIdHeader: false,
    genReqId: requestIds(),
    // What comes while the server drains is answered too.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 1000, ignoreTrailingSlash: true },
    clientErrorHandler: (fault, socket) => answerClientError(fault, socket, options.onRefusal),
    // Paths that cannot be decoded, or are too long, come to no route and no gate.
    frameworkErrors: (fault, request, reply) => answerFault(fault, { request, reply, options }),
    http: {
      headersTimeout: Math.min(15_000, options.receiveMs),
      connectionsCheckingInterval: 1000,
    },
    ...(options.tls && { https: httpsOptions(options.tls) }),
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  options.prepare?.(app);
  countRequests(app);
  guard(app, options);
  lastAnswers(app, options.isDraining);
  app.setErrorHandler((fault, request, reply) => {
    answerFault(fault, { request, reply, options });
  });
  app.setNotFoundHandler((request, reply) => {
    options.onRefusal?.({ ...refusalOf(request, 404), code: 'PATH_UNKNOWN' });
    return reply.code(404).send({ error: 'Not Found' });
  });
  return app;
}

function httpsOptions(tls: TlsOptions): Record<string, unknown> {
  const client = tls.ca && { ca: tls.ca, requestCert: true, rejectUnauthorized: true };
  return { key: tls.key, cert: tls.cert, minVersion: 'TLSv1.2', ...client };
}

/** Requests of each application that have come and are not answered whole. */
const openRequests = new WeakMap<HttpApp, number>();

function countRequests(app: HttpApp): void {
  const add = (change: number): void => {
    openRequests.set(app, openRequestsOf(app) + change);
  };
  app.addHook('onRequest', (request, reply, done) => {
    add(1);
    reply.raw.once('close', () => add(-1));
    inTurn(request.raw, reply.raw, done);
  });
}

/** How many requests have come and are not answered whole. */
export function openRequestsOf(app: HttpApp): number {
  return openRequests.get(app) ?? 0;
}

/** What is asked before a body is read. */
function guard(app: HttpApp, { gates, totalBodyLimit, bodyLimit }: HttpOptions): void {
  let inFlight = 0;
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    const call = {
      door: 'http' as const,
      path: pathOf(request),
      header: (name: string) => single(request.headers[name.toLowerCase()]),
    };
    for (const gate of gates) {
      const refusal = gate(call);
      if (refusal) {
        done(refusal);
        return;
      }
    }
    const declared = request.headers['content-length'];
    const isChunked = request.headers['transfer-encoding'] !== undefined;
    const bytes = isChunked ? bodyLimit : Number(declared ?? 0);
    if (bytes === 0 || bytes > bodyLimit) {
      done();
      return;
    }
    if (inFlight > 0 && inFlight + bytes > totalBodyLimit) {
      done(
        new ToolkitError('SERVER_BUSY', 'Too many large requests are on their way', {
          hint: 'Send it again a little later.',
        }),
      );
      return;
    }
    inFlight += bytes;
    reply.raw.once('close', () => {
      inFlight -= bytes;
    });
    done();
  });
}

/** What is answered while the server drains is the last answer of its connection, unless others have come by it. */
function lastAnswers(app: HttpApp, isDraining: () => boolean): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    if (isDraining() && unansweredOf(request.raw.socket) <= 1)
      void reply.header('connection', 'close');
    done(null, payload);
  });
}

const pathOf = ({ url }: HttpRequest): string => url.split('?')[0] ?? '';

/** One value of a header that may have come several times. */
function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function answerFault(
  fault: unknown,
  {
    request,
    reply,
    options,
  }: { readonly request: HttpRequest; readonly reply: HttpReply; readonly options: HttpOptions },
): void {
  if (fault instanceof WrongMethod) {
    options.onRefusal?.({ ...refusalOf(request, 405), code: 'METHOD_UNKNOWN' });
    void reply.code(405).send({ error: 'Method Not Allowed' });
    return;
  }
  const known = knownFault(fault, request);
  const { http } = statusOf(known);
  const retry = retryAfterSeconds(known);
  if (retry !== undefined) reply.header('retry-after', String(retry));
  if (http === 401) reply.header('www-authenticate', 'Bearer');
  if (http === 500) {
    options.log.error(
      { requestId: request.id, url: request.url, fault: textOf(fault) },
      'request failed',
    );
  }
  const status = http === 500 ? (statusCodeOf(fault) ?? 500) : http;
  // Several codes have one status: whoever handles them in a program need not read the text.
  if (known instanceof ToolkitError) reply.header('x-graft-code', known.code);
  tellRefusal(known, refusalOf(request, status), (event) => options.onRefusal?.(event));
  reply
    .code(status)
    .type('application/json')
    .send(JSON.stringify({ error: errorText(known) }));
}

/** What is told of a call that is refused. */
function refusalOf(request: HttpRequest, status: number): Omit<RefusalEvent, 'code'> {
  const { traceparent } = request.headers;
  return {
    door: 'http',
    status,
    path: pathOf(request),
    requestId: request.id,
    traceparent: single(traceparent),
  };
}

/** Fastify's own faults, in our words. */
function knownFault(fault: unknown, { server }: HttpRequest): unknown {
  const status = statusCodeOf(fault);
  if (fault instanceof ToolkitError || status === undefined) return fault;
  if (status === 413) {
    const limit = server.initialConfig.bodyLimit ?? 0;
    return new ToolkitError('REQUEST_TOO_LARGE', `The body is larger than ${limit} bytes`, {
      hint: 'Send less at once; binary tensors are far smaller than JSON.',
    });
  }
  // The client left while its body was on its way.
  if (fault instanceof Error && 'code' in fault && fault.code === 'ECONNRESET') return cancelled();
  const what = fault instanceof Error ? fault.message : 'The request is wrong';
  return new ToolkitError('REQUEST_INVALID', what, {
    hint: 'See the description of the protocol.',
  });
}

function statusCodeOf(fault: unknown): number | undefined {
  if (!(fault instanceof Error) || !('statusCode' in fault)) return undefined;
  const { statusCode } = fault;
  return typeof statusCode === 'number' && statusCode < 500 ? statusCode : undefined;
}

function textOf(fault: unknown): string {
  return fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
}

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const;

/** The path is there, but not by this method. */
class WrongMethod extends Error {}

/** Registers a route; the same path by another method is answered 405. */
export function route(
  app: HttpApp,
  method: 'GET' | 'POST',
  url: string,
  handle: (request: HttpRequest, reply: HttpReply) => unknown,
): void {
  app.route({
    method,
    url,
    // Whatever a handler gives is sent when it is there.
    handler: async (request, reply) => Promise.resolve(handle(request, reply)),
  });
  const allowed = method === 'GET' ? 'GET, HEAD' : method;
  app.route({
    method: methods.filter((one) => !allowed.includes(one)),
    url,
    exposeHeadRoute: false,
    handler(_request, reply) {
      reply.header('allow', allowed);
      throw new WrongMethod();
    },
  });
}

/** Refuses every request to a path, whatever its method. */
export function refuseAt(app: HttpApp, url: string, fault: () => ToolkitError): void {
  app.all(url, () => {
    throw fault();
  });
}

/** Told when the client leaves before its answer. */
export function leavingOf({ raw }: HttpReply): Leaving {
  const leaving = new Leaving();
  raw.once('close', () => {
    if (!raw.writableFinished) leaving.leave();
  });
  return leaving;
}
