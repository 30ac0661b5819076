import { ToolkitError } from '../../errors.ts';
import type { ServeContext } from '../context.ts';
import {
  configOf,
  indexOf,
  metadataOf,
  modelNames,
  statisticsOf,
  summaryOf,
} from '../models/metadata.ts';
import { parseJsonConfig } from '../models/model-config.ts';
import { findTarget } from '../models/target.ts';
import { invalid } from '../request/check.ts';
import { errorText } from '../request/faults.ts';
import { isObject, type JsonObject, objectIn } from '../request/request-json.ts';
import { refusalOf, unserved } from '../request/unserved.ts';
import { bodyOf, packed } from './encoding.ts';
import {
  type HttpApp,
  type HttpReply,
  type HttpRequest,
  leavingOf,
  refuseAt,
  route,
} from './http.ts';
import { readInferBody } from './request.ts';
import { checkReplyable, writeInferReply } from './response.ts';

/** What the path says of a model. */
export interface Which {
  readonly model: string;
  readonly version: string | undefined;
}

/** Registers the Open Inference Protocol, version 2, with Triton's extensions that are named in its metadata. */
export function registerProtocol(app: HttpApp, context: ServeContext): void {
  registerServer(app, context);
  for (const path of ['/v2/models/:model', '/v2/models/:model/versions/:version']) {
    registerModel(app, context, path);
  }
  registerRepository(app, context);
  for (const one of unserved) {
    for (const path of one.paths) refuseAt(app, path, () => refusalOf(one));
  }
}

function registerServer(app: HttpApp, context: ServeContext): void {
  const { name, version, extensions, models } = context;
  route(app, 'GET', '/v2', () => ({ name, version, extensions }));
  route(app, 'GET', '/v2/health/live', () => ({ live: true }));
  route(app, 'GET', '/v2/health/ready', (_request, reply) => {
    if (context.isReady()) return { ready: true };
    const error = 'Not ready: a model is missing or loading, or the server is about to stop.';
    return reply.code(503).send({ ready: false, error });
  });
  route(app, 'GET', '/v2/models', () => ({ models: modelNames(context) }));
  route(app, 'GET', '/v2/models/stats', () => ({ model_stats: statisticsOf(models, {}) }));
}

function registerModel(app: HttpApp, context: ServeContext, path: string): void {
  const { models } = context;
  route(app, 'GET', path, (request) => metadataOf(models, whichOf(request)));
  route(app, 'GET', `${path}/ready`, (request, reply) => {
    const which = whichOf(request);
    try {
      const { name } = findTarget(models, which);
      return { name, ready: true };
    } catch (fault) {
      if (!(fault instanceof ToolkitError) || fault.code !== 'MODEL_NOT_READY') throw fault;
      return reply.code(503).send({ name: which.model, ready: false, error: errorText(fault) });
    }
  });
  route(app, 'GET', `${path}/config`, (request) => configOf(models, whichOf(request)));
  route(app, 'GET', `${path}/summary`, (request) => summaryOf(models, whichOf(request)));
  route(app, 'GET', `${path}/stats`, (request) => ({
    model_stats: statisticsOf(models, whichOf(request)),
  }));
  route(app, 'POST', `${path}/infer`, async (request, reply) => infer(context, request, reply));
}

/** The names in a path, as fastify has decoded them. */
export function whichOf({ params }: HttpRequest): Which {
  const { model, version } = isObject(params) ? params : {};
  return {
    model: typeof model === 'string' ? model : '',
    version: typeof version === 'string' ? version : undefined,
  };
}

async function infer(
  context: ServeContext,
  request: HttpRequest,
  reply: HttpReply,
): Promise<Buffer | string> {
  const which = whichOf(request);
  const { expected } = findTarget(context.models, which);
  const { headers } = request;
  const headerLength = headers['inference-header-content-length'];
  const body = await bodyOf(request);
  const asked = readInferBody(
    body,
    Array.isArray(headerLength) ? headerLength[0] : headerLength,
    expected,
  );
  checkReplyable(plainOutputs(asked.outputs, expected.outputs), asked.isBinary);
  const { traceparent } = headers;
  const response = await context.infer({
    ...which,
    ...asked,
    door: 'http',
    leaving: leavingOf(reply),
    requestId: request.id,
    traceparent: typeof traceparent === 'string' ? traceparent : undefined,
  });
  const { body: bytes, headerLength: length } = writeInferReply(response, asked.isBinary);
  reply.type(length === undefined ? 'application/json' : 'application/octet-stream');
  if (length !== undefined) reply.header('inference-header-content-length', String(length));
  return packed(bytes, request, reply);
}

/** The outputs that are asked for as numbers. */
function plainOutputs<T extends { readonly name: string }>(
  asked:
    | readonly { readonly name: string; readonly classification?: number | undefined }[]
    | undefined,
  outputs: readonly T[],
): readonly T[] {
  if (!asked || asked.length === 0) return outputs;
  return outputs.filter(({ name }) =>
    asked.some((one) => one.name === name && (one.classification ?? 0) === 0),
  );
}

function registerRepository(app: HttpApp, { models }: ServeContext): void {
  route(app, 'POST', '/v2/repository/index', async (request) =>
    indexOf(models, (await jsonOf(request))['ready'] === true),
  );
  route(app, 'POST', '/v2/repository/models/:model/load', async (request, reply) => {
    const parameters = objectIn(await jsonOf(request), 'parameters', 'the request');
    const { config, ...others } = parameters;
    const file = Object.keys(others).find((key) => key.startsWith('file:'));
    if (file !== undefined) {
      throw new ToolkitError(
        'REQUEST_UNSUPPORTED',
        `Models are not taken from requests ('${file.slice(0, 40)}')`,
        {
          hint: 'Put the file into the folder of models, and load it from there.',
        },
      );
    }
    if (config !== undefined && typeof config !== 'string') {
      throw invalid("'config' of the parameters must be a string with JSON in it");
    }
    await models.load(
      whichOf(request).model,
      config === undefined ? undefined : parseJsonConfig(config),
    );
    return reply.code(200).send();
  });
  route(app, 'POST', '/v2/repository/models/:model/unload', async (request, reply) => {
    await models.unload(whichOf(request).model);
    return reply.code(200).send();
  });
}

/** A small body as a JSON object; none is an empty one. Throws REQUEST_INVALID. */
async function jsonOf(request: HttpRequest): Promise<JsonObject> {
  const body = await bodyOf(request);
  if (body.length === 0) return {};
  try {
    const json: unknown = JSON.parse(body.toString('utf8'));
    if (isObject(json)) return json;
  } catch {
    // Said below.
  }
  throw invalid('the request must be a JSON object');
}
