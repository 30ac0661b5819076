import { answers, type Reader } from './answers.ts';
import { type Exchange, refusal, ServerError, unintelligible } from './fault.ts';
import {
  decodeResult,
  encodeRequest,
  type InferRequest,
  type InferResult,
  jsonLengthHeader,
} from './inference.ts';
import type { Classification, ModelMetadata, RepositoryEntry, ServerMetadata } from './protocol.ts';

/** Settings of a client. */
export interface ClientOptions {
  /** Sent as `Authorization: Bearer …`. */
  readonly apiKey?: string | undefined;
  /** For each call, until its whole answer is there; default: none. */
  readonly timeoutMs?: number | undefined;
  /** Sent with each request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** In the place of the global one: for a proxy, or own certificates. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

/** Settings of one call. */
export interface CallOptions {
  /** Overrules the client's; the server stops working on the request then, too. */
  readonly timeoutMs?: number | undefined;
  /** Aborts the call, which then rejects with the signal's reason: an AbortError unless it has another, as with fetch. */
  readonly signal?: AbortSignal | undefined;
}

/** Settings of a call to one model. */
export interface ModelCallOptions extends CallOptions {
  /** Default: the newest. */
  readonly version?: string | undefined;
}

/** Settings of `classify`. */
export interface ClassifyOptions extends ModelCallOptions {
  /** How many classes; default: 5. */
  readonly top?: number | undefined;
}

/** An image file's content: JPEG, PNG, WebP and what else the server reads. */
export type ImageContent = Blob | Uint8Array | ArrayBuffer;

interface Call extends CallOptions {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Blob | Uint8Array | ArrayBuffer | string;
}

interface Answer {
  readonly exchange: Exchange;
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/**
 * A client of the Open Inference Protocol v2 and of graft's image route, for browsers and Node.
 *
 * Tensors travel as bytes in both directions. Every failed call throws a `ServerError`; an aborted one, the reason of
 * its signal; a tensor that fits no request, a ToolkitError (REQUEST_INVALID). It keeps no connection of its own, so there is nothing to close.
 */
export class GraftClient {
  readonly #origin: string;
  readonly #options: ClientOptions;

  /** `address` is where the server is, such as `http://127.0.0.1:8000`. */
  constructor(address: string | URL, options: ClientOptions = {}) {
    this.#origin = String(address).replace(/\/+$/, '');
    this.#options = options;
  }

  /** Whether the server runs; false also when it cannot be reached. */
  async isLive(options: CallOptions = {}): Promise<boolean> {
    return this.#isFine('/v2/health/live', options);
  }

  /** Whether all models can answer. */
  async isReady(options: CallOptions = {}): Promise<boolean> {
    return this.#isFine('/v2/health/ready', options);
  }

  /** Whether one model can answer. */
  async isModelReady(model: string, options: ModelCallOptions = {}): Promise<boolean> {
    return this.#isFine(`${pathOf(model, options)}/ready`, options);
  }

  /** What the server is. */
  async serverMetadata(options: CallOptions = {}): Promise<ServerMetadata> {
    return this.#json({ method: 'GET', path: '/v2', ...options }, answers.server);
  }

  /** What a model takes and puts out. */
  async modelMetadata(model: string, options: ModelCallOptions = {}): Promise<ModelMetadata> {
    return this.#json({ method: 'GET', path: pathOf(model, options), ...options }, answers.model);
  }

  /** Runs a model. */
  async infer(
    model: string,
    request: InferRequest,
    options: ModelCallOptions = {},
  ): Promise<InferResult> {
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs;
    const { body, jsonBytes } = encodeRequest(request, timeoutMs);
    const answer = await this.#send({
      method: 'POST',
      path: `${pathOf(model, options)}/infer`,
      headers: {
        'content-type': 'application/octet-stream',
        [jsonLengthHeader]: String(jsonBytes),
      },
      body,
      ...options,
    });
    const length = answer.headers.get(jsonLengthHeader);
    return read(answer, () =>
      decodeResult(answer.bytes, length === null ? undefined : Number(length)),
    );
  }

  /** The best classes of an image; how it becomes the model's input is the model's own affair. */
  async classify(
    model: string,
    image: ImageContent,
    options: ClassifyOptions = {},
  ): Promise<Classification> {
    const timeoutMs = options.timeoutMs ?? this.#options.timeoutMs;
    const call: Call = {
      method: 'POST',
      path: `${pathOf(model, options)}/classify?${classifyQuery(options, timeoutMs)}`,
      headers: { 'content-type': 'application/octet-stream' },
      body: image,
      ...options,
    };
    return this.#json(call, answers.classification);
  }

