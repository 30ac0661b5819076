import { type Expected, invalid } from '../request/check.ts';
import type { PortSpec } from '../request/datatypes.ts';
import { datatypes } from '../request/datatypes.ts';
import type { InferTensor } from '../request/infer.ts';
import { isObject, shapeIn } from '../request/request-json.ts';
import { numbersIn } from '../request/views.ts';
import { readData } from './json/data.ts';

/** What a body of `:predict` asks for. */
export interface Prediction {
  readonly inputs: readonly InferTensor[];
  /** `instances`: the answer is a list of rows; `inputs`: a list an output. */
  readonly format: 'instances' | 'inputs';
}

/**
 * Reads a body of TensorFlow Serving's REST API (and of KServe's protocol 1): `instances`, a value a row, or `inputs`, a
 * value an input; values are nested lists, names may be left out where there is one input, bytes are `{"b64": "…"}`.
 *
 * Throws REQUEST_INVALID. Source: tensorflow/serving, docs/api_rest.md.
 */
export function readPrediction(body: Buffer, expected: Expected): Prediction {
  const json = parsed(body);
  const { instances, inputs } = json;
  if ((instances === undefined) === (inputs === undefined)) {
    throw invalid("the request must be a JSON object with either 'instances' or 'inputs'");
  }
  if (instances === undefined) {
    return { format: 'inputs', inputs: tensorsOf(columnsOf(inputs, expected), expected) };
  }
  if (!Array.isArray(instances)) throw invalid("'instances' must be a list, of a value a row");
  const rows: readonly unknown[] = instances;
  return { format: 'instances', inputs: tensorsOf(columnsOfRows(rows, expected), expected) };
}

function parsed(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(body.toString('utf8'));
    if (isObject(json)) return json;
  } catch (fault) {
    throw invalid(
      `the request cannot be parsed as JSON: ${fault instanceof Error ? fault.message : ''}`,
    );
  }
  throw invalid('the request must be a JSON object');
}

type Columns = ReadonlyMap<string, unknown>;

const isBytes = (value: unknown): value is { readonly b64: string } =>
  isObject(value) && typeof value['b64'] === 'string' && Object.keys(value).length === 1;

function columnsOf(value: unknown, expected: Expected): Columns {
  if (isObject(value) && !isBytes(value)) return new Map(Object.entries(value));
  return new Map([[onlyName(expected), value]]);
}

function columnsOfRows(rows: readonly unknown[], expected: Expected): Columns {
  const isNamed = rows.some((row) => isObject(row) && !isBytes(row));
  if (!isNamed) return new Map([[onlyName(expected), rows]]);
  const columns = new Map<string, unknown[]>();
  for (const [i, row] of rows.entries()) {
    if (!isObject(row)) throw invalid(`instance ${i} must be an object, as others are`);
    for (const [name, value] of Object.entries(row)) {
      const column = columns.get(name) ?? [];
      columns.set(name, column);
      column[i] = value;
    }
  }
  return columns;
}

function onlyName({ inputs, model }: Expected): string {
  const [port, ...others] = inputs;
  if (port && others.length === 0) return port.name;
  const names = inputs.map(({ name }) => `'${name}'`).join(', ');
  throw invalid(`the values for model '${model}' must be named: it has the inputs ${names}`);
}

function tensorsOf(columns: Columns, { inputs, pictureInput }: Expected): readonly InferTensor[] {
  return [...columns].map(([name, value]) => {
    if (isDeep(value)) throw invalid(`input '${name}' is nested more than ${mostDeep} deep`);
    const port = inputs.find((candidate) => candidate.name === name);
    // What is unknown, or missing, is refused with all other requests.
    if (!port) return { name, datatype: 'FP32', shape: [0], data: new Uint8Array(0) };
    const isPicture = name === pictureInput && isBytes(Array.isArray(value) ? value[0] : value);
    return port.datatype === 'BYTES' || isPicture ? bytesTensor(port, value) : tensor(port, value);
  });
}

function tensor({ name, datatype }: PortSpec, value: unknown): InferTensor {
  const shape = shapeIn(evenShapeOf(value, name), name);
  if (/^U?INT64$/.test(datatype) && !isExact(value)) {
    throw invalid(
      `input '${name}': whole numbers beyond 2^53 are not exact here: ask by /v2/models/…/infer`,
    );
  }
  const text = Buffer.from(JSON.stringify(value));
  const data = readData(text, { start: 0, end: text.length }, { name, datatype, shape });
  return { name, datatype, shape, data };
}

