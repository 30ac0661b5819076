import { schemaRef, type schemas } from './schemas.ts';

/** A part of the document. */
export type Part = Readonly<Record<string, unknown>>;

/** What routes are grouped by. */
export const tags = {
  server: 'The server itself.',
  models: 'Asking models.',
  v1: "TensorFlow Serving's REST API, for the clients that speak it.",
  repository: 'Which models there are.',
  operations: 'Metrics, the page, this document.',
} as const;

/** An answer with a body. */
export function answer(description: string, schema: Part, type = 'application/json'): Part {
  return { description, content: { [type]: { schema } } };
}

const retryAfter = { description: 'Seconds.', schema: { type: 'integer' } } as const;

/** One method of one path. */
export interface Operation {
  readonly id: string;
  readonly tag: keyof typeof tags;
  readonly summary: string;
  /** The answer of status 200. */
  readonly ok: Part;
  readonly body?: Part;
  readonly query?: readonly Part[];
  readonly headers?: readonly Part[];
  /** Statuses beside 200 that have a meaning of their own. */
  readonly statuses?: Readonly<Record<string, string>>;
}

/** It, as the document has it. */
export function operation(method: 'get' | 'post', parts: Operation): Part {
  const { id, tag, summary, ok, body, query = [], headers = [], statuses = {} } = parts;
  const named = Object.entries(statuses).map(
    ([status, description]) =>
      [
        status,
        {
          ...answer(description, schemaRef('Error')),
          ...(description.includes('Retry-After') && { headers: { 'Retry-After': retryAfter } }),
        },
      ] as const,
  );
  return {
    [method]: {
      operationId: id,
      tags: [tag],
      summary,
      ...(query.length + headers.length > 0 && { parameters: [...query, ...headers] }),
      ...(body && { requestBody: body }),
      responses: {
        200: ok,
        ...Object.fromEntries(named),
        default: { $ref: '#/components/responses/error' },
      },
    },
  };
}

/** An answer in JSON. */
export function json(description: string, name: keyof typeof schemas): Part {
  return answer(description, schemaRef(name));
}
