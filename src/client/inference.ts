import { ToolkitError } from '../errors.ts';
import { answers, membersOf } from './answers.ts';
import type { InputTensor, OutputTensor } from './protocol.ts';
import { decodeTensor, encodeTensor, tensorFromJson } from './tensors.ts';

/** The header that says where the JSON of a binary body ends. */
export const jsonLengthHeader = 'inference-header-content-length';

/** What to run. */
export interface InferRequest {
  readonly inputs: Readonly<Record<string, InputTensor>>;
  /** Default: all. */
  readonly outputs?: readonly string[] | undefined;
  readonly id?: string | undefined;
  /** 1 is the most urgent; default: the server's. */
  readonly priority?: number | undefined;
}

/** What a model put out. */
export interface InferResult {
  readonly model: string;
  readonly version?: string | undefined;
  readonly id?: string | undefined;
  readonly outputs: Readonly<Record<string, OutputTensor>>;
}

/** An encoded request: JSON, and behind it the tensors' bytes in its order. */
export interface EncodedRequest {
  readonly body: Uint8Array;
  readonly jsonBytes: number;
}

/**
 * The body of an inference with all tensors binary. `timeoutMs` goes along, so that the server gives up as well.
 *
 * Throws REQUEST_INVALID.
 */
export function encodeRequest(
  request: InferRequest,
  timeoutMs: number | undefined,
): EncodedRequest {
  const inputs = Object.entries(request.inputs).map(([name, input]) => {
    try {
      return { name, shape: input.shape, ...encodeTensor(input) };
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new ToolkitError('REQUEST_INVALID', `Input "${name}" cannot be sent: ${reason}`, {
        hint: 'Give "shape", and "data" as a typed array of that many elements, or as a list of texts.',
        cause,
      });
    }
  });
  const json = new TextEncoder().encode(
    JSON.stringify({
      id: request.id,
      parameters: {
        binary_data_output: true,
        ...(request.priority !== undefined && { priority: request.priority }),
        ...(timeoutMs !== undefined && { timeout: Math.ceil(timeoutMs * 1000) }),
      },
      inputs: inputs.map(({ name, shape, datatype, bytes }) => {
        return { name, shape, datatype, parameters: { binary_data_size: bytes.length } };
      }),
      ...(request.outputs && { outputs: request.outputs.map((name) => ({ name })) }),
    }),
  );
  return { body: joined([json, ...inputs.map(({ bytes }) => bytes)]), jsonBytes: json.length };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The result in an answer's body; `jsonBytes` is that of the header, where it came. Throws Error when it is none. */
export function decodeResult(body: Uint8Array, jsonBytes: number | undefined): InferResult {
  const end = jsonBytes ?? body.length;
  if (end > body.length) throw new Error(`the JSON should take ${end} of ${body.length} bytes`);
  const json: unknown = JSON.parse(new TextDecoder().decode(body.subarray(0, end)));
  const { model_name, model_version, id, outputs } = answers.inference(json, '');
  const blobs = new Blobs(body.subarray(end));
  const decoded = outputs.map((value, i) => decodeOutput(value, `outputs[${i}]`, blobs));
  return { model: model_name, version: model_version, id, outputs: Object.fromEntries(decoded) };
}

function decodeOutput(
  value: unknown,
  place: string,
  blobs: Blobs,
): readonly [string, OutputTensor] {
  const { name, datatype, shape, data, parameters } = answers.output(value, place);
  const size = membersOf(parameters ?? {}, `${place}.parameters`)['binary_data_size'];
  const tensor =
    typeof size === 'number'
      ? decodeTensor(datatype, shape, blobs.next(size))
      : tensorFromJson(datatype, shape, data);
  return [name, tensor];
}

/** The bytes behind the JSON, taken piece by piece. */
class Blobs {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  next(size: number): Uint8Array {
    const end = this.#at + size;
    if (end > this.#bytes.length) {
      throw new Error(`${end} bytes of tensors are announced, but ${this.#bytes.length} came`);
    }
    const piece = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return piece;
  }
}
