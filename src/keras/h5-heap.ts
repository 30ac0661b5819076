import { type FileRange, readBytes } from '../files/file-range.ts';

const mark = Buffer.from('GCOL', 'latin1');
const headBytes = 16;

/**
 * Whether the bytes just read hold the beginning of a global heap (where strings lie) that HDF5 would walk through
 * forever: it trusts the sizes of the heap's objects, and a size of 0, or one that wraps to 0, is no step forward.
 *
 * `position` is where the bytes lie in the range. Source: HDF5 file format specification, III.E; H5HGcache.c.
 */
export function holdsEndlessHeap(range: FileRange, bytes: Uint8Array, position: number): boolean {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = buffer.indexOf(mark); at >= 0; at = buffer.indexOf(mark, at + 1)) {
    if (isEndless(range, position + at)) return true;
  }
  return false;
}

function isEndless(range: FileRange, start: number): boolean {
  const head = readBytes(range, start, headBytes);
  if (head.length < headBytes) return false;
  const size = Number(head.readBigUInt64LE(8));
  // A heap that claims to be longer than the file is refused by HDF5 when it reads it.
  if (size > range.length) return false;
  for (let at = headBytes; at + headBytes <= size; ) {
    const object = readBytes(range, start + at, headBytes);
    if (object.length < headBytes) return false;
    const isFree = object.readUInt16LE(0) === 0;
    const bytes = object.readBigUInt64LE(8);
    const step = isFree ? bytes : BigInt(headBytes) + ((bytes + 7n) / 8n) * 8n;
    if (step === 0n || step > BigInt(size)) return true;
    at += Number(step);
  }
  return false;
}
