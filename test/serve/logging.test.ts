import { describe, expect, it } from 'vitest';
import { type LogLevel, type OpenLog, openLog } from '../../src/serve/observe/logging.ts';
import { answered } from './fake-context.ts';

function logged(level: LogLevel, write: (open: OpenLog) => void): readonly unknown[] {
  const lines: string[] = [];
  const open = openLog(level, { write: (line) => lines.push(line) });
  write(open);
  open.close();
  return lines.map((line): unknown => JSON.parse(line));
}

describe('the log', () => {
  it('has one line of JSON a request, with its id and its trace', () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const [line] = logged('info', ({ observer }) => {
      observer.onInfer?.({ ...answered, traceparent });
    });
    expect(line).toMatchObject({
      level: 'info',
      service: 'graft',
      msg: 'request',
      request_id: 'r-1',
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      model: 'm',
      version: '1',
      door: 'http',
      outcome: 'success',
      rows: 1,
      total_ms: 10,
      queue_ms: 1,
      compute_ms: 5,
    });
    expect(line).toHaveProperty('time', expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/));
  });

  it('writes refused requests as warnings and our own failures as errors', () => {
    const lines = logged('warn', ({ observer }) => {
      observer.onInfer?.(answered);
      observer.onInfer?.({ ...answered, outcome: 'timeout' });
      observer.onInfer?.({ ...answered, outcome: 'backend' });
    });
    expect(lines).toMatchObject([
      { level: 'warn', outcome: 'timeout' },
      { level: 'error', outcome: 'backend' },
    ]);
  });

  it('writes a call that was refused as a warning, with what its client said cut short', () => {
    const [line] = logged('info', ({ observer }) => {
      const event = { door: 'http', code: 'KEY_REFUSED', status: 401 } as const;
      observer.onRefusal?.({
        ...event,
        path: '/v2'.padEnd(9000, 'x'),
        requestId: 'r'.repeat(9000),
      });
    });
    expect(line).toMatchObject({
      level: 'warn',
      msg: 'refused',
      door: 'http',
      code: 'KEY_REFUSED',
      status: 401,
    });
    expect(JSON.stringify(line).length).toBeLessThan(1000);
  });

  it('keeps a name with a line break on one line', () => {
    const lines: string[] = [];
    const open = openLog('info', { write: (line) => lines.push(line) });
    open.log.info({ model: 'a\n{"level":"error"}' }, 'hello\nworld');
    open.close();
    expect(lines).toHaveLength(1);
    expect(lines[0]?.trimEnd()).not.toContain('\n');
  });

  it('is silent when told so', () => {
    expect(logged('silent', ({ log }) => log.error({}, 'x'))).toEqual([]);
  });
});
