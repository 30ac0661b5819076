import { type FileRange, readBytes } from './file-range.ts';

/** Message types of an HDF5 object header (HDF5 file format specification, IV.A.2). */
const externalFiles = 0x07;
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
  const head = readBytes(range, address, 64);
  const isNew = head.toString('latin1', 0, 4) === 'OHDR';
  const queue: Block[] = [isNew ? firstBlock(head, address) : oldBlock(head, address)];
  const messageHead = isNew ? ((head[5] ?? 0) & 0x04 ? 6 : 4) : 8;
  const seen = new Set<number>();
  for (let block = queue.pop(); block; block = queue.pop()) {
    if (seen.has(block.at)) continue;
    seen.add(block.at);
    const bytes = readBytes(range, block.at, Math.min(block.length, range.length));
    for (const { type, data } of messagesOf(bytes, messageHead)) {
      if (type === externalFiles) return true;
      if (type === continuation && data.length >= 16)
        queue.push(nextBlock(data, isNew, range.base));
    }
  }
  return false;
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
