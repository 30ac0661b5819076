import { type Numbers, sizeOf } from '../../../tensor.ts';
import { invalid } from '../../request/check.ts';
import { type Datatype, datatypes } from '../../request/datatypes.ts';
import { bytesIn, numbersOf } from '../../request/views.ts';
import { type Bulk, type Cursor, isSureAsSingle, readPlain } from './bulk.ts';
import { digitsOf, newToken, readNumber, slowNumber } from './number.ts';
import { type ByteRange, isSpace, stringEnd } from './scan.ts';

/** The tensor whose data is read. */
export interface DataOf {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/**
 * Reads a tensor's `data` out of JSON: nested or flat, in row-major order; how it is nested is not looked at.
 *
 * Floats may also be "NaN", "Infinity" and "-Infinity", as in protobuf's JSON. Whole numbers keep all their digits.
 * Throws REQUEST_INVALID. Memory: the tensor, which is never longer than its text.
 */
export function readData(
  body: Buffer,
  range: ByteRange,
  of: DataOf,
): Uint8Array | readonly Uint8Array[] {
  const { dtype, json } = datatypes[of.datatype];
  if (json === 'string' || dtype === 'string') return readTexts(body, range, of);
  if (json === 'never') {
    throw invalid(
      `input '${of.name}' has datatype ${of.datatype}, which cannot be sent as JSON: send it as binary data (binary_data_size)`,
    );
  }
  const expected = sizeOf(of.shape);
  // Every element takes a character and a comma, so that a lying shape makes no large array.
  const room = Math.min(expected, Math.ceil((range.end - range.start) / 2));
  const buffer = new ArrayBuffer(room * datatypes[of.datatype].bytes);
  const numbers = numbersOf(dtype, buffer, { offset: 0, count: room });
  const put = putters[json](numbers, of);
  const count = eachScalar(body, { range, of, bulk: bulkOf(numbers, of) }, (start, index) =>
    put(body, start, index, index < room),
  );
  if (count !== expected) throw miscounted(of, count);
  return bytesIn(numbers);
}

/** Stores the element that starts at `start`, and gives where it ends. Beyond the room it is only read over. */
type Put = (body: Buffer, start: number, index: number, hasRoom: boolean) => number;

type Kind = 'float' | 'integer' | 'big' | 'bool';

const putters: { readonly [K in Kind]: (numbers: Numbers, of: DataOf) => Put } = {
  float(numbers, of) {
    const token = newToken();
    const isSingle = of.datatype === 'FP32';
    return (body, start, index, hasRoom) => {
      if (body[start] === 0x22) {
        const [value, end] = spelledFloat(body, start, of, index);
        if (hasRoom) numbers[index] = value;
        return end;
      }
      if (!readNumber(body, start, token)) throw unexpected(body, start, of, index);
      let { value } = token;
      if (!token.isExact && !(isSingle && isSureAsSingle(value))) {
        value = slowNumber(body, start, token.end);
      }
      const stored = isSingle ? Math.fround(value) : value;
      if (!Number.isFinite(stored)) throw outOfRange(body, { start, end: token.end }, of, index);
      if (hasRoom) numbers[index] = stored;
      return token.end;
    };
  },
  integer(numbers, of) {
    const token = newToken();
    const [least, most] = (datatypes[of.datatype].range ?? [0n, 0n]).map(Number);
    return (body, start, index, hasRoom) => {
      if (!readNumber(body, start, token)) throw unexpected(body, start, of, index);
      const { value } = token;
      if (!Number.isInteger(value)) throw unexpected(body, start, of, index);
      if (value < (least ?? 0) || value > (most ?? 0)) {
        throw outOfRange(body, { start, end: token.end }, of, index);
      }
      if (hasRoom) numbers[index] = value;
      return token.end;
    };
  },
  big(numbers, of) {
    const token = newToken();
    const [least, most] = datatypes[of.datatype].range ?? [0n, 0n];
    return (body, start, index, hasRoom) => {
      if (!readNumber(body, start, token)) throw unexpected(body, start, of, index);
      if (!token.isWhole && !Number.isSafeInteger(token.value)) {
        throw unexpected(body, start, of, index);
      }
      const isPlain = token.isExact && Number.isSafeInteger(token.value);
      const value = isPlain ? BigInt(token.value) : BigInt(digitsOf(body, start, token.end));
      if (value < least || value > most)
        throw outOfRange(body, { start, end: token.end }, of, index);
      if (hasRoom) numbers[index] = value;
      return token.end;
    };
  },
  bool(numbers, of) {
    const words = [
      ['true', 1],
      ['false', 0],
      ['1', 1],
      ['0', 0],
    ] as const;
    return (body, start, index, hasRoom) => {
      for (const [word, value] of words) {
        if (!isWord(body, start, word)) continue;
        if (hasRoom) numbers[index] = value;
        return start + word.length;
      }
      throw unexpected(body, start, of, index);
    };
  },
};

function bulkOf(numbers: Numbers, { datatype }: DataOf): Bulk | undefined {
  if (numbers instanceof BigInt64Array || numbers instanceof BigUint64Array) return undefined;
  if (datatype === 'BOOL') return undefined;
  const [least, most] = (datatypes[datatype].range ?? []).map(Number);
  const range = least === undefined || most === undefined ? undefined : ([least, most] as const);
  return { numbers, room: numbers.length, isSingle: datatype === 'FP32', range };
}

const spelled: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Infinity,
  '-Infinity': -Infinity,
};

