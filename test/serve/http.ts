import { z } from 'zod';

const tensor = z.object({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.number()),
  data: z.array(z.unknown()).optional(),
  parameters: z.object({ binary_data_size: z.number() }).optional(),
});
const answer = z.object({
  id: z.string().optional(),
  model_name: z.string(),
  model_version: z.string(),
  outputs: z.array(tensor),
});
const refusal = z.object({ error: z.string() });

/** An answer to `/infer`, taken apart by the binary tensor extension. */
type Inferred = z.infer<typeof answer> & {
  readonly bytes: ReadonlyMap<string, Buffer>;
};

/** What came back: the answer, or the text of the error. */
export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly error: string | undefined;
  readonly inferred: Inferred | undefined;
}

/** Posts a body and takes the answer apart. Throws when it is neither an answer nor the protocol's error. */
export async function post(
  url: string,
  body: string | Buffer | object,
  headers: Record<string, string> = {},
): Promise<Reply> {
  const content = Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(url, {
    method: 'POST',
    body: typeof content === 'string' ? content : new Uint8Array(content),
    headers,
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  const { status } = response;
  if (status !== 200) {
    const { error } = refusal.parse(JSON.parse(bytes.toString()));
    return { status, headers: response.headers, error, inferred: undefined };
  }
  const length = response.headers.get('inference-header-content-length');
  const json = bytes.subarray(0, length === null ? bytes.length : Number(length));
  const parsed = answer.parse(JSON.parse(json.toString()));
  const found = new Map<string, Buffer>();
  let at = json.length;
  for (const { name, parameters } of parsed.outputs) {
    if (!parameters) continue;
    found.set(name, bytes.subarray(at, at + parameters.binary_data_size));
    at += parameters.binary_data_size;
  }
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes behind the last output`);
  return {
    status,
    headers: response.headers,
    error: undefined,
    inferred: { ...parsed, bytes: found },
  };
}

/** A body with a JSON head and binary tensors behind it, and the headers that say so. */
export function framed(head: object, ...tensors: Uint8Array[]): [Buffer, Record<string, string>] {
  const json = Buffer.from(JSON.stringify(head));
  const headers = { 'inference-header-content-length': String(json.length) };
  return [Buffer.concat([json, ...tensors]), headers];
}

/** float32 numbers as bytes. */
export function floats(...values: number[]): Buffer {
  return Buffer.from(Float32Array.from(values).buffer);
}
