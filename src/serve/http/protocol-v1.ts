import { ToolkitError } from '../../errors.ts';
import type { ServeContext } from '../context.ts';
import { modelNames } from '../models/metadata.ts';
import { findTarget } from '../models/target.ts';
import { isObject } from '../request/request-json.ts';
import { bodyOf, packed } from './encoding.ts';
import { type HttpApp, type HttpReply, type HttpRequest, leavingOf } from './http.ts';
import { readPrediction, writePrediction } from './predict-v1.ts';
import type { Which } from './protocol.ts';
import { checkReplyable } from './response.ts';

/**
 * Registers what clients of TensorFlow Serving's REST API, and of KServe's first protocol, ask: `:predict`, and whether
 * a model is there.
 */
export function registerProtocolV1(app: HttpApp, context: ServeContext): void {
  app.get('/v1/models', () => ({ models: modelNames(context) }));
  for (const path of ['/v1/models/:name', '/v1/models/:model/versions/:name']) {
    app.get(path, (request) => statusOf(context, whichOf(request, 'status')));
    app.post(path, async (request, reply) =>
      predict(context, { which: whichOf(request, 'predict'), request, reply }),
    );
  }
}

/** The model and version of a path whose last part ends with what is to be done. Throws REQUEST_UNSUPPORTED. */
function whichOf({ params }: HttpRequest, action: 'predict' | 'status'): Which {
  const { model, name } = isObject(params) ? params : {};
  const last = typeof name === 'string' ? name : '';
  const end = last.endsWith(`:${action}`) ? last.length - action.length - 1 : last.length;
  if (action === 'predict' && end === last.length) {
    throw new ToolkitError(
      'REQUEST_UNSUPPORTED',
      `'${last.slice(0, 100)}' is asked nothing that is served`,
      {
        hint: 'Of /v1/models/NAME, :predict is; :classify, :regress and :explain are not.',
      },
    );
  }
  const whole = last.slice(0, end);
  return typeof model === 'string'
    ? { model, version: whole }
    : { model: whole, version: undefined };
}

/** Both forms in one: `name` and `ready` as KServe has it, `model_version_status` as TensorFlow Serving has it. */
function statusOf({ models }: ServeContext, which: Which): object {
  const { name, served } = findTarget(models, which);
  const versions = which.version === undefined ? models.versions(served.name) : [served];
  const status = { error_code: 'OK', error_message: '' };
  return {
    name,
    ready: true,
    model_version_status: versions.map(({ version }) => ({ version, state: 'AVAILABLE', status })),
  };
}

async function predict(
  context: ServeContext,
  { which, request, reply }: { which: Which; request: HttpRequest; reply: HttpReply },
): Promise<Buffer | string> {
  const { expected } = findTarget(context.models, which);
  const { inputs, format } = readPrediction(await bodyOf(request), expected);
  checkReplyable(expected.outputs, () => false);
  const { traceparent } = request.headers;
  const response = await context.infer({
    ...which,
    inputs,
    door: 'http',
    leaving: leavingOf(reply),
    requestId: request.id,
    traceparent: typeof traceparent === 'string' ? traceparent : undefined,
  });
  reply.type('application/json');
  return packed(writePrediction(response.outputs, format), request, reply);
}
