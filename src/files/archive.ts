import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Entry, ZipFile } from 'yauzl';
import { ToolkitError } from '../errors.ts';
import { type FileRange, readBytes } from './file-range.ts';

/** An open zip archive. Whoever opened it calls `close`; ranges taken from it live on. */
export interface Archive {
  readonly file: string;
  readonly names: readonly string[];
  /**
   * A member as a range of a file of its own, which the caller closes: members that are stored are read where they lie,
   * deflated ones from a nameless temporary file. Undefined where there is none of that name.
   */
  member(name: string): Promise<FileRange | undefined>;
  close(): void;
}

/** More members than any Keras has. */
const mostMembers = 10_000;

/** What Keras' own reader refuses too (CVE-2024-55459 and its kin): a small member that claims to be huge. */
const bomb = { bytes: 64 * 1024 * 1024, expansion: 100 } as const;

/**
 * Lists a zip archive. Nothing is unpacked. Takes over the range, whatever happens.
 *
 * Throws KERAS_FILE_UNSAFE for two members of one name, names that lead out of the archive, links, encryption and
 * members that claim to be huge; FILE_TRUNCATED, FILE_UNREADABLE for damage.
 */
export async function openArchive(range: FileRange): Promise<Archive> {
  try {
    const zip = await guard(range.file, async () => {
      const { fromFdPromise } = (await import('yauzl')).default;
      return fromFdPromise(range.fd, {
        autoClose: false,
        lazyEntries: true,
        strictFileNames: true,
      });
    });
    const entries = await guard(range.file, async () => listed(zip, range.file));
    return {
      file: range.file,
      names: [...entries.keys()],
      async member(name) {
        const entry = entries.get(name);
        return entry && (await guard(range.file, async () => opened(zip, entry, range), name));
      },
      close: () => closeSync(range.fd),
    };
  } catch (error) {
    closeSync(range.fd);
    throw error;
  }
}

async function listed(zip: ZipFile, file: string): Promise<ReadonlyMap<string, Entry>> {
  const entries = new Map<string, Entry>();
  if (zip.entryCount > mostMembers) throw unsafe(file, '', `${zip.entryCount} members`);
  for await (const entry of zip.eachEntry()) {
    const { fileName: name } = entry;
    if (entries.has(name)) throw unsafe(file, name, 'two members of one name');
    refuseOdd(entry, file);
    entries.set(name, entry);
  }
  return entries;
}

function refuseOdd(entry: Entry, file: string): void {
  const { fileName: name, compressedSize, uncompressedSize, compressionMethod: method } = entry;
  if (entry.isEncrypted()) throw unsafe(file, name, 'an encrypted member');
  // The upper half holds Unix' file mode: 0o12 are symbolic links.
  if (entry.externalFileAttributes >>> 28 === 0o12) throw unsafe(file, name, 'a link');
  if (method !== 0 && method !== 8) {
    throw new ToolkitError('FILE_UNREADABLE', `The member is compressed by method ${method}`, {
      where: { file, path: name },
      hint: 'Keras stores members or deflates them: pack the archive again with zip.',
    });
  }
  if (uncompressedSize > bomb.bytes && uncompressedSize > compressedSize * bomb.expansion) {
    throw unsafe(file, name, `a member of ${compressedSize} bytes that claims ${uncompressedSize}`);
  }
}

function unsafe(file: string, path: string, found: string): ToolkitError {
  return new ToolkitError('KERAS_FILE_UNSAFE', `Expected an archive of Keras, but found ${found}`, {
    where: { file, path },
    hint: 'Keras never writes these. If you trust the file, unpack it and pack it again.',
  });
}

async function opened(zip: ZipFile, entry: Entry, range: FileRange): Promise<FileRange> {
  if (entry.compressionMethod === 8) return inflated(zip, entry, range.file);
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
  const member: FileRange = {
    ...range,
    fd: openSync(range.file, 'r'),
    offset: fileDataStart,
    length: entry.uncompressedSize,
  };
  try {
    checkSum(entry, checkSumOf(member));
    return member;
  } catch (error) {
    closeSync(member.fd);
    throw error;
  }
}

const pieceBytes = 1024 * 1024;

function checkSumOf(range: FileRange): number {
  let sum = 0;
  for (let at = 0; at < range.length; at += pieceBytes) {
    const piece = readBytes(range, at, pieceBytes);
    if (piece.length === 0) throw new Error(`it ends after ${at} of ${range.length} bytes`);
    sum = crc32(piece, sum);
  }
  return sum;
}

function checkSum(entry: Entry, found: number): void {
  if (found === entry.crc32) return;
  throw new Error(`its checksum is ${hex(found)}, but the archive says ${hex(entry.crc32)}`);
}

function hex(number: number): string {
  return number.toString(16).padStart(8, '0');
}

/** Inflates into a file that loses its name at once, so that it goes when it is closed, or when the process ends. */
async function inflated(zip: ZipFile, entry: Entry, file: string): Promise<FileRange> {
  const folder = mkdtempSync(join(tmpdir(), 'graft-member-'));
  let fd: number;
  try {
    fd = openSync(join(folder, 'member'), 'wx+', 0o600);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  try {
    let length = 0;
    let sum = 0;
    for await (const piece of await zip.openReadStreamPromise(entry)) {
      if (!Buffer.isBuffer(piece)) throw new Error('Bug: a stream of a member without bytes');
      for (let at = 0; at < piece.length; ) at += writeSync(fd, piece, at);
      length += piece.length;
      sum = crc32(piece, sum);
    }
    checkSum(entry, sum);
    return { file, fd, offset: 0, length, base: 0 };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** Turns yauzl's errors, which have no codes, into ours. */
async function guard<T>(file: string, work: () => Promise<T>, path?: string): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ToolkitError) throw error;
    const text = error instanceof Error ? error.message : String(error);
    if (/relative path|absolute path|characters in fileName/i.test(text)) {
      throw unsafe(file, path ?? '', `a name that leads out of the archive (${text})`);
    }
    const isCut = /end of central directory/i.test(text);
    throw new ToolkitError(
      isCut ? 'FILE_TRUNCATED' : 'FILE_UNREADABLE',
      isCut ? 'The zip archive has no end' : `The zip archive cannot be read: ${text}`,
      {
        where: { file, path },
        hint: 'A download or copy broke off, or the file is damaged: fetch it again.',
        cause: error,
      },
    );
  }
}
