import { isJson } from './config.ts';

/**
 * Name of the Python function in a Lambda's `function`, found without running anything.
 *
 * Keras 1 and 2 save a function as marshalled code (as text, or base64), or by name. Undefined for `lambda x: …`
 * and whatever else has no name. Source: keras/utils/generic_utils.py (func_dump), CPython's marshal.c.
 */
export function functionNameOf(saved: unknown, functionType: unknown): string | undefined {
  const value: unknown = Array.isArray(saved) ? saved[0] : saved;
  if (typeof value === 'string') {
    if (functionType === 'function' || isIdentifier(value)) return value;
    return codeName(codeBytes(value));
  }
  if (isJson(value)) {
    const config = value['config'];
    if (typeof config === 'string') return config;
    if (isJson(config) && typeof config['code'] === 'string')
      return codeName(codeBytes(config['code']));
  }
  return undefined;
}

function isIdentifier(text: string): boolean {
  return /^[A-Za-z_]\w*$/.test(text) && text.length < 100;
}

/** Keras 1: one character a byte; Keras 2: base64. */
function codeBytes(text: string): Buffer {
  return /^[A-Za-z0-9+/=\s]+$/.test(text)
    ? Buffer.from(text, 'base64')
    : Buffer.from(text, 'latin1');
}

/** Marks of short strings (one length byte), and of long ones (four), with and without marshal's reference flag 0x80. */
const shortMarks = new Set([0x5a, 0xda, 0x7a, 0xfa]);
const longMarks = new Set([0x74, 0xf4, 0x73, 0xf3, 0x75, 0xf5, 0x61, 0xe1, 0x41, 0xc1]);

/**
 * `co_name` of a marshalled code object of Python 2.7 to 3.10.
 *
 * Its last parts are name, first line (4 bytes) and line table (mark, length, bytes): read from the end, so that the
 * parts before, whose layout differs between Pythons, need not be understood.
 */
function codeName(bytes: Buffer): string | undefined {
  for (let at = bytes.length - 5; at > 8; at--) {
    const isTable = bytes[at] === 0x73 || bytes[at] === 0xf3;
    if (!isTable || bytes.readUInt32LE(at + 1) !== bytes.length - at - 5) continue;
    const name = textBefore(bytes, at - 4);
    if (name !== undefined) return name;
  }
  return undefined;
}

/** The marshalled identifier that ends at `end`. */
function textBefore(bytes: Buffer, end: number): string | undefined {
  for (let length = 1; length < 100 && end - length >= 5; length++) {
    const start = end - length;
    const text = bytes.toString('latin1', start, end);
    if (!isIdentifier(text)) continue;
    if (shortMarks.has(bytes[start - 2] ?? 0) && bytes[start - 1] === length) return text;
    if (longMarks.has(bytes[start - 5] ?? 0) && bytes.readUInt32LE(start - 4) === length)
      return text;
  }
  return undefined;
}
