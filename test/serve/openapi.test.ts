import { Validator } from '@seriousme/openapi-schema-validator';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { GraftClient } from '../../src/client/client.ts';
import type { HttpApp } from '../../src/serve/http/http.ts';
import { openapiDocument, registerOpenapi } from '../../src/serve/http/openapi/document.ts';
import { registerPage } from '../../src/serve/http/page.ts';
import { registerMetrics } from '../../src/serve/observe/metrics.ts';
import { temporaryFolder } from '../files.ts';
import { at, colours } from './models.ts';
import { bundledWorker, startServer } from './server.ts';

// As clients get it.
const text = JSON.stringify(openapiDocument('1.2.3'));
const components = z.record(z.string(), z.record(z.string(), z.unknown()));
const documentSchema = z.object({
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
  components,
});
const document = documentSchema.parse(JSON.parse(text));

describe('the OpenAPI document', () => {
  it('is valid by the schema of OpenAPI 3.1', async () => {
    const result = await new Validator().validate(
      z.record(z.string(), z.unknown()).parse(JSON.parse(text)),
    );
    expect(result.errors ?? []).toEqual([]);
    expect(result.valid).toBe(true);
  });

  it('is for the server that it comes from', () => {
    expect(openapiDocument('1')['servers']).toEqual([{ url: '/' }]);
  });

  it('refers to nothing that it does not have', () => {
    const refs = [...text.matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)];
    const broken = refs.filter(([, kind = '', name = '']) => !document.components[kind]?.[name]);
    expect(refs.length).toBeGreaterThan(50);
    expect(broken.map(([ref]) => ref)).toEqual([]);
  });

  it('uses every schema that it has, and names each operation once', () => {
    const schemas = Object.keys(document.components['schemas'] ?? {});
    const unused = schemas.filter((name) => !text.includes(`"#/components/schemas/${name}"`));
    expect(unused).toEqual([]);
    const ids = [...text.matchAll(/"operationId":"(\w+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('the server', () => {
  const workers = bundledWorker();

  it('has the routes of the document, and no others', async () => {
    const routes = new Set<string>();
    const folder = temporaryFolder();
    await colours(at(folder, 'colours'));
    const { url } = await startServer({
      models: [folder],
      workers,
      prepare: (app) => noteRoutes(app, routes),
      register(app, context) {
        registerMetrics(app, context);
        registerOpenapi(app, { version: '1.2.3' });
        registerPage(app);
      },
    });
    const written = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.keys(item)
        .filter((method) => method === 'get' || method === 'post')
        .map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect([...routes].toSorted()).toEqual(written.toSorted());
    expect(await (await fetch(`${url}/openapi.json`)).json()).toEqual(JSON.parse(text));
  });

  it('answers in the form of the document, in words that the client understands', async () => {
    const folder = temporaryFolder();
    await colours(at(folder, 'colours'));
    const { url } = await startServer({ models: [folder], workers, register: registerMetrics });
    const client = new GraftClient(url);
    expect(await client.isModelReady('colours')).toBe(true);
    const { inputs } = await client.modelMetadata('colours');
    expect(inputs).toEqual([{ name: 'image', datatype: 'FP32', shape: [-1, 3, 8, 8] }]);
    const picture = await sharp({
      create: { width: 8, height: 8, channels: 3, background: '#00ff00' },
    })
      .png()
      .toBuffer();
    const { predictions } = await client.classify('colours', picture, { top: 1 });
    expect(predictions).toMatchObject([{ index: 1, label: 'green' }]);
    const data = new Float32Array(3 * 64).fill(255);
    const result = await client.infer('colours', {
      inputs: { image: { shape: [1, 3, 8, 8], data } },
    });
    expect(Object.values(result.outputs)[0]?.shape).toEqual([1, 3]);

    for (const [path, schema, body] of answersToCheck(picture)) {
      const answer = await fetch(url + path, body === undefined ? {} : { method: 'POST', body });
      const checked = z.fromJSONSchema(resolved(schema)).safeParse(await answer.json());
      expect(checked.error?.message ?? '', path).toBe('');
    }
  });
});

/** Routes, the schema of their answers, and what is sent. */
function answersToCheck(
  picture: Buffer,
): readonly (readonly [string, string, (Buffer | string)?])[] {
  const model = '/v2/models/colours';
  const data = Array.from({ length: 3 * 64 }, () => 1);
  const input = { name: 'image', datatype: 'FP32', shape: [1, 3, 8, 8], data };
  return [
    ['/v2', 'ServerMetadata'],
    ['/v2/health/live', 'Live'],
    ['/v2/health/ready', 'Ready'],
    ['/v2/models', 'Models'],
    ['/v2/models/stats', 'ModelStatistics'],
    [model, 'ModelMetadata'],
    [`${model}/versions/1`, 'ModelMetadata'],
    [`${model}/ready`, 'Ready'],
    [`${model}/config`, 'ModelConfig'],
    [`${model}/stats`, 'ModelStatistics'],
    [`${model}/summary`, 'ModelSummary'],
    [`${model}/infer`, 'InferResponse', JSON.stringify({ inputs: [input] })],
    [`${model}/classify`, 'Classification', picture],
    ['/v2/repository/index', 'RepositoryIndex', ''],
    ['/metrics.json', 'Snapshot'],
    ['/v2/models/none', 'Error'],
    [`${model}/infer`, 'Error', '{'],
  ];
}

/** A schema of the document with what it refers to in the place of the references. */
function resolved(name: string): z.core.JSONSchema.JSONSchema {
  const inlined = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inlined);
    if (typeof value !== 'object' || value === null) return value;
    const { $ref: target } = value as { $ref?: string };
    const found = target?.split('/').at(-1) ?? '';
    if (target !== undefined) return inlined(document.components['schemas']?.[found]);
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, inlined(part)]));
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the test before has found it to be a schema
  return inlined(document.components['schemas']?.[name]) as z.core.JSONSchema.JSONSchema;
}

/** Routes as the document writes them. Other methods are there to be refused, and files of the page go with the page. */
function noteRoutes(app: HttpApp, routes: Set<string>): void {
  app.addHook('onRoute', ({ method, url }) => {
    const methods = [method].flat();
    if (methods.length > 1 || methods[0] === 'HEAD' || url.startsWith('/page/')) return;
    routes.add(`${methods.join()} ${url.replaceAll(/:(\w+)/g, '{$1}')}`);
  });
}
