import { sizeOf } from '../../tensor.ts';
import { readBytesTensor, writeBytesTensor } from '../request/bytes-tensor.ts';
import { invalid } from '../request/check.ts';
import { type Datatype, datatypes } from '../request/datatypes.ts';
import type { InferTensor } from '../request/infer.ts';
import {
  datatypeIn,
  isObject,
  type JsonObject,
  listIn,
  objectIn,
  shapeIn,
} from '../request/request-json.ts';
import { bytesIn, numbersOf } from '../request/views.ts';

/** A whole number of 64 bits in two halves, as the protobuf library gives it. */
interface Halves {
  readonly low: number;
  readonly high: number;
}

function isHalves(value: unknown): value is Halves {
  return isObject(value) && typeof value['low'] === 'number' && typeof value['high'] === 'number';
}

/** A field of 64 bits as it is. */
function bigOf(value: unknown): bigint {
  if (!isHalves(value)) return BigInt(Number(value));
  return (BigInt(value.high) << 32n) | BigInt(value.low >>> 0);
}

/** A field of 64 bits as a number; inexact beyond 2⁵³. */
export function numberOf(value: unknown): number {
  if (!isHalves(value)) return Number(value);
  return value.high * 2 ** 32 + (value.low >>> 0);
}

/** Inputs of a ModelInferRequest: typed contents, or raw bytes, never both. Throws REQUEST_INVALID. */
export function readGrpcInputs(message: JsonObject): readonly InferTensor[] {
  const inputs = listIn(message, 'inputs', 'the request');
  const raw = buffersIn(message['raw_input_contents']);
  if (raw.length > 0 && raw.length !== inputs.length) {
    throw invalid(
      `raw_input_contents must have one entry an input: there are ${inputs.length} inputs and ${raw.length} entries`,
    );
  }
  return inputs.map((input, i) => {
    const head = headOf(input);
    const contents = objectIn(input, 'contents', `input '${head.name}'`);
    if (raw.length === 0) return { ...head, data: typedData(head, contents) };
    if (Object.values(contents).some((list) => Array.isArray(list) && list.length > 0)) {
      throw invalid(
        `input '${head.name}' has contents, but the request has raw_input_contents as well`,
      );
    }
    return { ...head, data: rawData(head, raw[i] ?? Buffer.alloc(0)) };
  });
}

interface Head {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** A text; a field that is left out is empty. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function headOf(input: JsonObject): Head {
  const name = textOf(input['name']);
  const { shape } = input;
  return {
    name,
    datatype: datatypeIn(textOf(input['datatype']), name),
    shape: shapeIn(Array.isArray(shape) ? shape.map(numberOf) : shape, name),
  };
}

function rawData({ name, datatype, shape }: Head, bytes: Buffer): InferTensor['data'] {
  const count = sizeOf(shape);
  if (datatype === 'BYTES') return readBytesTensor(bytes, { name, count });
  const wanted = count * datatypes[datatype].bytes;
  if (wanted === bytes.byteLength) return bytes;
  throw invalid(
    `input byte size mismatch for input '${name}': ${datatype} [${shape.join()}] takes ${wanted} bytes, but its raw contents have ${bytes.byteLength}`,
  );
}

function typedData({ name, datatype, shape }: Head, contents: JsonObject): InferTensor['data'] {
  const { contents: field, dtype, range, bytes } = datatypes[datatype];
  if (field === undefined) {
    throw invalid(
      `input '${name}' has datatype ${datatype}, which has no typed contents: send it in raw_input_contents`,
    );
  }
  const list: unknown = contents[field];
  const values: readonly unknown[] = Array.isArray(list) ? list : [];
  const count = sizeOf(shape);
  if (values.length !== count) {
    throw invalid(
      `input '${name}' has ${values.length} elements in ${field}, but its shape [${shape.join()}] wants ${count}`,
    );
  }
  if (dtype === 'string') return buffersIn(values);
  const numbers = numbersOf(dtype, new ArrayBuffer(count * bytes), { offset: 0, count });
  for (const [i, value] of values.entries()) {
    if (numbers instanceof BigInt64Array || numbers instanceof BigUint64Array) {
      numbers[i] = bigOf(value);
      continue;
    }
    const number = Number(value);
    if (range && (BigInt(number) < range[0] || BigInt(number) > range[1])) {
      throw invalid(`input '${name}', element ${i}: ${number} is out of the range of ${datatype}`);
    }
    numbers[i] = number;
  }
  return bytesIn(numbers);
}

function buffersIn(list: unknown): readonly Buffer[] {
  const values: unknown[] = Array.isArray(list) ? list : [];
  return values.filter((value) => Buffer.isBuffer(value));
}

/** The outputs of a ModelInferResponse: raw bytes, as every client reads them. */
export function writeGrpcOutputs(outputs: readonly InferTensor[]): {
  readonly outputs: readonly Head[];
  readonly raw_output_contents: readonly Uint8Array[];
} {
  return {
    outputs: outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    raw_output_contents: outputs.map(({ data }) =>
      data instanceof Uint8Array ? data : writeBytesTensor(data),
    ),
  };
}