function bytesTensor({ name }: PortSpec, value: unknown): InferTensor {
  const data = [value].flat(Infinity).map((one, i) => {
    if (isBytes(one)) return Buffer.from(one.b64, 'base64');
    if (typeof one === 'string') return Buffer.from(one);
    throw invalid(`element ${i} of input '${name}' must be a text, or bytes as {"b64": "…"}`);
  });
  return { name, datatype: 'BYTES', shape: shapeIn(evenShapeOf(value, name), name), data };
}

/** Tensors have no more axes. */
const mostDeep = 64;

/** Whether lists and objects are nested deeper than what can be walked safely. */
function isDeep(value: unknown): boolean {
  let level: readonly unknown[] = [value];
  for (let depth = 0; depth <= mostDeep && level.length > 0; depth++) {
    level = level.flatMap((one): readonly unknown[] => {
      if (Array.isArray(one)) return one;
      return isObject(one) ? Object.values(one) : [];
    });
  }
  return level.length > 0;
}

/** How a value is nested. Lists of one level must be of one length. */
function evenShapeOf(value: unknown, name: string): number[] {
  const shape: number[] = [];
  for (let inner = value; Array.isArray(inner); inner = inner[0]) shape.push(inner.length);
  if (isEven(value, shape)) return shape;
  throw invalid(`input '${name}': its lists are not all of one length`);
}

function isEven(value: unknown, [size, ...rest]: readonly number[]): boolean {
  if (size === undefined) return !Array.isArray(value);
  return Array.isArray(value) && value.length === size && value.every((one) => isEven(one, rest));
}

function isExact(value: unknown): boolean {
  return [value]
    .flat(Infinity)
    .every((one) => typeof one !== 'number' || !(Math.abs(one) > Number.MAX_SAFE_INTEGER));
}

/** The answer in the form of the question: `predictions` a row each, or `outputs`; a single output has no name. */
export function writePrediction(
  outputs: readonly InferTensor[],
  format: Prediction['format'],
): string {
  const tokens = outputs.map((output) => ({ ...output, tokens: tokensOf(output) }));
  const [only, ...others] = tokens;
  const isSingle = only !== undefined && others.length === 0;
  if (format === 'inputs') {
    if (isSingle) return `{"outputs":${nested(only.tokens, only.shape)}}`;
    const named = tokens.map(
      (one) => `${JSON.stringify(one.name)}:${nested(one.tokens, one.shape)}`,
    );
    return `{"outputs":{${named.join()}}}`;
  }
  const rows = Array.from({ length: rowsOf(outputs) }, (_, row) => {
    const values = tokens.map(({ name, shape, tokens: all }) => {
      const width = all.length / Math.max(1, shape[0] ?? 1);
      const value = nested(all.slice(row * width, (row + 1) * width), shape.slice(1));
      return isSingle ? value : `${JSON.stringify(name)}:${value}`;
    });
    return isSingle ? values.join() : `{${values.join()}}`;
  });
  return `{"predictions":[${rows.join()}]}`;
}

function rowsOf(outputs: readonly InferTensor[]): number {
  const [rows = 0, ...others] = new Set(outputs.map(({ shape }) => shape[0]));
  if (others.length === 0) return rows;
  throw invalid("the outputs have no rows in common: ask by 'inputs' instead of 'instances'");
}

const decoder = new TextDecoder();

/** Each element as JSON; what JSON has no number for is "NaN", "Infinity" and "-Infinity". */
function tokensOf({ datatype, data }: InferTensor): readonly string[] {
  const { dtype } = datatypes[datatype];
  if (!(data instanceof Uint8Array)) {
    return data.map((element) => JSON.stringify(decoder.decode(element)));
  }
  if (dtype === 'string') return [];
  const numbers: Iterable<number | bigint> = numbersIn(dtype, data);
  if (dtype === 'bool') return Array.from(numbers, (value) => String(value !== 0));
  return Array.from(numbers, (value) =>
    typeof value === 'bigint' || Number.isFinite(value) ? String(value) : `"${value}"`,
  );
}

function nested(tokens: readonly string[], shape: readonly number[]): string {
  const [size, ...rest] = shape;
  if (size === undefined) return tokens[0] ?? 'null';
  if (rest.length === 0) return `[${tokens.join()}]`;
  const width = size === 0 ? 0 : tokens.length / size;
  const parts = Array.from({ length: size }, (_, i) =>
    nested(tokens.slice(i * width, (i + 1) * width), rest),
  );
  return `[${parts.join()}]`;
}
