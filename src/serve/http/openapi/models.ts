import { answer, json, type Operation, operation, type Part } from './operation.ts';
import { schemaRef, type schemas } from './schemas.ts';

/** What statuses mean that a model's routes answer with. */
export const refusals = {
  400: 'The request does not fit the model: the text names the tensor and what is expected.',
  404: 'There is no such model or version.',
  413: 'The body or the picture is too large.',
  503: 'The queue is full or the model is not ready; Retry-After says when to try again.',
  501: 'It is asked for in a way that is not served.',
  504: 'Its time was up: that of the request, or the server’s own.',
} as const;

/** Each route of a model is there twice: for the newest version, and for a certain one. */
export function modelPaths(): Part {
  const model = { $ref: '#/components/parameters/model' };
  const version = { $ref: '#/components/parameters/version' };
  const both = Object.entries(modelOperations()).flatMap(
    ([action, item]): (readonly [string, Part])[] => [
      [`/v2/models/{model}${action}`, { parameters: [model], ...withId(item, '') }],
      [
        `/v2/models/{model}/versions/{version}${action}`,
        { parameters: [model, version], ...withId(item, 'OfVersion') },
      ],
    ],
  );
  return {
    '/v2/models': operation('get', {
      id: 'models',
      tag: 'models',
      summary: 'Names of the models',
      ok: json('The names.', 'Models'),
    }),
    '/v2/models/stats': operation('get', {
      id: 'statistics',
      tag: 'models',
      summary: 'Statistics of all models',
      ok: json('The statistics.', 'ModelStatistics'),
    }),
    ...Object.fromEntries(both),
  };
}

interface ModelOperation {
  readonly method: 'get' | 'post';
  readonly parts: Operation;
}

function withId({ method, parts }: ModelOperation, ending: string): Part {
  return operation(method, { ...parts, id: parts.id + ending });
}

function modelOperations(): Readonly<Record<string, ModelOperation>> {
  const { 404: unknown } = refusals;
  const get = (id: string, summary: string, name: keyof typeof schemas): ModelOperation => ({
    method: 'get',
    parts: { id, tag: 'models', summary, ok: json(summary, name), statuses: { 404: unknown } },
  });
  return {
    '': get('modelMetadata', 'What a model takes and puts out', 'ModelMetadata'),
    '/ready': get('modelReady', 'Whether a model can answer', 'Ready'),
    '/config': get('modelConfig', 'Configuration of a model', 'ModelConfig'),
    '/stats': get('modelStatistics', 'Statistics of a model', 'ModelStatistics'),
    '/summary': get('modelSummary', 'The graph of a model', 'ModelSummary'),
    '/infer': { method: 'post', parts: inferOperation() },
    '/classify': { method: 'post', parts: classifyOperation() },
  };
}

const bytes = { type: 'string', format: 'binary' } as const;

function inferOperation(): Operation {
  return {
    id: 'infer',
    tag: 'models',
    summary: 'Run a model',
    headers: [
      {
        name: 'Inference-Header-Content-Length',
        in: 'header',
        description:
          'Where the JSON ends and the tensors begin. 0: the whole body is the one input of the model.',
        schema: { type: 'integer', minimum: 0 },
      },
    ],
    body: {
      required: true,
      content: {
        'application/json': { schema: schemaRef('InferRequest') },
        'application/octet-stream': { schema: bytes },
      },
    },
    ok: {
      description:
        'The outputs: JSON, or JSON and bytes, divided by Inference-Header-Content-Length.',
      headers: {
        'Inference-Header-Content-Length': {
          description: 'Bytes of JSON, where tensors follow.',
          schema: { type: 'integer' },
        },
      },
      content: {
        'application/json': { schema: schemaRef('InferResponse') },
        'application/octet-stream': { schema: bytes },
      },
    },
    statuses: refusals,
  };
}

function query(name: string, description: string, schema: Part): Part {
  return { name, in: 'query', description, schema };
}

function classifyOperation(): Operation {
  const images = { type: 'array', items: bytes } as const;
  return {
    id: 'classify',
    tag: 'models',
    summary: 'Best classes of an image; preprocessing is the model’s own',
    query: [
      query('top', 'How many classes.', { type: 'integer', minimum: 1, default: 5 }),
      query(
        'timeout_ms',
        'Milliseconds from its arrival until it is given up; at most those of the server.',
        { type: 'number', minimum: 1 },
      ),
    ],
    body: {
      required: true,
      content: {
        'image/*': { schema: bytes },
        'application/octet-stream': { schema: bytes },
        'multipart/form-data': {
          schema: { type: 'object', required: ['image'], properties: { image: images } },
        },
      },
    },
    ok: answer('The classes; a list where several images came.', {
      oneOf: [schemaRef('Classification'), schemaRef('Classifications')],
    }),
    statuses: refusals,
  };
}
