import type { Numbers } from '../../../tensor.ts';

/** Where reading is, and how many elements have been read. */
export interface Cursor {
  at: number;
  index: number;
}

/** What the numbers must be, and where they go. */
export interface Bulk {
  readonly numbers: Exclude<Numbers, BigInt64Array | BigUint64Array>;
  /** Elements that `numbers` holds. */
  readonly room: number;
  /** float32: digits beyond those of a float64 do not matter, where the rounding is sure. */
  readonly isSingle: boolean;
  /** The range of a whole number; `undefined` for floats. */
  readonly range: readonly [number, number] | undefined;
}

const comma = 0x2c;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const space = 0x20;

/** Powers of ten that a float64 holds exactly. */
const powers = Float64Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);
const exactDigits = 15;
const mostDigits = 19;

/**
 * Reads plain numbers, each followed by a comma, as far as they go: by far the most of any large body.
 *
 * It stops in front of the first that is anything else (an exponent, the last of an array, a mistake), which is for the
 * thorough reader. Correct in what it does read: see `readNumber` for the arithmetic.
 */
// oxlint-disable-next-line complexity -- the innermost loop of large bodies: calls would cost more than what they do
export function readPlain(body: Uint8Array, cursor: Cursor, bulk: Bulk): void {
  const { numbers, room } = bulk;
  let { at, index } = cursor;
  while (index < room) {
    let i = at;
    const isNegative = body[i] === minus;
    if (isNegative) i += 1;
    const first = i;
    let mantissa = 0;
    for (let digit = digitAt(body, i); digit <= 9; digit = digitAt(body, ++i)) {
      mantissa = mantissa * 10 + digit;
    }
    let digits = i - first;
    if (digits === 0 || (digits > 1 && body[first] === zero)) break;
    let value = mantissa;
    if (body[i] === point) {
      const fraction = ++i;
      for (let digit = digitAt(body, i); digit <= 9; digit = digitAt(body, ++i)) {
        mantissa = mantissa * 10 + digit;
      }
      const decimals = i - fraction;
      digits += decimals;
      if (decimals === 0 || digits > mostDigits) break;
      value = mantissa / (powers[decimals] ?? 1);
    }
    if (body[i] !== comma || !isRight(value, digits, bulk)) break;
    if (isNegative) value = -value;
    if (bulk.range && (value < bulk.range[0] || value > bulk.range[1])) break;
    numbers[index] = value;
    index += 1;
    at = i + 1;
    if (body[at] === space) at += 1;
  }
  cursor.at = at;
  cursor.index = index;
}

function isRight(value: number, digits: number, { isSingle, range }: Bulk): boolean {
  if (range && !Number.isInteger(value)) return false;
  if (digits <= exactDigits) return true;
  return isSingle && digits <= mostDigits && isSureAsSingle(value);
}

/** Whether all values within the error of an estimate, 10⁻¹⁵, are the same float32. */
export function isSureAsSingle(value: number): boolean {
  return Math.fround(value * (1 - 1e-15)) === Math.fround(value * (1 + 1e-15));
}

/** The digit at a place; more than 9 where there is none. */
function digitAt(body: Uint8Array, at: number): number {
  return ((body[at] ?? 0) - zero) >>> 0;
}
