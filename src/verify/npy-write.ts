import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { ToolkitError } from '../errors.ts';
import type { Tensor } from '../runtime/session.ts';
import { byteLengthOf, type DType } from '../tensor.ts';
import { dtypes } from './npy.ts';

/** The header of a .npy file, version 1, row-major. Throws REFERENCE_INVALID. Source: numpy/lib/format.py. */
function npyHead(dtype: DType, shape: readonly number[]): Buffer {
  const kind = Object.entries(dtypes).find(([, each]) => each === dtype)?.[0];
  if (kind === undefined) {
    throw new ToolkitError('REFERENCE_INVALID', `NumPy has no type for ${dtype}`, {
      hint: 'Write the numbers as text instead: -o FILE.csv or FILE.jsonl.',
    });
  }
  const order = kind.endsWith('1') ? '|' : '<';
  const dims = shape.map((dim) => `${dim},`).join(' ');
  const text = `{'descr': '${order}${kind}', 'fortran_order': False, 'shape': (${dims}), }`;
  // The numbers begin at a multiple of 64.
  const length = Math.ceil((text.length + 11) / 64) * 64 - 10;
  const head = Buffer.alloc(10);
  head.write('\x93NUMPY\x01\x00', 'latin1');
  head.writeUInt16LE(length, 8);
  return Buffer.concat([head, Buffer.from(`${text.padEnd(length - 1)}\n`)]);
}

/** One array that is written row by row. */
interface Member {
  readonly name: string;
  readonly head: Buffer;
  /** Where it begins in the file. */
  readonly start: number;
  readonly length: number;
  written: number;
  crc: number;
}

type Batches = AsyncIterable<Readonly<Record<string, Tensor>>>;

/**
 * Writes batches of rows as a .npy file, or, with `isArchive`, as members of an .npz that are named after them.
 *
 * Memory: a batch. Throws REFERENCE_INVALID for several arrays in a .npy, and for 4 GiB and more in an .npz.
 */
export async function writeRows(
  file: FileHandle,
  batches: Batches,
  { rows, isArchive }: { readonly rows: number; readonly isArchive: boolean },
): Promise<void> {
  let members: readonly Member[] | undefined;
  for await (const batch of batches) {
    members ??= await begun(file, batch, { rows, isArchive });
    for (const member of members) await append(file, member, batch[member.name]);
  }
  if (isArchive) await finish(file, members ?? []);
}

async function begun(
  file: FileHandle,
  batch: Readonly<Record<string, Tensor>>,
  { rows, isArchive }: { readonly rows: number; readonly isArchive: boolean },
): Promise<readonly Member[]> {
  const outputs = Object.entries(batch);
  if (!isArchive && outputs.length !== 1) throw several(outputs.map(([name]) => name));
  const members: Member[] = [];
  let at = 0;
  for (const [name, { dtype, shape }] of outputs) {
    const whole = [rows, ...shape.slice(1)];
    const head = npyHead(dtype, whole);
    const start = at + (isArchive ? localBytes + memberName(name).length : 0);
    const length = head.length + byteLengthOf({ dtype, shape: whole });
    members.push({ name, head, start, length, written: 0, crc: 0 });
    at = start + length;
  }
  if (isArchive && at > 0xff_ff_00_00) throw tooLarge(at);
  for (const member of members) await append(file, member, member.head);
  return members;
}

async function append(
  file: FileHandle,
  member: Member,
  part: Buffer | Tensor | undefined,
): Promise<void> {
  if (!part) throw new Error(`Bug: a batch has no "${member.name}"`);
  const { buffer, byteOffset, byteLength } = 'data' in part ? part.data : part;
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  await file.write(bytes, 0, byteLength, member.start + member.written);
  member.written += byteLength;
  member.crc = crc32(bytes, member.crc);
}

/** Bytes of a local header of a zip archive, before the name. Source: APPNOTE.TXT 4.3.7. */
const localBytes = 30;
/** Bytes of an entry of the central directory, before the name. 4.3.12. */
const centralBytes = 46;

const memberName = (name: string): Buffer => Buffer.from(`${name}.npy`);

/** The headers before the members, whose checksums are known now, and the central directory. Nothing is compressed. */
async function finish(file: FileHandle, members: readonly Member[]): Promise<void> {
  const entries: Buffer[] = [];
  for (const { name, start, length, crc } of members) {
    const text = memberName(name);
    const at = start - localBytes - text.length;
    const local = Buffer.alloc(localBytes);
    local.writeUInt32LE(0x04034b50, 0);
    const central = Buffer.alloc(centralBytes);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(20, 4);
    central.writeUInt32LE(at, 42);
    // Both say the same, one two bytes after the other: version 2.0, names in UTF-8, stored, 1980-01-01, checksum, sizes.
    for (const [header, from] of [
      [local, 4],
      [central, 6],
    ] as const) {
      header.writeUInt16LE(20, from);
      header.writeUInt16LE(0x0800, from + 2);
      header.writeUInt16LE(0x21, from + 8);
      header.writeUInt32LE(crc, from + 10);
      header.writeUInt32LE(length, from + 14);
      header.writeUInt32LE(length, from + 18);
      header.writeUInt16LE(text.length, from + 22);
    }
    const head = Buffer.concat([local, text]);
    await file.write(head, 0, head.length, at);
    entries.push(central, text);
  }
  const last = members.at(-1);
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(directory.length, 12);
  const at = last ? last.start + last.length : 0;
  end.writeUInt32LE(at, 16);
  const tail = Buffer.concat([directory, end]);
  await file.write(tail, 0, tail.length, at);
}

function several(names: readonly string[]): ToolkitError {
  return new ToolkitError(
    'REFERENCE_INVALID',
    `A .npy file holds one array, but the model puts out ${names.length}: ${names.join(', ')}`,
    { hint: 'Write them into one archive: -o FILE.npz.' },
  );
}

function tooLarge(bytes: number): ToolkitError {
  return new ToolkitError(
    'REFERENCE_INVALID',
    `An .npz archive here holds less than 4 GiB, but this takes ${bytes} bytes`,
    { hint: 'Predict fewer rows at once, or write one output as .npy.' },
  );
}
