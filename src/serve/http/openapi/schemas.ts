import { datatypes } from '../../request/datatypes.ts';

type Schema = Readonly<Record<string, unknown>>;

const text = { type: 'string' } as const;
const number = { type: 'number' } as const;
const count = { type: 'integer', minimum: 0 } as const;
const flag = { type: 'boolean' } as const;
const texts = { type: 'array', items: text } as const;

/** A reference to a schema of the document. */
export function schemaRef(name: keyof typeof schemas): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

function listOf(items: Schema): Schema {
  return { type: 'array', items };
}

/** An object; members whose name ends in "?" may be absent. */
function object(description: string, members: Readonly<Record<string, Schema>>): Schema {
  const names = Object.keys(members);
  return {
    type: 'object',
    description,
    properties: Object.fromEntries(
      Object.entries(members).map(([name, schema]) => [name.replace('?', ''), schema]),
    ),
    required: names.filter((name) => !name.endsWith('?')),
  };
}

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const described = (schema: Schema, description: string): Schema => ({ ...schema, description });

const shape = described(
  { type: 'array', items: { type: 'integer' } },
  '-1 is a size that may vary.',
);
const duration = object('How often, and nanoseconds in all.', { count, ns: count });

/** What the bodies of requests and answers are made of. */
export const schemas = {
  Error: object('Every answer that is no success.', {
    error: described(text, 'What is wrong, and what to do.'),
  }),
  ServerMetadata: object('The server.', { name: text, version: text, extensions: texts }),
  Live: object('The server runs.', { live: flag }),
  Ready: object('Whether requests are answered.', { ready: flag }),
  Models: object('Models that can be asked.', { models: texts }),
  Datatype: { type: 'string', enum: Object.keys(datatypes) },
  Parameters: {
    type: 'object',
    additionalProperties: { type: ['string', 'number', 'boolean'] },
  },
  TensorMetadata: object('An input or output of a model.', {
    name: text,
    datatype: ref('Datatype'),
    shape,
  }),
  ModelMetadata: object('What a model takes and puts out.', {
    name: text,
    'versions?': texts,
    platform: text,
    inputs: listOf(ref('TensorMetadata')),
    outputs: listOf(ref('TensorMetadata')),
    'properties?': { type: 'object', additionalProperties: text },
  }),
  TensorData: {
    description:
      'Row-major, flat or nested. Numbers, true and false, or texts (BYTES); NaN and infinities are "NaN", "Infinity" and "-Infinity". FP16 and BF16 travel as bytes only; no model here has BF16.',
    type: 'array',
    items: { type: ['number', 'boolean', 'string', 'null', 'array'] },
  },
  InferInput: object('A tensor of a request.', {
    name: text,
    shape: { type: 'array', items: count },
    datatype: ref('Datatype'),
    'parameters?': described(
      ref('Parameters'),
      'binary_data_size: bytes of this tensor behind the JSON, in the place of "data".',
    ),
    'data?': ref('TensorData'),
  }),
  RequestedOutput: object('An output that is asked for.', {
    name: text,
    'parameters?': described(
      ref('Parameters'),
      'binary_data: whether it is to come as bytes. classification: the best so many classes, as texts "value:index:label".',
    ),
  }),
  InferRequest: object('One inference.', {
    'id?': text,
    'parameters?': described(
      ref('Parameters'),
      'binary_data_output: all outputs as bytes. timeout: microseconds from the arrival to the answer, at most those of the server; then 504. Others are ignored.',
    ),
    inputs: listOf(ref('InferInput')),
    'outputs?': described(listOf(ref('RequestedOutput')), 'Default: all.'),
  }),
  InferOutput: object('A tensor of an answer.', {
    name: text,
    shape: { type: 'array', items: count },
    datatype: ref('Datatype'),
    'parameters?': ref('Parameters'),
    'data?': ref('TensorData'),
  }),
  InferResponse: object('What a model put out.', {
    model_name: text,
    'model_version?': text,
    'id?': described(text, 'The one of the request, if it had one.'),
    'parameters?': ref('Parameters'),
    outputs: listOf(ref('InferOutput')),
  }),
  Classification: object('The best classes of an image.', {
    model_name: text,
    'model_version?': text,
    predictions: listOf(
      object('A class, the best first.', { index: count, label: text, probability: number }),
    ),
    is_distribution: described(flag, 'Whether the probabilities of all classes sum to 1.'),
    timing: object('Milliseconds in the server.', {
      queue_ms: number,
      decode_ms: number,
      compute_ms: number,
      total_ms: number,
    }),
  }),
  Classifications: object('Several images, in their order.', {
    images: listOf(ref('Classification')),
  }),
  ModelSummary: {
    ...object('The graph, and what the model says of itself.', {
      name: text,
      version: text,
      inputs: listOf(ref('TensorMetadata')),
      outputs: listOf(ref('TensorMetadata')),
      nodes: count,
      parameters: count,
      bytes: count,
      opset: count,
      'operators?': { type: 'object', additionalProperties: count },
      'classes?': described(count, 'How many classes have names.'),
      'preprocess?': described({ type: 'object' }, 'How an image becomes the input.'),
    }),
    additionalProperties: true,
  },
  ModelConfig: described({ type: 'object' }, "Triton's ModelConfig, as JSON."),
  ModelStatistics: object("Triton's statistics.", {
    model_stats: listOf(
      object('One version of a model.', {
        name: text,
        version: text,
        last_inference: described(count, 'Milliseconds since 1970; 0 before the first.'),
        inference_count: count,
        execution_count: count,
        inference_stats: { type: 'object', additionalProperties: duration },
        batch_stats: listOf(
          object('Runs of one batch size.', {
            batch_size: count,
            compute_input: duration,
            compute_infer: duration,
            compute_output: duration,
          }),
        ),
      }),
    ),
  }),
  PredictV1: object('One of the two; inputs without names where the model has one.', {
    'instances?': described({ type: 'array' }, 'A value a row, or an object of them by input.'),
    'inputs?': described({}, 'A value, or an object of them by input. Bytes are {"b64": "…"}.'),
    'signature_name?': text,
  }),
  ModelStatusV1: object('A model that can answer.', {
    name: text,
    ready: flag,
    model_version_status: listOf({ type: 'object' }),
  }),
  RepositoryIndexRequest: object('Which models.', { 'ready?': flag }),
  RepositoryIndex: listOf(
    object('A version of a model.', {
      name: text,
      'version?': text,
      state: { type: 'string', enum: ['READY', 'UNAVAILABLE', 'LOADING', 'UNLOADING'] },
      reason: text,
    }),
  ),
  RepositoryRequest: object('Settings of loading and unloading.', {
    'parameters?': described(
      { type: 'object' },
      'config: the configuration as JSON text, in the place of the one on disk.',
    ),
  }),
  Snapshot: object('Numbers since the start.', {
    uptime_seconds: number,
    models: listOf(
      object('One version of a model.', {
        name: text,
        version: text,
        pending: described(count, 'Requests that wait.'),
        requests: object('By their end.', { success: count, failure: count }),
        inferences: count,
        executions: count,
        batch_rows: described(
          { type: 'array', items: { type: 'array', items: count, minItems: 2, maxItems: 2 } },
          'Pairs of rows and runs.',
        ),
        latency_ms: {
          type: 'object',
          additionalProperties: { type: ['number', 'null'] },
        },
      }),
    ),
  }),
} as const satisfies Readonly<Record<string, Schema>>;