  /** Every model that the server knows of, with its state. */
  async repository(options: CallOptions = {}): Promise<readonly RepositoryEntry[]> {
    const call: Call = { method: 'POST', path: '/v2/repository/index', ...options };
    return this.#json(call, answers.repository);
  }

  /** Loads a model of the repository, or loads it again. */
  async load(model: string, options: CallOptions = {}): Promise<void> {
    await this.#send({ method: 'POST', path: repositoryPath(model, 'load'), ...options });
  }

  /** Takes a model out of service. */
  async unload(model: string, options: CallOptions = {}): Promise<void> {
    await this.#send({ method: 'POST', path: repositoryPath(model, 'unload'), ...options });
  }

  async #isFine(path: string, options: CallOptions): Promise<boolean> {
    try {
      await this.#send({ method: 'GET', path, ...options });
      return true;
    } catch (error) {
      if (error instanceof ServerError) return false;
      throw error;
    }
  }

  async #json<T>(call: Call, reader: Reader<T>): Promise<T> {
    const answer = await this.#send(call);
    return read(answer, () => {
      const json: unknown = JSON.parse(new TextDecoder().decode(answer.bytes));
      return reader(json, '');
    });
  }

  async #send(call: Call): Promise<Answer> {
    const { apiKey, headers, timeoutMs: usual, fetch = globalThis.fetch } = this.#options;
    const timeoutMs = call.timeoutMs ?? usual;
    const deadline = timeoutMs === undefined ? undefined : AbortSignal.timeout(timeoutMs);
    const signals = [call.signal, deadline].filter((signal) => signal !== undefined);
    const url = `${this.#origin}${call.path}`;
    try {
      const response = await fetch(url, {
        method: call.method,
        headers: {
          ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
          ...headers,
          ...call.headers,
        },
        body: call.body ?? null,
        signal: AbortSignal.any(signals),
      });
      // Read under the same deadline: a server may begin an answer and never end it.
      const bytes = new Uint8Array(await response.arrayBuffer());
      return checked(response, { url, bytes });
    } catch (cause) {
      if (cause instanceof ServerError) throw cause;
      call.signal?.throwIfAborted();
      throw deadline?.aborted ? tooLate(url, timeoutMs, cause) : unreachable(url, cause);
    }
  }
}

function pathOf(model: string, { version }: ModelCallOptions): string {
  const path = `/v2/models/${encodeURIComponent(model)}`;
  return version === undefined ? path : `${path}/versions/${encodeURIComponent(version)}`;
}

function classifyQuery({ top = 5 }: ClassifyOptions, timeoutMs: number | undefined): string {
  return timeoutMs === undefined ? `top=${top}` : `top=${top}&timeout_ms=${Math.ceil(timeoutMs)}`;
}

function repositoryPath(model: string, action: 'load' | 'unload'): string {
  return `/v2/repository/models/${encodeURIComponent(model)}/${action}`;
}

function checked(
  response: Response,
  { url, bytes }: { readonly url: string; readonly bytes: Uint8Array },
): Answer {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  const exchange: Exchange = {
    url,
    status: response.status,
    requestId: response.headers.get('x-request-id') ?? undefined,
    code: response.headers.get('x-graft-code') ?? undefined,
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : undefined,
  };
  if (!response.ok) throw refusal(exchange, reasonIn(new TextDecoder().decode(bytes)));
  return { exchange, headers: response.headers, bytes };
}

/** What the server says, in the protocol's form `{"error": …}` or as plain text. */
function reasonIn(body: string): string {
  try {
    const json: unknown = JSON.parse(body);
    if (typeof json === 'object' && json !== null && 'error' in json) return String(json.error);
  } catch {
    // Not JSON: a proxy in between has answered in its own words.
  }
  return body.slice(0, 200);
}

function read<T>({ exchange }: Answer, reading: () => T): T {
  try {
    return reading();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw unintelligible(exchange, `The answer cannot be understood: ${reason}`, cause);
  }
}

function tooLate(url: string, timeoutMs: number | undefined, cause: unknown): ServerError {
  return new ServerError('REQUEST_TIMEOUT', `There was no answer within ${timeoutMs} ms`, {
    exchange: { url },
    hint: 'Allow more time ("timeoutMs"), or send fewer requests at once.',
    cause,
  });
}

function unreachable(url: string, cause: unknown): ServerError {
  // Node's fetch says "fetch failed", and the reason in its cause.
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const reason = inner instanceof Error ? inner.message || inner.name : String(inner);
  return new ServerError('SERVER_UNREACHABLE', `The server cannot be reached: ${reason}`, {
    exchange: { url },
    hint: 'Check the address, and that `graft serve` runs; from a browser, that it allows this origin (--cors).',
    cause,
  });
}
