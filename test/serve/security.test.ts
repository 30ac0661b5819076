import { readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Call } from '../../src/serve/context.ts';
import { registerHeaders } from '../../src/serve/http/headers.ts';
import type { HttpApp, HttpOptions } from '../../src/serve/http/http.ts';
import {
  apiKeyGate,
  hostGate,
  isLoopback,
  originGate,
  readApiKeys,
  readTls,
} from '../../src/serve/security.ts';
import { temporaryFolder } from '../files.ts';
import { makeCertificate, opensslMissing } from './certificates.ts';
import { bareApp } from './fake-context.ts';

function call(path: string, headers: Readonly<Record<string, string>> = {}): Call {
  return { door: 'http', path, header: (name) => headers[name] };
}

const model = '/v2/models/m/infer';

describe('API keys', () => {
  const gate = apiKeyGate(['first-key', 'second-key']);

  it.each([
    ['as a bearer', { authorization: 'Bearer first-key' }],
    ['as a bearer in small letters', { authorization: 'bearer  second-key ' }],
    ['in a header of their own', { 'x-api-key': 'second-key' }],
  ])('let calls pass that carry one %s', (_, headers) => {
    expect(gate(call(model, headers))).toBeUndefined();
  });

  it.each([
    ['none', {}],
    ['a wrong one', { 'x-api-key': 'third-key' }],
    ['the beginning of one', { 'x-api-key': 'first-ke' }],
    ['one and more', { 'x-api-key': 'first-key ' }],
    ['an empty one', { 'x-api-key': '' }],
    ['another scheme', { authorization: 'Basic first-key' }],
  ])('refuse calls that carry %s', (_, headers) => {
    expect(gate(call(model, headers))?.code).toBe('KEY_REFUSED');
  });

  it.each([
    '/',
    '/page/page.mjs',
    '/openapi.json',
    '/v2/health/live',
    '/v2/health/ready',
    '/inference.GRPCInferenceService/ServerReady',
    '/grpc.health.v1.Health/Check',
  ])('are not asked for at %s', (path) => {
    expect(gate(call(path))).toBeUndefined();
  });

  it.each([
    '/metrics',
    '/metrics.json',
    '/v2',
    '//',
    '/page',
    '/v2/health/ready/../../models',
    '/v2/repository/index',
    '/inference.GRPCInferenceService/ModelInfer',
  ])('are asked for at %s', (path) => {
    expect(gate(call(path))?.code).toBe('KEY_REFUSED');
  });
});

describe('readApiKeys', () => {
  it('takes one a line from a file, or separated by commas, and leaves out notes', () => {
    const file = join(temporaryFolder(), 'keys');
    writeFileSync(file, '# of the team\nkey-number-1\r\n\n key-number-2 ,key-number-3\n');
    expect(readApiKeys({ file, text: 'key-number-0' })).toEqual([
      'key-number-0',
      'key-number-1',
      'key-number-2',
      'key-number-3',
    ]);
  });

  it.each([
    ['no key', '# none\n', 'OPTION_INVALID', 'no API key'],
    ['a short key', 'secret', 'OPTION_INVALID', 'fewer than 8'],
  ])('refuses %s, without repeating it', (_, text, code, message) => {
    try {
      readApiKeys({ text });
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code });
      expect(String(error)).toContain(message);
      expect(String(error)).not.toContain('secret');
    }
  });

  it('says which of the two is at fault', () => {
    const file = join(temporaryFolder(), 'keys');
    writeFileSync(file, 'key-number-1');
    for (const text of ['', 'short']) {
      expect(() => readApiKeys({ file, text })).toThrow(
        expect.objectContaining({
          code: 'OPTION_INVALID',
          where: { path: 'the variable GRAFT_API_KEYS' },
        }),
      );
    }
    writeFileSync(file, 'short');
    expect(() => readApiKeys({ file, text: 'key-number-0' })).toThrow(
      expect.objectContaining({ where: { file } }),
    );
  });

  it('names a file that cannot be read', () => {
    expect(() => readApiKeys({ file: '/nowhere/keys' })).toThrow(
      expect.objectContaining({ code: 'FILE_UNREADABLE', where: { file: '/nowhere/keys' } }),
    );
  });
});

describe('originGate', () => {
  const host = '127.0.0.1:8000';

  it.each([
    ['programs, which send no origin', {}],
    ['the page of the server itself', { origin: `http://${host}`, host }],
    ['an origin that is allowed', { origin: 'https://app.example', host }],
  ])('lets %s pass', (_, headers) => {
    expect(originGate(['https://app.example'])(call(model, headers))).toBeUndefined();
  });

  it.each(['https://evil.example', 'null', `http://${host}.evil.example`, 'http://127.0.0.1:9000'])(
    'refuses what a page of %s sends',
    (origin) => {
      expect(originGate([])(call(model, { origin, host }))?.code).toBe('ORIGIN_REFUSED');
      expect(originGate(['*'])(call(model, { origin, host }))).toBeUndefined();
    },
  );
});

