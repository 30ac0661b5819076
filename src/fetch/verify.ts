import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Check, Source } from './sources.ts';

/** What was found out about a whole file. */
export interface Verdict {
  readonly bytes: number;
  readonly sha256: string;
  /** By what it was checked: a published checksum, or, where there is none, its signature and size. */
  readonly checked: 'md5' | 'sha256' | 'signature and size';
}

/** In what a file differs from what it should be. */
interface Mismatch {
  readonly wrong: string;
}

const hdf5 = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');

/**
 * The first bytes that the file must have: the HDF5 signature for `.h5`, a brace for `.json`.
 *
 * Source: HDF5 File Format Specification, II.A; none of the files has a user block in front.
 */
export function signatureOf({ file }: Pick<Source, 'file'>): Uint8Array {
  if (file.endsWith('.json')) return Buffer.from('{');
  return file.endsWith('.h5') ? hdf5 : Buffer.alloc(0);
}

/**
 * The sizes in bytes that a file may have, by what is known of it: its numbers take 4 bytes each, and names and
 * tables add less than one part in a hundred and 1 MiB.
 */
export function sizeBounds(check: Check): readonly [least: number, most: number] {
  if (!('parameters' in check)) return [1, Number.MAX_SAFE_INTEGER];
  const least = check.parameters * 4;
  return [least, Math.floor(least * 1.01) + 1024 * 1024];
}

/**
 * Reads a file once and compares it with what is known of it; says what is wrong, both values named, if it differs.
 *
 * Memory: one chunk of 1 MiB.
 */
export async function verify(path: string, source: Source): Promise<Verdict | Mismatch> {
  const { bytes, head, md5, sha256 } = await digest(path);
  const { check } = source;
  if ('md5' in check) {
    if (md5 !== check.md5.toLowerCase()) return mismatch('MD5', check.md5, md5);
    return { bytes, sha256, checked: 'md5' };
  }
  if ('sha256' in check) {
    if (sha256 !== check.sha256.toLowerCase()) return mismatch('SHA-256', check.sha256, sha256);
    return { bytes, sha256, checked: 'sha256' };
  }
  const [least, most] = sizeBounds(check);
  if (bytes < least || bytes > most) {
    return mismatch('size', `${least} to ${most} bytes`, `${bytes} bytes`);
  }
  const signature = signatureOf(source);
  const found = head.subarray(0, signature.length);
  if (!found.equals(signature)) return mismatch('signature', hex(signature), hex(found));
  return { bytes, sha256, checked: 'signature and size' };
}

async function digest(path: string) {
  const hashes = { md5: createHash('md5'), sha256: createHash('sha256') };
  let head = Buffer.alloc(0);
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
    if (!Buffer.isBuffer(chunk)) throw new Error('Bug: a byte stream gives buffers');
    if (head.length === 0) head = Buffer.from(chunk.subarray(0, 16));
    hashes.md5.update(chunk);
    hashes.sha256.update(chunk);
  }
  const { size } = await stat(path);
  return {
    bytes: size,
    head,
    md5: hashes.md5.digest('hex'),
    sha256: hashes.sha256.digest('hex'),
  };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function mismatch(what: string, expected: string, found: string): Mismatch {
  return { wrong: `The ${what} must be ${expected}, but the file has ${found}` };
}
