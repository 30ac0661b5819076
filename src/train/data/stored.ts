import { type FileHandle, open } from 'node:fs/promises';
import { ToolkitError } from '../../errors.ts';
import type { RowPlace } from '../cache.ts';
import { inAdvance, type Rows } from '../rows.ts';

/** Rows that stay on disk. Whoever opened them closes them. */
export interface StoredRows {
  readonly rows: Rows;
  readonly close: () => Promise<void>;
}

/** Batches that are read while one is learned from. */
const ahead = 2;

/**
 * Opens rows of features that lie in files, to be read in any order: three batches are in memory at most.
 *
 * The files stay open: what is removed meanwhile can still be read. Throws FILE_MISSING; batches throw FILE_TRUNCATED.
 */
export async function openStoredRows(
  places: readonly RowPlace[],
  width: number,
): Promise<StoredRows> {
  const files = new Map<string, FileHandle>();
  const close = async (): Promise<void> => {
    await Promise.all([...files.values()].map((file) => file.close()));
  };
  try {
    for (const path of new Set(places.map(({ file }) => file))) {
      files.set(path, await openRows(path));
    }
  } catch (error) {
    await close();
    throw error;
  }
  const read = async (order: Uint32Array): Promise<Float32Array> => {
    const batch = new Float32Array(order.length * width);
    const readOne = async (number: number, to: number): Promise<void> => {
      const { file, row } = places[number] ?? { file: '', row: 0 };
      const bytes = new Uint8Array(batch.buffer, to * width * 4, width * 4);
      await readWhole(files.get(file), file, { bytes, at: row * width * 4 });
    };
    await Promise.all(Array.from(order, readOne));
    return batch;
  };
  return {
    rows: {
      count: places.length,
      width,
      memory: undefined,
      isKept: true,
      batches: (pass) => inAdvance(pass, ahead, read),
    },
    close,
  };
}

async function openRows(path: string): Promise<FileHandle> {
  try {
    return await open(path);
  } catch (cause) {
    throw new ToolkitError('FILE_MISSING', 'Features that were kept cannot be opened any more', {
      where: { file: path },
      hint: 'Start again: what is missing is computed anew.',
      cause,
    });
  }
}

async function readWhole(
  file: FileHandle | undefined,
  path: string,
  { bytes, at }: { readonly bytes: Uint8Array; readonly at: number },
): Promise<void> {
  const { bytesRead = 0 } = (await file?.read(bytes, 0, bytes.byteLength, at)) ?? {};
  if (bytesRead === bytes.byteLength) return;
  throw new ToolkitError(
    'FILE_TRUNCATED',
    `A row of features should have ${bytes.byteLength} bytes at ${at}, but has ${bytesRead}`,
    { where: { file: path }, hint: 'Start again: what is missing is computed anew.' },
  );
}
