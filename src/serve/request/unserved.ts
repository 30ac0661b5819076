import { ToolkitError } from '../../errors.ts';

/** What Triton has and this server has not: clients ask for it by these paths and calls. */
interface Unserved {
  readonly what: string;
  readonly hint: string;
  readonly paths: readonly string[];
  readonly calls: readonly string[];
}

/** One row a thing. */
export const unserved: readonly Unserved[] = [
  {
    what: 'Shared memory',
    hint: 'Send tensors in the request: binary over HTTP, raw_input_contents over gRPC.',
    paths: ['/v2/systemsharedmemory/*', '/v2/cudasharedmemory/*'],
    calls: ['System', 'Cuda'].flatMap((kind) =>
      ['Status', 'Register', 'Unregister'].map((call) => `${kind}SharedMemory${call}`),
    ),
  },
  {
    what: 'The setting of traces by clients',
    hint: 'Start the server with --otlp, and send "traceparent" with a request.',
    paths: ['/v2/trace/setting', '/v2/models/:model/trace/setting'],
    calls: ['TraceSetting'],
  },
  {
    what: 'The setting of logs by clients',
    hint: 'Start the server with --log-level.',
    paths: ['/v2/logging'],
    calls: ['LogSettings'],
  },
  {
    what: 'The generation of text',
    hint: 'Ask the model by /infer, a step at a time.',
    paths: ['/v2/models/:model/generate', '/v2/models/:model/generate_stream'],
    calls: [],
  },
];

/** REQUEST_UNSUPPORTED, with what to do instead. */
export const refusalOf = ({ what, hint }: Unserved): ToolkitError =>
  new ToolkitError('REQUEST_UNSUPPORTED', `${what} is not served`, { hint });
