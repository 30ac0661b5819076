import { createHash, randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { outputFault } from '../output.ts';

/** Where features are kept unless told otherwise: `graft/features` in `$XDG_CACHE_HOME`, or in `~/.cache`. */
export function defaultCacheFolder(): string {
  const root = process.env['XDG_CACHE_HOME'];
  return join(root ? root : join(homedir(), '.cache'), 'graft', 'features');
}

const entry = z.object({
  /** sha256 of the image file's content. */
  image: z.string(),
  /** Number of the row in the segment's data. */
  row: z.number().int().nonnegative(),
  /** The first 16 hex digits of the row's sha256: a row that a crash left half written is not read. */
  check: z.string(),
});

/** Where a row of features lies. */
export interface RowPlace {
  /** A file of float32 rows. */
  readonly file: string;
  readonly row: number;
}

/** Rows of features by the content of the image they are of. */
export interface FeatureStore {
  /** The rows of those images that have one. */
  readonly read: (images: ReadonlySet<string>) => Promise<ReadonlyMap<string, Float32Array>>;
  /** Where those rows lie. All are looked through for damage, 16 MiB at a time. */
  readonly find: (images: ReadonlySet<string>) => Promise<ReadonlyMap<string, RowPlace>>;
  /** Keeps rows, and says where; what was added before stays when a later one fails. */
  readonly append: (
    images: readonly string[],
    rows: readonly Float32Array[],
  ) => Promise<readonly RowPlace[]>;
  readonly close: () => Promise<void>;
}

/**
 * Opens the rows kept under a key, which must stand for all that the rows depend on besides the image.
 *
 * `<folder>/<key>/` holds segments: `<name>.f32`, float32 rows, and `<name>.jsonl`, one line a row, written after it.
 * Each writer has a segment of its own, so several may work at once, and an interrupted one leaves whole rows.
 * Throws OUTPUT_UNWRITABLE.
 */
export function openStore(folder: string, key: string, width: number): FeatureStore {
  const place = join(folder, key);
  let segment: Segment | undefined;
  return {
    async read(images) {
      const found = new Map<string, Float32Array>();
      for await (const { image, row } of keptRows(place, { images, width })) found.set(image, row);
      return found;
    },
    async find(images) {
      const found = new Map<string, RowPlace>();
      for await (const { image, at } of keptRows(place, { images, width })) found.set(image, at);
      return found;
    },
    async append(images, rows) {
      try {
        segment ??= await newSegment(place);
        return await appendRows(segment, images, rows);
      } catch (error) {
        throw outputFault(error, place, cacheHint);
      }
    },
    async close() {
      await segment?.data.close();
      await segment?.index.close();
    },
  };
}

const cacheHint = 'Give another folder with --cache, or keep no features with --no-cache.';

type Entry = z.infer<typeof entry>;

/** A line that is not whole is one that was being written when its writer ended. */
function entryOf(line: string): readonly Entry[] {
  try {
    return [entry.parse(JSON.parse(line))];
  } catch {
    return [];
  }
}

interface KeptRow {
  readonly image: string;
  readonly row: Float32Array;
  readonly at: RowPlace;
}

/** The whole rows of those images, each once. */
async function* keptRows(
  place: string,
  { images, width }: { readonly images: ReadonlySet<string>; readonly width: number },
): AsyncIterable<KeptRow> {
  const found = new Set<string>();
  const names = await readdir(place).catch(() => []);
  for (const name of names.filter((each) => each.endsWith('.jsonl')).toSorted()) {
    const text = await readFile(join(place, name), 'utf8');
    const entries = text
      .split('\n')
      .flatMap(entryOf)
      .filter(({ image }) => images.has(image) && !found.has(image));
    const file = join(place, name.replace(/jsonl$/, 'f32'));
    for await (const kept of segmentRows(file, entries, width)) {
      found.add(kept.image);
      yield kept;
    }
  }
}

/** Neighbouring rows are read together, in pieces of at most this many bytes. */
const pieceBytes = 16 * 1024 * 1024;

async function* segmentRows(
  path: string,
  entries: readonly Entry[],
  width: number,
): AsyncIterable<KeptRow> {
  const file = entries.length > 0 ? await open(path).catch(() => undefined) : undefined;
  if (!file) return;
  const rowBytes = width * 4;
  try {
    for (const run of runsOf(entries, Math.max(1, Math.floor(pieceBytes / rowBytes)))) {
      const numbers = new Float32Array(run.length * width);
      const first = run[0]?.row ?? 0;
      await file.read(bytesOf(numbers), 0, numbers.byteLength, first * rowBytes);
      const rows = run.map(({ image, row }, i) => ({
        image,
        row: numbers.subarray(i * width, (i + 1) * width),
        at: { file: path, row },
      }));
      yield* rows.filter(({ row }, i) => checkOf(bytesOf(row)) === run[i]?.check);
    }
  } finally {
    await file.close();
  }
}

/** Entries of rows that follow each other, at most so many together. */
function runsOf(entries: readonly Entry[], most: number): readonly (readonly Entry[])[] {
  const runs: Entry[][] = [];
  for (const each of entries) {
    const run = runs.at(-1);
    const last = run?.at(-1);
    if (run && last && each.row === last.row + 1 && run.length < most) run.push(each);
    else runs.push([each]);
  }
  return runs;
}

interface Segment {
  /** Of the data. */
  readonly path: string;
  readonly data: FileHandle;
  readonly index: FileHandle;
  rows: number;
}

async function newSegment(place: string): Promise<Segment> {
  await mkdir(place, { recursive: true });
  const name = `${Date.now().toString(36)}-${randomBytes(4).toString('hex')}`;
  const path = join(place, `${name}.f32`);
  const data = await open(path, 'ax');
  try {
    return { path, data, index: await open(join(place, `${name}.jsonl`), 'ax'), rows: 0 };
  } catch (error) {
    await data.close();
    throw error;
  }
}

async function appendRows(
  segment: Segment,
  images: readonly string[],
  rows: readonly Float32Array[],
): Promise<readonly RowPlace[]> {
  const first = segment.rows;
  const lines = rows.map((row, i) => {
    const check = checkOf(bytesOf(row));
    return JSON.stringify({ image: images[i], row: first + i, check });
  });
  await segment.data.appendFile(Buffer.concat(rows.map(bytesOf)));
  await segment.index.appendFile(`${lines.join('\n')}\n`);
  segment.rows += rows.length;
  return rows.map((_, i) => ({ file: segment.path, row: first + i }));
}

function bytesOf(row: Float32Array): Uint8Array {
  return new Uint8Array(row.buffer, row.byteOffset, row.byteLength);
}

function checkOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}
