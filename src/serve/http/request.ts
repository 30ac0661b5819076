import { sizeOf } from '../../tensor.ts';
import { readBytesTensor } from '../request/bytes-tensor.ts';
import { type Expected, invalid } from '../request/check.ts';
import { datatypes } from '../request/datatypes.ts';
import type { InferRequest, InferTensor, RequestedOutput } from '../request/infer.ts';
import {
  headOf,
  isObject,
  type JsonObject,
  listIn,
  objectIn,
  textIn,
} from '../request/request-json.ts';
import { readData } from './json/data.ts';
import { type Scanned, scanRequest } from './json/scan.ts';

/** What a body of `/infer` asks for. */
export interface InferBody extends Pick<InferRequest, 'id' | 'inputs' | 'outputs' | 'timeoutMs'> {
  /** Whether an output is to come as bytes behind the JSON. */
  readonly isBinary: (output: string) => boolean;
}

/**
 * Reads the body of `/infer`: JSON, JSON and binary tensors behind it, or the bytes of the only input.
 *
 * `headerLength` is the header Inference-Header-Content-Length. Throws REQUEST_INVALID. Binary tensors are views of the
 * body. Source: the protocol's REST API, and its binary tensor data extension.
 */
export function readInferBody(
  body: Buffer,
  headerLength: string | undefined,
  expected: Expected,
): InferBody {
  if (headerLength === undefined) return readJson(body, new Uint8Array(0));
  const length = /^\d{1,12}$/.test(headerLength) ? Number(headerLength) : Number.NaN;
  // Not even a number of that size would be right where it is larger than the body.
  if (Number.isNaN(length) || length > body.length) {
    throw invalid(
      `Inference-Header-Content-Length must be the number of bytes of the JSON, in range (0, ${body.length}), got: ${headerLength.slice(0, 40)}`,
    );
  }
  if (length === 0) return rawBody(body, expected);
  return readJson(body.subarray(0, length), body.subarray(length));
}

/** The whole body is the data of the model's only input. */
function rawBody(body: Buffer, { inputs, model }: Expected): InferBody {
  const [port, ...others] = inputs;
  if (!port || others.length > 0) {
    throw invalid(
      `a raw binary request needs a model with one input, but '${model}' has ${inputs.length}`,
    );
  }
  const { name, datatype } = port;
  const about = { id: undefined, outputs: undefined, timeoutMs: undefined, isBinary: () => true };
  if (datatype === 'BYTES') {
    const shape = port.shape.map(() => 1);
    return { ...about, inputs: [{ name, datatype, shape, data: [body] }] };
  }
  const rest = port.shape.slice(1);
  const known = sizeOf(rest.filter((dim) => dim !== -1)) * datatypes[datatype].bytes;
  const free = rest.filter((dim) => dim === -1).length;
  if (free > 1 || body.length === 0 || body.length % known !== 0) {
    throw invalid(
      `a raw binary request for '${model}' must be the bytes of one [${port.shape.join()}] of ${datatype}, but has ${body.length}`,
    );
  }
  const shape = [1, ...rest.map((dim) => (dim === -1 ? body.length / known : dim))];
  return { ...about, inputs: [{ name, datatype, shape, data: body }] };
}

function readJson(text: Buffer, binary: Uint8Array): InferBody {
  const scanned = scanRequest(text);
  const { json } = scanned;
  if (!isObject(json)) throw invalid("the request must be a JSON object with 'inputs'");
  const parameters = objectIn(json, 'parameters', 'the request');
  const tail = new Tail(binary);
  const inputs = listIn(json, 'inputs', 'the request').map((input) =>
    readInput(input, { text, scanned, tail }),
  );
  tail.end();
  const outputs = outputsOf(json);
  const isBinaryDefault = parameters['binary_data_output'] === true;
  const spoken = new Map(outputs?.map(({ name, isBinary }) => [name, isBinary]));
  const { id } = json;
  if (id !== undefined && typeof id !== 'string')
    throw invalid("'id' of the request must be a string");
  return {
    id,
    inputs,
    outputs,
    timeoutMs: timeoutOf(parameters),
    isBinary: (name) => spoken.get(name) ?? isBinaryDefault,
  };
}

/** The bytes behind the JSON, which the inputs take one after the other. */
class Tail {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(count: number, name: string): Uint8Array {
    const left = this.#bytes.byteLength - this.#at;
    if (count > left) {
      throw invalid(
        `unexpected size for input '${name}', expecting ${count - left} additional bytes behind the JSON`,
      );
    }
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  end(): void {
    const left = this.#bytes.byteLength - this.#at;
    if (left === 0) return;
    throw invalid(
      `${left} unexpected bytes after the last input: the sum of all binary_data_size is ${this.#at}`,
    );
  }
}

function readInput(
  input: JsonObject,
  from: { readonly text: Buffer; readonly scanned: Scanned; readonly tail: Tail },
): InferTensor {
  const head = headOf(input);
  const { name, datatype, shape } = head;
  const parameters = objectIn(input, 'parameters', `input '${name}'`);
  const size = parameters['binary_data_size'];
  const index = input['data'];
  if (size === undefined) {
    const range = from.scanned.ranges[typeof index === 'number' ? index : -1];
    if (!range)
      throw invalid(`input '${name}' must have 'data', or 'binary_data_size' in its parameters`);
    const data = readData(from.text, range, head);
    return { ...head, data: parameters['content_type'] === 'base64' ? unbased(data) : data };
  }
  if (index !== undefined) {
    throw invalid(`input '${name}' has both 'data' and 'binary_data_size': one is expected`);
  }
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw invalid(`'binary_data_size' of input '${name}' must be a number of bytes`);
  }
  if (datatype === 'BYTES') {
    const bytes = from.tail.take(size, name);
    return { ...head, data: readBytesTensor(bytes, { name, count: sizeOf(shape) }) };
  }
  const wanted = sizeOf(shape) * datatypes[datatype].bytes;
  if (size !== wanted) {
    throw invalid(
      `input byte size mismatch for input '${name}': ${datatype} [${shape.join()}] takes ${wanted} bytes, but binary_data_size is ${size}`,
    );
  }
  return { ...head, data: from.tail.take(size, name) };
}

function unbased(data: InferTensor['data']): InferTensor['data'] {
  if (data instanceof Uint8Array) return data;
  return data.map((text) => Buffer.from(Buffer.from(text).toString('latin1'), 'base64'));
}

function outputsOf(
  json: JsonObject,
): readonly (RequestedOutput & { readonly isBinary: boolean | undefined })[] | undefined {
  if (json['outputs'] === undefined) return undefined;
  return listIn(json, 'outputs', 'the request').map((output) => {
    const name = textIn(output, 'name', 'an output');
    const parameters = objectIn(output, 'parameters', `output '${name}'`);
    const { binary_data: binary, classification } = parameters;
    if (classification !== undefined && !Number.isSafeInteger(classification)) {
      throw invalid(`'classification' of output '${name}' must be a number of classes`);
    }
    return {
      name,
      classification: classification === undefined ? undefined : Number(classification),
      isBinary: typeof binary === 'boolean' ? binary : undefined,
    };
  });
}

/** Microseconds, as Triton's clients give them. */
function timeoutOf(parameters: JsonObject): number | undefined {
  const timeoutUs = Number(parameters['timeout'] ?? 0);
  return timeoutUs > 0 ? timeoutUs / 1000 : undefined;
}
