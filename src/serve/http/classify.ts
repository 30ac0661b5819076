import multipart from '@fastify/multipart';
import { ToolkitError } from '../../errors.ts';
import { bestScores, type Score } from '../../runtime/predict.ts';
import type { ServeContext } from '../context.ts';
import { findTarget, takesPictures } from '../models/target.ts';
import { invalid } from '../request/check.ts';
import { valuesOf } from '../request/classification.ts';
import type { InferTiming } from '../request/infer.ts';
import type { Leaving } from '../request/leaving.ts';
import { isObject } from '../request/request-json.ts';
import { bodyOf } from './encoding.ts';
import { type HttpApp, type HttpReply, type HttpRequest, leavingOf, route } from './http.ts';
import { whichOf } from './protocol.ts';

/** What a model says of one picture, as JSON. */
interface Classification {
  readonly model_name: string;
  readonly model_version: string;
  /** The best first. */
  readonly predictions: readonly Score[];
  /** Whether the scores of all classes are probabilities: each in 0..1, together 1. */
  readonly is_distribution: boolean;
  readonly timing: {
    readonly queue_ms: number;
    readonly decode_ms: number;
    readonly compute_ms: number;
    readonly total_ms: number;
  };
}

/** Pictures of one request. */
const mostPictures = 64;

/**
 * Registers `POST …/classify`: a picture, or a form with one or several, and labelled classes back.
 *
 * `?top=` is the number of classes, 5 unless given; `?timeout_ms=` the time that the client allows.
 */
export function registerClassify(app: HttpApp, context: ServeContext, bodyLimit: number): void {
  void app.register(async (scope) => {
    const limits = {
      fileSize: bodyLimit,
      files: mostPictures,
      fields: 20,
      parts: mostPictures + 20,
    };
    await scope.register(multipart, { limits, throwFileSizeLimit: true });
    for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
      route(scope, 'POST', `${path}/classify`, async (request, reply) =>
        classify(context, request, reply),
      );
    }
  });
}

async function classify(
  context: ServeContext,
  request: HttpRequest,
  reply: HttpReply,
): Promise<Classification | { readonly images: readonly Classification[] }> {
  const { served } = findTarget(context.models, whichOf(request));
  if (!takesPictures(served)) {
    const why = served.spec.about.noPictures ?? '';
    throw invalid(`model '${served.name}' takes no pictures: ${why}`);
  }
  if (served.classes === undefined && served.spec.about.pictures?.isProbability !== true) {
    throw notClassifier(served.name);
  }
  const pictures = request.isMultipart() ? await partsOf(request) : [await bodyOf(request)];
  if (pictures.length === 0) {
    throw invalid("the form has no picture: a file field, 'image' for one, is expected");
  }
  const top = numberIn(request, 'top') ?? 5;
  const timeoutMs = numberIn(request, 'timeout_ms');
  const asked = { request, top, timeoutMs, leaving: leavingOf(reply) };
  const images = await Promise.all(
    pictures.map(async (bytes) => classifyOne(context, served.name, { ...asked, bytes })),
  );
  const [only] = images;
  return images.length === 1 && only ? only : { images };
}

/** Numbers that are no scores of classes would be told as if they were. */
function notClassifier(name: string): ToolkitError {
  return new ToolkitError(
    'REQUEST_INVALID',
    `model '${name}' is no classifier: it names no classes, and its output is neither a softmax nor a sigmoid`,
    {
      hint:
        `Its numbers for a picture: POST /v2/models/${name}/infer, with the picture as BYTES of its input. ` +
        'If they are scores of classes, name these in labels.txt beside its config.pbtxt.',
    },
  );
}

async function partsOf(request: HttpRequest): Promise<readonly Buffer[]> {
  const pictures: Buffer[] = [];
  try {
    for await (const part of request.parts()) {
      if (part.type === 'file') pictures.push(await part.toBuffer());
    }
  } catch (fault) {
    throw formFault(fault);
  }
  return pictures;
}

/** What is wrong with a form, whoever found it: the parser has errors with and without codes. */
function formFault(fault: unknown): unknown {
  if (!(fault instanceof Error)) return fault;
  const code = 'code' in fault ? String(fault.code) : '';
  if (/^FST_(?:FILES|PARTS|FIELDS)_LIMIT$/.test(code)) {
    return new ToolkitError(
      'REQUEST_TOO_LARGE',
      `The form has more than ${mostPictures} pictures`,
      {
        hint: 'Send fewer at once.',
        cause: fault,
      },
    );
  }
  // The limit of the body, and a client that has left, are told apart by whoever answers.
  if (code === 'FST_REQ_FILE_TOO_LARGE' || code === 'ECONNRESET') return fault;
  return new ToolkitError('REQUEST_INVALID', `the form cannot be read: ${fault.message}`, {
    hint: 'Send multipart/form-data with its boundary, whole: curl -F image=@cat.jpg does.',
    cause: fault,
  });
}

async function classifyOne(
  context: ServeContext,
  model: string,
  asked: {
    readonly request: HttpRequest;
    readonly top: number;
    readonly timeoutMs: number | undefined;
    readonly leaving: Leaving;
    readonly bytes: Buffer;
  },
): Promise<Classification> {
  const start = performance.now();
  const { version } = whichOf(asked.request);
  const { served } = findTarget(context.models, { model, version });
  const { about } = served.spec;
  const ends = about.pictures;
  if (!ends) throw new Error('Bug: a model without pictures');
  const { traceparent } = asked.request.headers;
  const response = await context.infer({
    model,
    version,
    inputs: [{ name: ends.input, datatype: 'BYTES', shape: [1], data: [asked.bytes] }],
    outputs: [{ name: ends.output }],
    timeoutMs: asked.timeoutMs,
    leaving: asked.leaving,
    door: 'http',
    requestId: asked.request.id,
    traceparent: typeof traceparent === 'string' ? traceparent : undefined,
  });
  const [output] = response.outputs;
  if (!output) throw new Error('Bug: no output came');
  const { top, isDistribution } = bestScores(valuesOf(output), served.classes, asked.top);
  return {
    model_name: response.model,
    model_version: response.version,
    predictions: top,
    is_distribution: isDistribution,
    timing: timingOf(response.timing, performance.now() - start),
  };
}

const ms = (ns: number): number => Math.round(ns / 1e3) / 1e3;

function timingOf(timing: InferTiming, totalMs: number): Classification['timing'] {
  return {
    queue_ms: ms(timing.queueNs),
    decode_ms: ms(timing.computeInputNs),
    compute_ms: ms(timing.computeInferNs),
    total_ms: ms(totalMs * 1e6),
  };
}

/** A positive whole number of the query. Throws REQUEST_INVALID. */
function numberIn({ query }: HttpRequest, name: string): number | undefined {
  const text = isObject(query) ? query[name] : undefined;
  if (text === undefined) return undefined;
  const value = typeof text === 'string' ? Number(text) : Number.NaN;
  if (Number.isInteger(value) && value > 0) return value;
  throw new ToolkitError('REQUEST_INVALID', `'${name}' must be a whole number above 0`, {
    hint: `For example ?${name}=5.`,
  });
}
