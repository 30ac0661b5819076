import type { FileHandle } from 'node:fs/promises';
import { extname } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import { type ModelCard, readCard } from '../onnx/card.ts';
import { readModel } from '../onnx/read.ts';
import { checkTarget, writeOutput } from '../output.ts';
import type { Provider } from '../runtime/providers.ts';
import { openSession, type Tensor } from '../runtime/session.ts';
import { sizeOf } from '../tensor.ts';
import { answers, type Feeding, feedingOf } from '../verify/answers.ts';
import { openArrays } from '../verify/arrays.ts';
import { numbersOf } from '../verify/compare.ts';
import { writeRows } from '../verify/npy-write.ts';
import { type Progress, print, progressBar, writeText } from './terminal.ts';

/** How arrays are predicted. */
export interface ArrayOptions {
  readonly data: readonly string[];
  readonly output?: string;
  readonly force?: boolean;
  readonly batch?: number;
  readonly provider: Provider;
  readonly format?: 'table' | 'csv' | 'jsonl';
}

/** What a file of answers may be, by its ending. */
export const answerEndings = ['.npy', '.npz', '.csv', '.jsonl'] as const;

type Batch = Readonly<Record<string, Tensor>>;

/** `graft predict MODEL --data …`: all that the model puts out, a row a sample, to a file or as text. */
export async function predictArrays(path: string, options: ArrayOptions): Promise<void> {
  const { data, output, force, provider, batch } = options;
  if (output !== undefined) await checkTarget(output, { force });
  const model = readModel(path);
  const opened = await openArrays(data);
  const bar = progressBar('Predicting', 'rows');
  try {
    const feeding = feedingOf(model.inputs, opened.arrays);
    const session = await openSession(model, { provider });
    try {
      const batches = counted(answers(session, feeding, { batch }), feeding, bar);
      const columns = columnsOf(readCard(model));
      await written(batches, { ...options, columns, rows: feeding.rows });
    } finally {
      await session.close();
    }
  } finally {
    bar.stop();
    opened.close();
  }
}

interface Writing extends ArrayOptions {
  readonly columns: Columns;
  readonly rows: number;
}

async function written(batches: AsyncIterable<Batch>, writing: Writing): Promise<void> {
  const { output, force, format, columns, rows } = writing;
  if (output === undefined) {
    const lines = format === 'jsonl' ? jsonLines(batches) : csvLines(batches, columns);
    for await (const text of lines) writeText(text);
    return;
  }
  const ending = extname(output).toLowerCase();
  await writeOutput(output, { force }, async (file) => {
    if (ending === '.csv') await writeAll(file, csvLines(batches, columns));
    else if (ending === '.jsonl') await writeAll(file, jsonLines(batches));
    else await writeRows(file, batches, { rows, isArchive: ending === '.npz' });
  });
  print(output, `  ${rows} rows`);
}

async function writeAll(file: FileHandle, texts: AsyncIterable<string>): Promise<void> {
  for await (const text of texts) await file.appendFile(text);
}

async function* counted(
  batches: AsyncIterable<Batch>,
  { rows }: Feeding,
  bar: Progress,
): AsyncGenerator<Batch> {
  let done = 0;
  for await (const batch of batches) {
    done += rowsIn(batch);
    bar.update(done, rows);
    yield batch;
  }
}

function rowsIn(batch: Batch): number {
  return Object.values(batch)[0]?.shape[0] ?? 0;
}

type Columns = (name: string, width: number) => readonly string[];

/** Columns are called after their output, or, where it has as many numbers as there are classes, after these. */
function columnsOf({ classes }: ModelCard): Columns {
  return (name, width) => {
    if (classes && classes.length === width) return classes;
    return width === 1 ? [name] : Array.from({ length: width }, (_, i) => `${name}_${i}`);
  };
}

async function* csvLines(batches: AsyncIterable<Batch>, columns: Columns): AsyncGenerator<string> {
  let isHeadDue = true;
  for await (const batch of batches) {
    const outputs = Object.entries(batch);
    const head = outputs.flatMap(([name, { shape }]) => columns(name, sizeOf(shape.slice(1))));
    const rows = rowsOf(batch).map((row) => Object.values(row).flat().map(String));
    yield stringify(isHeadDue ? [head, ...rows] : rows);
    isHeadDue = false;
  }
}

async function* jsonLines(batches: AsyncIterable<Batch>): AsyncGenerator<string> {
  for await (const batch of batches) {
    yield rowsOf(batch)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join('');
  }
}

/** One object a sample, with the numbers of each output, flat. */
function rowsOf(batch: Batch): readonly Readonly<Record<string, readonly number[]>>[] {
  const outputs = Object.entries(batch).map(([name, tensor]) => {
    const width = sizeOf(tensor.shape.slice(1));
    return { name, width, numbers: shortest(tensor) };
  });
  return Array.from({ length: rowsIn(batch) }, (_, row) =>
    Object.fromEntries(
      outputs.map(({ name, width, numbers }) => [
        name,
        numbers.slice(row * width, (row + 1) * width),
      ]),
    ),
  );
}

/** float32 as the shortest number that stands for it, 0.1 and not 0.10000000149011612. */
function shortest(tensor: Tensor): readonly number[] {
  const numbers = Array.from(numbersOf(tensor));
  return tensor.dtype === 'float32' ? numbers.map(shortestSingle) : numbers;
}

function shortestSingle(x: number): number {
  for (const digits of [6, 7, 8]) {
    const short = Number(x.toPrecision(digits));
    if (Math.fround(short) === x) return short;
  }
  return Number(x.toPrecision(9));
}
