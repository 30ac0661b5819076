import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';

/** Whether a person is looking: tables and bars for people, plain lines for programs. */
export const isTerminal = (): boolean => process.stdout.isTTY;

/** Lines of output. */
export function print(...lines: readonly string[]): void {
  for (const line of lines) console.log(line);
}

/** A warning or a note: to stderr, so that it is in no one's data. */
export function note(line: string): void {
  console.error(line);
}

/** Names a file that was passed over, and why. */
export function noteSkipped({
  path,
  reason,
}: {
  readonly path: string;
  readonly reason: string;
}): void {
  note(`Skipped ${path}: ${reason}`);
}

/** Rows under headings; on a terminal that is too narrow for them, the widest columns are wrapped. */
export function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const colWidths = fittingWidths([head, ...rows]);
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    ...(colWidths && { colWidths, wordWrap: true, wrapOnWordBoundary: false }),
  });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

const narrowestColumn = 10;

/** Widths of columns for a table that would be wider than the terminal; `undefined` where it fits as it is. */
function fittingWidths(rows: readonly (readonly string[])[]): number[] | undefined {
  if (!isTerminal()) return undefined;
  // A space on either side of each text; a line on either side of each column.
  const widths = (rows[0] ?? []).map(
    (_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)) + 2,
  );
  let excess = widths.reduce((sum, width) => sum + width + 1, 1) - process.stdout.columns;
  if (excess <= 0) return undefined;
  for (; excess > 0; excess--) {
    const widest = Math.max(...widths);
    if (widest <= narrowestColumn) return undefined;
    widths[widths.indexOf(widest)] = widest - 1;
  }
  return widths;
}

/** Text whose rules of dashes are no longer than the terminal is wide. */
export function withinTerminal(text: string): string {
  if (!isTerminal()) return text;
  return text.replaceAll(/^-+$/gm, (rule) => rule.slice(0, process.stdout.columns));
}

/** A progress bar on stderr; nothing where no one is looking. */
export interface Progress {
  /** Where the total is not known, only what is done is shown. */
  update(done: number, total: number | undefined): void;
  stop(): void;
}

/** Progress of so many of a unit, such as images. */
export function progressBar(label: string, unit: string): Progress {
  if (!process.stderr.isTTY) return { update: () => undefined, stop: () => undefined };
  let bar: SingleBar | undefined;
  return {
    update(done, total) {
      const most = total ?? Number.MAX_SAFE_INTEGER;
      if (!bar) {
        bar = newBar(
          total === undefined
            ? `${label} {value} ${unit} · {duration_formatted}`
            : `${label} {bar} {value}/{total} ${unit} · {eta_formatted} left`,
        );
        bar.start(most, done);
      }
      bar.setTotal(most);
      bar.update(done);
    },
    stop: () => bar?.stop(),
  };
}

/** "1 epoch", "2 epochs". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}

/** Gives back the cursor that a progress bar hides: for a process that ends before the bar does. */
export function showCursor(): void {
  if (process.stderr.isTTY) process.stderr.write('\u001B[?25h\n');
}

function newBar(format: string): SingleBar {
  return new SingleBar(
    // `main.ts` gives the cursor back after a signal; a listener of the bar's own would keep the process from ending.
    { format, hideCursor: true, clearOnComplete: true, etaBuffer: 50, gracefulExit: false },
    Presets.shades_classic,
  );
}

/** 553,434,112 bytes as "527.8 MiB". */
export function bytesText(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB'] as const;
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${power === 0 ? value : value.toFixed(1)} ${units[power] ?? ''}`;
}

/** 138357544 as "138,357,544". */
export function countText(count: number): string {
  return count.toLocaleString('en-US');
}
