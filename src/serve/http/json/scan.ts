import { invalid } from '../../request/check.ts';

/** Where a value lies in a body. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A request's JSON without the numbers of its tensors. */
export interface Scanned {
  /** `data` of each input is its index in `ranges`. */
  readonly json: unknown;
  readonly ranges: readonly ByteRange[];
}

/** Triton's own limit. */
const deepest = 100;

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

/**
 * Parses the JSON of an inference request, all but the numbers: where `inputs[i].data` lie is noted, so that they can
 * be read straight into arrays of their type, without losing digits and without a JavaScript array in between.
 *
 * Throws REQUEST_INVALID. Memory: the JSON around the numbers.
 */
export function scanRequest(body: Buffer): Scanned {
  const ranges = dataRanges(body);
  const pieces: string[] = [];
  let at = 0;
  for (const [i, { start, end }] of ranges.entries()) {
    pieces.push(body.toString('utf8', at, start), String(i));
    at = end;
  }
  pieces.push(body.toString('utf8', at));
  try {
    const json: unknown = JSON.parse(pieces.join(''));
    return { json, ranges };
  } catch (fault) {
    const why = fault instanceof Error ? fault.message : String(fault);
    throw invalid(
      `failed to parse the request JSON: ${why.slice(0, 200)}; where binary tensors follow it, ` +
        'the header Inference-Header-Content-Length must say how many bytes it takes',
    );
  }
}

/** The values of the key `data` of the objects in the array `inputs` of the outermost object. */
// oxlint-disable-next-line complexity -- one loop over the bytes, which a function for each kind of byte would slow down
function dataRanges(body: Buffer): ByteRange[] {
  const ranges: ByteRange[] = [];
  let depth = 0;
  let isInputs = false;
  let key = '';
  for (let i = 0; i < body.length; i++) {
    const byte = body[i];
    if (byte === quote) {
      const end = stringEnd(body, i);
      // Longer keys than these do not matter.
      if ((depth === 1 || depth === 3) && end - i < 16)
        key = body.toString('latin1', i + 1, end - 1);
      i = end - 1;
    } else if (byte === colon) {
      if (depth === 1) isInputs = key === 'inputs';
      else if (depth === 3 && isInputs && key === 'data') {
        const range = valueRange(body, i + 1);
        ranges.push(range);
        i = range.end - 1;
      }
      key = '';
    } else if (byte === openBrace || byte === openBracket) {
      depth += 1;
      if (depth > deepest) throw invalid(`the request JSON is nested more than ${deepest} deep`);
    } else if (byte === closeBrace || byte === closeBracket) depth -= 1;
  }
  return ranges;
}

/** One behind the closing quote. */
export function stringEnd(body: Buffer, start: number): number {
  let i = start + 1;
  while (i < body.length) {
    const byte = body[i];
    if (byte === quote) return i + 1;
    i += byte === backslash ? 2 : 1;
  }
  return body.length;
}

function valueRange(body: Buffer, from: number): ByteRange {
  let start = from;
  while (start < body.length && isSpace(body[start])) start += 1;
  const first = body[start];
  if (first === quote) return { start, end: stringEnd(body, start) };
  if (first === openBracket || first === openBrace) return { start, end: nestedEnd(body, start) };
  let end = start;
  while (end < body.length && !isEnd(body[end])) end += 1;
  return { start, end };
}

/** Where a flat array ends; 0 for any other. They are the most and the longest, and these searches beat any loop. */
function flatEnd(body: Buffer, start: number): number {
  const end = body.indexOf(closeBracket, start);
  if (end < 0 || body[start] !== openBracket) return 0;
  const inner = body.subarray(start + 1, end);
  const isFlat = ![quote, openBracket, openBrace].some((byte) => inner.includes(byte));
  return isFlat ? end + 1 : 0;
}

function nestedEnd(body: Buffer, start: number): number {
  const flat = flatEnd(body, start);
  if (flat > 0) return flat;
  let depth = 0;
  for (let i = start; i < body.length; i++) {
    const byte = body[i];
    if (byte === quote) i = stringEnd(body, i) - 1;
    else if (byte === openBracket || byte === openBrace) depth += 1;
    else if (byte === closeBracket || byte === closeBrace) {
      depth -= 1;
      if (depth === 0) return i + 1;
    }
  }
  return body.length;
}

/** Whether a byte is JSON's white space. */
export function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isEnd(byte: number | undefined): boolean {
  return byte === comma || byte === closeBrace || byte === closeBracket || isSpace(byte);
}