function spelledFloat(body: Buffer, start: number, of: DataOf, index: number): [number, number] {
  const end = stringEnd(body, start);
  const value = end - start > 12 ? undefined : spelled[body.toString('latin1', start + 1, end - 1)];
  if (value === undefined) throw unexpected(body, start, of, index);
  return [value, end];
}

function readTexts(body: Buffer, range: ByteRange, of: DataOf): readonly Uint8Array[] {
  const texts: Uint8Array[] = [];
  const count = eachScalar(body, { range, of, bulk: undefined }, (start, index) => {
    if (body[start] !== 0x22) throw unexpected(body, start, of, index);
    const end = stringEnd(body, start);
    texts.push(textOf(body, { start, end }, of, index));
    return end;
  });
  if (count !== sizeOf(of.shape)) throw miscounted(of, count);
  return texts;
}

function textOf(body: Buffer, { start, end }: ByteRange, of: DataOf, index: number): Uint8Array {
  const inner = body.subarray(start + 1, end - 1);
  const isPlain = inner.every((byte) => byte >= 0x20 && byte !== 0x5c);
  if (isPlain) return inner;
  try {
    const text: unknown = JSON.parse(body.toString('utf8', start, end));
    if (typeof text === 'string') return Buffer.from(text);
  } catch {
    // Said below, with the place.
  }
  throw unexpected(body, start, of, index);
}

interface Walked {
  readonly range: ByteRange;
  readonly of: DataOf;
  /** Where runs of plain numbers go at once. */
  readonly bulk: Bulk | undefined;
}

/** Walks nested arrays; `read` is given where each scalar starts and says where it ends. Gives their number. */
// oxlint-disable-next-line complexity -- one loop over the bytes of large bodies, which a function for each kind of byte would slow down
function eachScalar(
  body: Buffer,
  { range: { start, end }, of, bulk }: Walked,
  read: (start: number, index: number) => number,
): number {
  if (body[start] !== 0x5b) throw invalid(`data of input '${of.name}' must be an array`);
  let [depth, count, i] = [0, 0, start];
  // Whether a value may come next: after an opening bracket or a comma.
  let isDue = true;
  const cursor: Cursor = { at: 0, index: 0 };
  while (i < end) {
    if (bulk && isDue && depth > 0) {
      cursor.at = i;
      cursor.index = count;
      readPlain(body, cursor, bulk);
      i = cursor.at;
      count = cursor.index;
    }
    const byte = body[i] ?? 0;
    if (byte <= 0x20 && isSpace(byte)) i += 1;
    else if (byte === 0x5d) {
      const isAfterComma = isDue && body[lastSolid(body, i)] === 0x2c;
      depth -= 1;
      if (isAfterComma || depth < 0) throw unexpected(body, i, of, count);
      isDue = false;
      i += 1;
      if (depth === 0 && i < end) throw unexpected(body, i, of, count);
    } else if (byte === 0x2c) {
      if (isDue || depth === 0) throw unexpected(body, i, of, count);
      isDue = true;
      i += 1;
    } else {
      if (!isDue) throw unexpected(body, i, of, count);
      if (byte === 0x5b) {
        depth += 1;
        i += 1;
        continue;
      }
      i = read(i, count);
      count += 1;
      isDue = false;
    }
  }
  if (depth !== 0) throw unexpected(body, end, of, count);
  return count;
}

function lastSolid(body: Buffer, before: number): number {
  let i = before - 1;
  while (isSpace(body[i])) i -= 1;
  return i;
}

function isWord(body: Buffer, start: number, word: string): boolean {
  return body.toString('latin1', start, start + word.length) === word;
}

const wants: { readonly [K in Kind | 'string' | 'never']: string } = {
  float: 'a number, "NaN", "Infinity" or "-Infinity"',
  integer: 'a whole number',
  big: 'a whole number',
  bool: 'true or false',
  string: 'a string',
  never: 'binary data',
};

function unexpected(body: Buffer, at: number, { name, datatype }: DataOf, index: number): Error {
  const found = JSON.stringify(body.toString('utf8', at, at + 20));
  const wanted = wants[datatypes[datatype].json];
  return invalid(
    `data of input '${name}' (${datatype}), element ${index}: ${wanted} is expected, but there is ${found}`,
  );
}

function outOfRange(
  body: Buffer,
  { start, end }: ByteRange,
  { name, datatype }: DataOf,
  index: number,
): Error {
  const found = body.toString('utf8', start, Math.min(end, start + 40));
  return invalid(
    `data of input '${name}', element ${index}: ${found} is out of the range of ${datatype}`,
  );
}

function miscounted({ name, shape }: DataOf, found: number): Error {
  return invalid(
    `data of input '${name}' has ${found} elements, ${sizeOf(shape)} wanted by its shape [${shape.join()}]`,
  );
}
