import { type FileRange, readBytes } from '../files/file-range.ts';

/** Message types of an HDF5 object header (HDF5 file format specification, IV.A.2). */
const externalFiles = 0x07;
const attribute = 0x0c;
const continuation = 0x10;

interface Block {
  readonly at: number;
  readonly length: number;
}

/**
 * Whether the dataset with this object header keeps its numbers in other files ("External Data Files" message).
 *
 * h5wasm does not tell, and opening such a dataset opens those files. Reads the header's messages only, versions 1 and 2.
 */
export function hasExternalStorage(range: FileRange, address: number): boolean {
  for (const { type } of headerMessages(range, address)) if (type === externalFiles) return true;
  return false;
}

/**
 * How many bytes the variable-length strings of an attribute claim to have in all; 0 for attributes that do not lie in
 * the object's header. HDF5 asks for that much memory before it looks for the strings.
 *
 * Source: HDF5 file format specification, IV.A.2.m (attribute message) and VIII (a string: length, heap, index).
 */
export function claimedStringBytes(
  range: FileRange,
  address: number,
  { name, count }: { readonly name: string; readonly count: number },
): number {
  let most = 0;
  for (const { type, data } of headerMessages(range, address)) {
    const values = type === attribute ? attributeValues(data, name) : undefined;
    if (!values) continue;
    let sum = 0;
    for (let i = 0; i < count && i * stringBytes + 4 <= values.length; i++) {
      sum += values.readUInt32LE(i * stringBytes);
    }
    most = Math.max(most, sum);
  }
  return most;
}

/** A length of 4 bytes, an address of 8 and an index of 4. */
const stringBytes = 16;

/** What follows name, type and shape in an attribute message of this name. */
function attributeValues(data: Buffer, name: string): Buffer | undefined {
  if (data.length < 9) return undefined;
  const version = data[0] ?? 0;
  const sizes = [data.readUInt16LE(2), data.readUInt16LE(4), data.readUInt16LE(6)];
  const padded = version === 1 ? sizes.map((size) => Math.ceil(size / 8) * 8) : sizes;
  const start = version >= 3 ? 9 : 8;
  const found = data.toString('utf8', start, start + (sizes[0] ?? 0)).replace(/\0.*$/s, '');
  if (found !== name) return undefined;
  return data.subarray(padded.reduce((sum, size) => sum + size, start));
}

/** No header of Keras comes near it: an attribute has at most 64 KB. */
const mostHeaderBytes = 64 * 1024 * 1024;

/** Messages of an object's header, continued wherever it says so, each place once. */
function* headerMessages(
  range: FileRange,
  address: number,
): Generator<{ readonly type: number; readonly data: Buffer }> {
  const head = readBytes(range, address, 64);
  const isNew = head.toString('latin1', 0, 4) === 'OHDR';
  const queue: Block[] = [isNew ? firstBlock(head, address) : oldBlock(head, address)];
  const messageHead = isNew ? ((head[5] ?? 0) & 0x04 ? 6 : 4) : 8;
  const seen = new Set<number>();
  let left = mostHeaderBytes;
  for (let block = queue.pop(); block; block = queue.pop()) {
    if (seen.has(block.at)) continue;
    seen.add(block.at);
    const bytes = readBytes(range, block.at, Math.min(block.length, left));
    left -= bytes.length;
    for (const { type, data } of messagesOf(bytes, messageHead)) {
      yield { type, data };
      if (type === continuation && data.length >= 16)
        queue.push(nextBlock(data, isNew, range.base));
    }
  }
}

function oldBlock(head: Buffer, address: number): Block {
  return { at: address + 16, length: head.length < 12 ? 0 : head.readUInt32LE(8) };
}

function firstBlock(head: Buffer, address: number): Block {
  const flags = head[5] ?? 0;
  const sizeAt = 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
  const width = 1 << (flags & 3);
  const length = head.readUIntLE(sizeAt, Math.min(width, 6));
  return { at: address + sizeAt + width, length };
}

/** Continuation blocks of version 2 begin with "OCHK" and end with a checksum. */
function nextBlock(data: Buffer, isNew: boolean, base: number): Block {
  const at = base + Number(data.readBigUInt64LE(0));
  const length = Number(data.readBigUInt64LE(8));
  return isNew ? { at: at + 4, length: length - 8 } : { at, length };
}

function* messagesOf(
  bytes: Buffer,
  head: number,
): Generator<{ readonly type: number; readonly data: Buffer }> {
  let at = 0;
  while (at + head <= bytes.length) {
    const type = head === 8 ? bytes.readUInt16LE(at) : (bytes[at] ?? 0);
    const size = bytes.readUInt16LE(at + (head === 8 ? 2 : 1));
    yield { type, data: bytes.subarray(at + head, at + head + size) };
    at += head + size;
  }
}
