import { refusals } from './models.ts';
import { answer, json, operation, type Part } from './operation.ts';
import { schemaRef } from './schemas.ts';

const model = { $ref: '#/components/parameters/model' };
const name = {
  name: 'name',
  in: 'path',
  required: true,
  description:
    'For GET a model or version; for POST with ":predict" behind it, as in /v1/models/NAME:predict.',
  schema: { type: 'string' },
} as const;

/** TensorFlow Serving's REST API, which KServe calls its protocol 1. */
export function v1Paths(): Part {
  return {
    '/v1/models': operation('get', {
      id: 'modelsV1',
      tag: 'v1',
      summary: 'Names of the models',
      ok: json('The names.', 'Models'),
    }),
    '/v1/models/{name}': { parameters: [name], ...both('') },
    '/v1/models/{model}/versions/{name}': { parameters: [model, name], ...both('OfVersion') },
  };
}

function both(ending: string): Part {
  const get = operation('get', {
    id: `modelStatusV1${ending}`,
    tag: 'v1',
    summary: 'Whether a model can answer',
    ok: json('It can.', 'ModelStatusV1'),
    statuses: { 404: refusals[404], 503: refusals[503] },
  });
  const post = operation('post', {
    id: `predictV1${ending}`,
    tag: 'v1',
    summary: 'Run a model; rows in and rows out, as nested lists',
    body: { required: true, content: { 'application/json': { schema: schemaRef('PredictV1') } } },
    ok: answer('The outputs: "predictions" for "instances", "outputs" for "inputs".', {
      type: 'object',
    }),
    statuses: refusals,
  });
  return { ...get, ...post };
}
