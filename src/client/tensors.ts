import type { InputTensor, OutputTensor, TensorData, TensorType } from './protocol.ts';

type NumberType = Exclude<TensorType, 'BYTES'>;

interface NumberArray {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): TensorData[NumberType];
  from(numbers: Iterable<never>): TensorData[NumberType];
}

/** The array that holds each element type. Little-endian, as the protocol's bytes and all machines that run this. */
const arrays: { readonly [T in NumberType]: NumberArray } = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  BF16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
};

/** What an array means when no type is given with it: each array once, as its plain numbers. */
const plainTypes = [
  ['FP32', Float32Array],
  ['FP64', Float64Array],
  ['UINT8', Uint8Array],
  ['INT8', Int8Array],
  ['UINT16', Uint16Array],
  ['INT16', Int16Array],
  ['UINT32', Uint32Array],
  ['INT32', Int32Array],
  ['UINT64', BigUint64Array],
  ['INT64', BigInt64Array],
] as const;

/** A tensor as the binary extension carries it. Throws Error when type, shape and numbers do not fit each other. */
export function encodeTensor(input: InputTensor): {
  readonly datatype: TensorType;
  readonly bytes: Uint8Array;
} {
  const datatype = input.datatype ?? typeOf(input.data);
  const expected = input.shape.reduce((product, size) => product * size, 1);
  if (input.data.length !== expected) {
    throw new Error(
      `shape [${input.shape.join(', ')}] holds ${expected} elements, but data has ${input.data.length}`,
    );
  }
  if (!ArrayBuffer.isView(input.data)) {
    if (datatype === 'BYTES') return { datatype, bytes: encodeStrings(input.data) };
    throw new Error(`${datatype} needs a typed array as data`);
  }
  const { buffer, byteOffset, byteLength } = input.data;
  if (datatype === 'BYTES' || !(input.data instanceof arrays[datatype])) {
    throw new Error(`${datatype} cannot be sent from ${input.data.constructor.name}`);
  }
  return { datatype, bytes: new Uint8Array(buffer, byteOffset, byteLength) };
}

function typeOf(data: InputTensor['data']): TensorType {
  const found = plainTypes.find(([, array]) => data instanceof array);
  return found ? found[0] : 'BYTES';
}

/** Each element as a little-endian uint32 of its length, and its bytes. */
function encodeStrings(elements: readonly (string | Uint8Array)[]): Uint8Array {
  const encoder = new TextEncoder();
  const parts = elements.map((element) =>
    typeof element === 'string' ? encoder.encode(element) : element,
  );
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + 4 + part.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length, true);
    bytes.set(part, at + 4);
    at += 4 + part.length;
  }
  return bytes;
}

/** An output from its bytes. Throws Error when they are not what type and shape say. */
export function decodeTensor(
  datatype: string,
  shape: readonly number[],
  bytes: Uint8Array,
): OutputTensor {
  const count = shape.reduce((product, size) => product * size, 1);
  if (datatype === 'BYTES') return { datatype, shape, data: decodeStrings(bytes, count) };
  const type = numberType(datatype);
  const array = arrays[type];
  if (bytes.length !== count * array.BYTES_PER_ELEMENT) {
    throw new Error(
      `${datatype} [${shape.join(', ')}] takes ${count * array.BYTES_PER_ELEMENT} bytes, but ${bytes.length} came`,
    );
  }
  // A copy, because the bytes need not begin where such an array may.
  return tensorOf(type, shape, new array(Uint8Array.from(bytes).buffer));
}

/** An output from the list that JSON carries; null, which stands for what JSON cannot say, becomes NaN. */
export function tensorFromJson(
  datatype: string,
  shape: readonly number[],
  data: unknown,
): OutputTensor {
  if (!Array.isArray(data)) throw new Error('"data" must be a list');
  const flat: readonly unknown[] = data.flat(Number.POSITIVE_INFINITY);
  if (datatype === 'BYTES') {
    const encoder = new TextEncoder();
    return { datatype, shape, data: flat.map((element) => encoder.encode(String(element))) };
  }
  const type = numberType(datatype);
  const isBig = type === 'INT64' || type === 'UINT64';
  const numbers = flat.map((n) =>
    isBig ? BigInt(Number(n)) : n === null ? Number.NaN : Number(n),
  );
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- big where the array is of bigint, numbers elsewhere
  return tensorOf(type, shape, arrays[type].from(numbers as Iterable<never>));
}

function tensorOf(
  datatype: NumberType,
  shape: readonly number[],
  data: TensorData[NumberType],
): OutputTensor {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `data` is of the row of `arrays` that `datatype` names
  return { datatype, shape, data } as OutputTensor;
}

function numberType(datatype: string): NumberType {
  if (!Object.hasOwn(arrays, datatype)) throw new Error(`unknown datatype "${datatype}"`);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is a key of the table
  return datatype as NumberType;
}

function decodeStrings(bytes: Uint8Array, count: number): readonly Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    const end = at + 4 <= bytes.length ? at + 4 + view.getUint32(at, true) : Infinity;
    if (end > bytes.length) throw new Error(`BYTES end within element ${elements.length}`);
    elements.push(bytes.slice(at + 4, end));
    at = end;
  }
  if (elements.length === count) return elements;
  throw new Error(`BYTES must hold ${count} elements, but ${elements.length} came`);
}
