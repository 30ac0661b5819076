import { extname } from 'node:path';
import { writeOutput } from '../../output.ts';
import type { StageRecord } from '../epoch.ts';
import type { Report } from '../report.ts';

/** Columns of a history: `acc` where there are classes, `mae` where numbers are predicted. */
function columnsOf([first]: readonly StageRecord[]): readonly (keyof StageRecord)[] {
  const [own, validated] =
    first?.mae === undefined ? (['acc', 'val_acc'] as const) : (['mae', 'val_mae'] as const);
  return ['stage', 'epoch', 'loss', own, 'val_loss', validated, 'lr', 'seconds'];
}

/** How a history is written while it grows, by the ending of its file. */
const growing: Readonly<Record<string, (records: readonly StageRecord[]) => string>> = {
  '.csv'(records) {
    const columns = columnsOf(records);
    const rows = records.map((record) => columns.map((name) => record[name] ?? ''));
    return [columns, ...rows].map((row) => `${row.join(',')}\n`).join('');
  },
  '.jsonl': (records) => records.map((record) => `${JSON.stringify(record)}\n`).join(''),
};

/**
 * Writes the history so far into a `.csv` or `.jsonl` file, whole or not at all; other files wait for the end.
 *
 * Throws OUTPUT_UNWRITABLE.
 */
export async function writeGrowing(
  path: string | undefined,
  records: readonly StageRecord[],
): Promise<void> {
  const text = path === undefined ? undefined : growing[extname(path).toLowerCase()]?.(records);
  if (path === undefined || text === undefined) return;
  await writeOutput(path, { force: true }, (file) => file.writeFile(text));
}

/** Writes plan, data and measures as JSON; files that have grown are whole already. Throws OUTPUT_UNWRITABLE. */
export async function writeReport(path: string | undefined, report: Report): Promise<void> {
  if (path === undefined || extname(path).toLowerCase() in growing) return;
  const text = `${JSON.stringify(report, undefined, 2)}\n`;
  await writeOutput(path, { force: true }, (file) => file.writeFile(text));
}
