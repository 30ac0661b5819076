import { describe, expect, it } from 'vitest';
import { ToolkitError } from '../../src/errors.ts';
import { errorText, statusOf } from '../../src/serve/request/faults.ts';
import { temporaryFolder } from '../files.ts';
import { expectFault } from '../runtime/fault.ts';
import { addition, at, colours } from './models.ts';
import { bundledWorker, startServer } from './server.ts';

const workers = bundledWorker();

const status = (code: ConstructorParameters<typeof ToolkitError>[0]): number =>
  statusOf(new ToolkitError(code, 'what', { hint: 'do' })).http;

describe('faults over the network', () => {
  it('have the statuses of the protocol', () => {
    expect(status('REQUEST_INVALID')).toBe(400);
    expect(status('MODEL_UNKNOWN')).toBe(404);
    expect(status('REQUEST_TOO_LARGE')).toBe(413);
    expect(status('REQUEST_UNSUPPORTED')).toBe(501);
    expect(status('MODEL_NOT_READY')).toBe(503);
    expect(status('SERVER_BUSY')).toBe(503);
    expect(status('REQUEST_TIMEOUT')).toBe(504);
    expect(status('RUNTIME_FAILED')).toBe(500);
    expect(statusOf(new Error('a bug'))).toEqual({ http: 500, grpc: 13 });
  });

  it('are the fault of the request where onnxruntime says so of its numbers', () => {
    const text =
      'indices element out of data bounds, idx=9 must be within the inclusive range [-6,5]';
    const fault = new ToolkitError('RUNTIME_FAILED', text, { hint: '' });
    expect(statusOf(fault)).toEqual({ http: 400, grpc: 3 });
  });

  it('are told in one line, without paths of this machine', () => {
    const fault = new ToolkitError('RUNTIME_FAILED', 'It broke.', {
      where: { file: '/secret/place' },
      hint: 'Mend it.',
    });
    expect(errorText(fault)).toBe('It broke. Mend it.');
    expect(errorText(new Error('at /secret/place'))).not.toContain('secret');
    const library = new ToolkitError('PROVIDER_UNAVAILABLE', 'x.so is not in /a/b/node_modules/c', {
      hint: 'Get it with\n    npm rebuild c\n  or do without.',
    });
    expect(errorText(library)).toBe(
      'x.so is not in node_modules/c. Get it with npm rebuild c or do without.',
    );
  });

  it('carry their codes to those who call without a network', async () => {
    const folder = temporaryFolder();
    await addition(at(folder, 'add'));
    await colours(at(folder, 'colours'));
    const { context } = await startServer({ models: [folder], workers, maxWaitingBytes: 1000 });
    const ask = async (model: string, data: readonly Uint8Array[] = []): Promise<unknown> =>
      context.infer({
        model,
        inputs: [{ name: 'image', datatype: 'BYTES', shape: [data.length], data }],
        door: 'http',
      });
    await expectFault(ask('nope'), { code: 'MODEL_UNKNOWN', says: "'nope'" });
    await expectFault(ask('add'), { code: 'REQUEST_INVALID', says: "'image'" });
    const pictures = Array.from({ length: 8 }, () => new Uint8Array(1));
    await expectFault(ask('colours_image', pictures), { code: 'REQUEST_TOO_LARGE' });
    await context.models.unload('add');
    await expectFault(ask('add'), { code: 'MODEL_NOT_READY', says: 'unloaded' });
    await expectFault(context.models.load('nope'), { code: 'MODEL_UNKNOWN' });
  });
});
