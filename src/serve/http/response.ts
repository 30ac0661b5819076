import type { Numbers } from '../../tensor.ts';
import { writeBytesTensor } from '../request/bytes-tensor.ts';
import { invalid } from '../request/check.ts';
import { datatypes } from '../request/datatypes.ts';
import type { InferResponse, InferTensor } from '../request/infer.ts';
import { numbersIn } from '../request/views.ts';

/** An answer as it goes out. */
export interface InferReply {
  readonly body: Buffer | string;
  /** Bytes of the JSON in front of binary tensors; `undefined` where all is JSON. */
  readonly headerLength: number | undefined;
}

/** The answer to `/infer`: outputs that are asked for as bytes follow the JSON. */
export function writeInferReply(
  response: InferResponse,
  isBinary: (output: string) => boolean,
): InferReply {
  const tail: Uint8Array[] = [];
  const outputs = response.outputs.map((output) => {
    const { name, datatype, shape } = output;
    const head = `{"name":${JSON.stringify(name)},"datatype":"${datatype}","shape":[${shape.join()}]`;
    if (!isBinary(name)) return `${head},"data":${dataText(output)}}`;
    const bytes = output.data instanceof Uint8Array ? output.data : writeBytesTensor(output.data);
    tail.push(bytes);
    return `${head},"parameters":{"binary_data_size":${bytes.byteLength}}}`;
  });
  const id = response.id === undefined ? '' : `"id":${JSON.stringify(response.id)},`;
  const names = `"model_name":${JSON.stringify(response.model)},"model_version":"${response.version}"`;
  const json = `{${id}${names},"outputs":[${outputs.join()}]}`;
  if (tail.every(({ byteLength }) => byteLength === 0))
    return { body: json, headerLength: undefined };
  const head = Buffer.from(json);
  return { body: Buffer.concat([head, ...tail]), headerLength: head.length };
}

/** Refuses, before anything is computed, outputs that JSON cannot hold. Throws REQUEST_INVALID. */
export function checkReplyable(
  outputs: readonly { readonly name: string; readonly datatype: keyof typeof datatypes }[],
  isBinary: (output: string) => boolean,
): void {
  const half = outputs.find(
    ({ name, datatype }) => datatypes[datatype].json === 'never' && !isBinary(name),
  );
  if (!half) return;
  throw invalid(
    `output '${half.name}' has datatype ${half.datatype}, which cannot be sent as JSON: ask for binary data (binary_data, or binary_data_output)`,
  );
}

const decoder = new TextDecoder();

/** A tensor's numbers as a flat JSON array; what JSON has no number for is "NaN", "Infinity" and "-Infinity". */
function dataText({ datatype, data }: InferTensor): string {
  const { dtype } = datatypes[datatype];
  if (!(data instanceof Uint8Array) || dtype === 'string') {
    if (data instanceof Uint8Array) return '[]';
    return JSON.stringify(data.map((element) => decoder.decode(element)));
  }
  const numbers = numbersIn(dtype, data);
  if (numbers instanceof BigInt64Array || numbers instanceof BigUint64Array) {
    return `[${numbers.join()}]`;
  }
  if (dtype === 'bool') return JSON.stringify(Array.from(numbers, (value) => value !== 0));
  if (isPlain(numbers)) return JSON.stringify(Array.from(numbers));
  return `[${Array.from(numbers, numberText).join()}]`;
}

/** Whether JSON.stringify says everything of these numbers: it turns NaN into null, and -0 into 0. */
function isPlain(numbers: Exclude<Numbers, BigInt64Array | BigUint64Array>): boolean {
  return numbers.every((value) => Number.isFinite(value) && !Object.is(value, -0));
}

function numberText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? '-0.0' : String(value);
}