describe('hostGate', () => {
  const gate = hostGate(['App.example']);

  it.each([
    'localhost',
    'localhost.:8000',
    'LOCALHOST:1',
    '127.0.0.1:8000',
    '127.1.2.3',
    '[::1]:8000',
    '10.0.0.7:8000',
    'app.example',
    'app.EXAMPLE:443',
  ])('lets calls to %s pass', (host) => {
    expect(gate(call(model, { host }))).toBeUndefined();
  });

  it.each([
    'evil.example:8000',
    'app.example.evil.example',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '',
    '::1',
    'a@localhost',
    '[evil.example]',
  ])('refuses calls to "%s"', (host) => {
    expect(gate(call(model, { host }))?.code).toBe('HOST_REFUSED');
  });

  it('lets programs pass that name no host', () => {
    expect(gate(call(model))).toBeUndefined();
  });
});

it('a loopback is an address of this machine alone', () => {
  expect(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].map(isLoopback)).not.toContain(false);
  expect(['0.0.0.0', '::', '10.0.0.1', '127.evil.example'].map(isLoopback)).not.toContain(true);
});

const apps: HttpApp[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

function appOf(cors: readonly string[], options: Partial<HttpOptions> = {}): HttpApp {
  const prepare = (app: HttpApp): void => registerHeaders(app, { cors });
  const app = bareApp({ prepare, ...options });
  apps.push(app);
  app.get('/v2', () => ({ name: 'graft' }));
  return app;
}

describe('the headers of every answer', () => {
  const gates = [apiKeyGate(['the-right-key'])];

  it.each([
    ['an answer', 'the-right-key', '/v2', 200],
    ['a refusal', 'a-wrong-key', '/v2', 401],
    ['an unknown path', 'the-right-key', '/nowhere', 404],
  ])('keep browsers from guessing and framing: %s', async (_, key, url, status) => {
    const reply = await appOf([], { gates }).inject({ url, headers: { 'x-api-key': key } });
    expect(reply.statusCode).toBe(status);
    expect(reply.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
    });
    expect(reply.headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('say how to authenticate, in the form of the protocol', async () => {
    const reply = await appOf([], { gates }).inject('/v2');
    expect(reply.headers['www-authenticate']).toBe('Bearer');
    expect(reply.body).toMatch(/^\{"error":"[^"]*carries no API key/);
  });

  it('let a page of an allowed origin call, and read the headers of the protocol', async () => {
    const origin = 'https://app.example';
    const app = appOf([origin], { gates });
    const asked = await app.inject({
      method: 'OPTIONS',
      url: '/v2',
      headers: { origin, 'access-control-request-method': 'POST' },
    });
    expect(asked.statusCode).toBe(204);
    expect(asked.headers['access-control-allow-origin']).toBe(origin);
    expect(asked.headers['access-control-allow-headers']).toContain('Authorization');
    const headers = { origin, 'x-api-key': 'the-right-key' };
    const answered = await app.inject({ url: '/v2', headers });
    expect(answered.headers).toMatchObject({
      'access-control-allow-origin': origin,
      vary: 'Origin',
    });
    expect(answered.headers['access-control-expose-headers']).toContain(
      'Inference-Header-Content-Length',
    );
  });

  it('tell other origins nothing', async () => {
    const reply = await appOf(['https://app.example']).inject({
      method: 'OPTIONS',
      url: '/v2',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(reply.headers).not.toHaveProperty('access-control-allow-origin');
    expect(reply.statusCode).toBe(404);
  });
});

describe.skipIf(opensslMissing !== '')(`TLS${opensslMissing}`, () => {
  it('is spoken with the certificate of the files', async () => {
    const paths = makeCertificate(temporaryFolder());
    const app = appOf([], { tls: readTls(paths) });
    const address = await app.listen({ host: '127.0.0.1', port: 0 });
    const status = await new Promise((resolve, reject) => {
      get(`${address}/v2`, { ca: readFileSync(paths.cert) }, (reply) => {
        reply.resume();
        resolve(reply.statusCode);
      }).on('error', reject);
    });
    expect(status).toBe(200);
  });

  it('refuses a key of another certificate', () => {
    const folder = temporaryFolder();
    const { cert } = makeCertificate(folder, 'one');
    const { key } = makeCertificate(folder, 'two');
    expect(() => readTls({ key, cert })).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID', where: { file: `${cert}, ${key}` } }),
    );
  });
});

it('TLS names the file that is missing', () => {
  expect(() => readTls({ key: '/nowhere/key.pem', cert: '/nowhere/cert.pem' })).toThrow(
    expect.objectContaining({ code: 'FILE_UNREADABLE', where: { file: '/nowhere/key.pem' } }),
  );
});
