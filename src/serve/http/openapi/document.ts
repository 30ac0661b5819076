import type { HttpApp } from '../http.ts';
import { modelPaths, refusals } from './models.ts';
import { answer, json, operation, type Part, tags } from './operation.ts';
import { schemaRef, schemas } from './schemas.ts';
import { v1Paths } from './v1.ts';

/** `GET /openapi.json`: all routes, for people and for generators of clients. */
export function registerOpenapi(app: HttpApp, { version }: { readonly version: string }): void {
  const document = JSON.stringify(openapiDocument(version));
  app.get('/openapi.json', (_, reply) => reply.type('application/json').send(document));
}

/** The OpenAPI 3.1 document. `version` is that of the server. */
export function openapiDocument(version: string): Part {
  return {
    openapi: '3.1.0',
    info: {
      title: 'graft',
      version,
      description:
        "The Open Inference Protocol v2 with the extensions binary_tensor_data, model_repository, statistics, model_configuration, classification and parameters of Triton; images with the model's own preprocessing; metrics.",
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    security: [{}, { bearer: [] }, { key: [] }],
    paths: {
      ...serverPaths(),
      ...modelPaths(),
      ...v1Paths(),
      ...repositoryPaths(),
      ...operationPaths(),
    },
    components: {
      schemas,
      parameters: {
        model: pathParameter('model', 'Name of the model.'),
        version: pathParameter('version', 'A whole number. Without it: the newest that is ready.'),
      },
      responses: {
        error: {
          ...answer('What was wrong, in one line.', schemaRef('Error')),
          headers: {
            'X-Graft-Code': {
              description: 'Which fault it is, for programs: MODEL_UNKNOWN, SERVER_BUSY, …',
              schema: { type: 'string' },
            },
          },
        },
      },
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'Only where keys are configured.' },
        key: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  };
}

function pathParameter(name: string, description: string): Part {
  return { name, in: 'path', required: true, description, schema: { type: 'string' } };
}

function serverPaths(): Part {
  return {
    '/v2': operation('get', {
      id: 'serverMetadata',
      tag: 'server',
      summary: 'Name, version and extensions of the server',
      ok: json('The server.', 'ServerMetadata'),
    }),
    '/v2/health/live': operation('get', {
      id: 'serverLive',
      tag: 'server',
      summary: 'Whether the server runs',
      ok: json('It does.', 'Live'),
    }),
    '/v2/health/ready': operation('get', {
      id: 'serverReady',
      tag: 'server',
      summary: 'Whether all models can answer',
      ok: json('They can.', 'Ready'),
      statuses: { 503: 'A model is missing or loading, or the server is about to stop.' },
    }),
  };
}

function change(id: string, summary: string): Part {
  return {
    parameters: [{ $ref: '#/components/parameters/model' }],
    ...operation('post', {
      id,
      tag: 'repository',
      summary,
      body: { content: { 'application/json': { schema: schemaRef('RepositoryRequest') } } },
      ok: { description: 'Done.' },
      statuses: { 403: 'The server was started not to allow it.', 404: refusals[404] },
    }),
  };
}

function repositoryPaths(): Part {
  return {
    '/v2/repository/index': operation('post', {
      id: 'repositoryIndex',
      tag: 'repository',
      summary: 'All models, loaded or not',
      body: { content: { 'application/json': { schema: schemaRef('RepositoryIndexRequest') } } },
      ok: json('The models.', 'RepositoryIndex'),
    }),
    '/v2/repository/models/{model}/load': change('loadModel', 'Load a model, or load it again'),
    '/v2/repository/models/{model}/unload': change('unloadModel', 'Take a model out of service'),
  };
}

function operationPaths(): Part {
  return {
    '/metrics': operation('get', {
      id: 'metrics',
      tag: 'operations',
      summary: 'Metrics for Prometheus, under Triton’s names',
      ok: answer('The metrics.', { type: 'string' }, 'text/plain'),
    }),
    '/metrics.json': operation('get', {
      id: 'snapshot',
      tag: 'operations',
      summary: 'The numbers that the page shows',
      ok: json('The numbers.', 'Snapshot'),
    }),
    '/openapi.json': operation('get', {
      id: 'openapi',
      tag: 'operations',
      summary: 'This document',
      ok: answer('The document.', { type: 'object' }),
    }),
    '/': operation('get', {
      id: 'page',
      tag: 'operations',
      summary: 'A page to try the models',
      ok: answer('The page.', { type: 'string' }, 'text/html'),
    }),
  };
}
