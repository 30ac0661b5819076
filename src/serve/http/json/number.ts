/** A number that was read from JSON, and where it ends. */
export interface NumberToken {
  /** Correctly rounded where `isExact`; else within 10⁻¹⁵ of the true value. */
  value: number;
  end: number;
  isExact: boolean;
  /** Written without a point and an exponent. */
  isWhole: boolean;
  /** Read by way of a string. */
  isSlow: boolean;
}

/** A token to read numbers into, one after the other. */
export function newToken(): NumberToken {
  return { value: 0, end: 0, isExact: true, isWhole: true, isSlow: false };
}

const minus = 0x2d;
const plus = 0x2b;
const point = 0x2e;
const zero = 0x30;

/** Powers of ten that a float64 holds exactly. */
const powers = Array.from({ length: 23 }, (_, exponent) => 10 ** exponent);

/** Digits that a float64 holds whatever they are. */
const exactDigits = 15;
/** With more digits than this the estimate is no longer worth anything. */
const mostDigits = 19;

/**
 * Reads a number in JSON's grammar from `start` on, into `token`; `false` where there is none.
 *
 * Digits and a power of ten that both fit a float64 give the right value with one rounding (Clinger's fast path). Longer
 * ones are an estimate: the caller decides whether that is enough, or reads them the slow way.
 */
export function readNumber(body: Uint8Array, start: number, token: NumberToken): boolean {
  const parts: Parts = { mantissa: 0, digits: 0, exponent: 0 };
  const first = body[start] === minus ? start + 1 : start;
  let i = takeDigits(body, first, parts);
  // At least one digit, and no zero in front of others.
  if (i === first || (body[first] === zero && i > first + 1)) return false;
  const wholeEnd = i;
  if (body[i] === point) {
    const fraction = i + 1;
    i = takeDigits(body, fraction, parts);
    if (i === fraction) return false;
    parts.exponent = fraction - i;
  }
  if (body[i] === 0x65 || body[i] === 0x45) {
    i = takeExponent(body, i + 1, parts);
    if (i === 0) return false;
  }
  token.isWhole = i === wholeEnd;
  token.end = i;
  scale(body, { token, start, parts });
  if (body[start] === minus && !token.isSlow) token.value = -token.value;
  return true;
}

interface Parts {
  /** All digits as one number. */
  mantissa: number;
  /** How many there are, from the first that is not zero on. */
  digits: number;
  /** The power of ten that it is to be multiplied by. */
  exponent: number;
}

/** Gives where the digits end. */
function takeDigits(body: Uint8Array, start: number, parts: Parts): number {
  let i = start;
  for (let digit = digitAt(body, i); digit <= 9; digit = digitAt(body, ++i)) {
    parts.mantissa = parts.mantissa * 10 + digit;
    if (parts.mantissa !== 0) parts.digits += 1;
  }
  return i;
}

/** Gives where the exponent ends; 0 where it has no digits. */
function takeExponent(body: Uint8Array, start: number, parts: Parts): number {
  const hasSign = body[start] === minus || body[start] === plus;
  const from = hasSign ? start + 1 : start;
  let written = 0;
  let i = from;
  for (let digit = digitAt(body, i); digit <= 9; digit = digitAt(body, ++i)) {
    written = Math.min(written * 10 + digit, 100_000);
  }
  parts.exponent += body[start] === minus ? -written : written;
  return i === from ? 0 : i;
}

function scale(
  body: Uint8Array,
  { token, start, parts }: { token: NumberToken; readonly start: number; readonly parts: Parts },
): void {
  const { mantissa, digits, exponent } = parts;
  const power = powers[Math.abs(exponent)];
  token.isSlow = digits > mostDigits || (power === undefined && mantissa !== 0);
  token.isExact = token.isSlow || digits <= exactDigits;
  if (token.isSlow) token.value = slowNumber(body, start, token.end);
  else token.value = exponent < 0 ? mantissa / (power ?? 1) : mantissa * (power ?? 1);
}

/** The right value, by way of a string. */
export function slowNumber(body: Uint8Array, start: number, end: number): number {
  return Number(digitsOf(body, start, end));
}

/** The digits as they are written. */
export function digitsOf(body: Uint8Array, start: number, end: number): string {
  return Buffer.from(body.buffer, body.byteOffset + start, end - start).toString('latin1');
}

/** The digit at a place; more than 9 where there is none. */
function digitAt(body: Uint8Array, at: number): number {
  return ((body[at] ?? 0) - zero) >>> 0;
}
