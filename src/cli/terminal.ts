import { Presets, SingleBar } from 'cli-progress';
import Table from 'cli-table3';

/** Whether a person is looking: tables and bars for people, plain lines for programs. */
export const isTerminal = (): boolean => process.stdout.isTTY;

/** Lines of output, with what would steer the terminal made visible. */
export function print(...lines: readonly string[]): void {
  for (const line of lines) console.log(visible(line));
}

/** Data for programs, as it is; made visible only where a person looks at it. */
export function writeText(text: string): void {
  process.stdout.write(isTerminal() ? visible(text) : text);
}

/** A warning or a note: to stderr, so that it is in no one's data. */
export function note(line: string): void {
  console.error(visible(line));
}

/**
 * Control characters that steer a terminal, and those that turn the direction of text: names in files can have them.
 * Line feeds and tabs stay.
 */
// oxlint-disable-next-line eslint/no-control-regex -- these are the ones that are sought
const steering = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g;

/** The text with every control character spelled as in JavaScript, such as \x1b; line feeds and tabs stay. */
function visible(text: string): string {
  return text.replaceAll(steering, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
  });
}

/** As `visible`, for a name or value that has to stay on its line. */
export function oneLine(text: string): string {
  return visible(text).replaceAll('\n', String.raw`\n`).replaceAll('\t', String.raw`\t`);
}

/** Names a file that was passed over, and why. */
export function noteSkipped({
  path,
  reason,
}: {
  readonly path: string;
  readonly reason: string;
}): void {
  note(`Skipped ${oneLine(path)}: ${reason}`);
}

/** Rows under headings; on a terminal that is too narrow for them, the widest columns are wrapped. */
export function tableText(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(oneLine));
  const colWidths = fittingWidths([head, ...cells]);
  const table = new Table({
    head: [...head],
    style: { head: [], border: [], compact: true },
    ...(colWidths && { colWidths, wordWrap: true, wrapOnWordBoundary: false }),
  });
  table.push(...cells);
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
        bar = newBar(barFormat(label, unit, { total, columns: process.stderr.columns }));
        bar.start(most, done);
      }
      bar.setTotal(most);
      bar.update(done);
    },
    stop: () => bar?.stop(),
  };
}

/** The parts of a line of progress, of which the bar takes what the others leave of the terminal's width. */
export function barFormat(
  label: string,
  unit: string,
  { total, columns }: { readonly total: number | undefined; readonly columns: number },
): { readonly format: string; readonly barsize: number } {
  if (total === undefined) {
    return { format: `${label} {value} ${unit} · {duration_formatted}`, barsize: 0 };
  }
  const count = `{value}/{total} ${unit} · {eta_formatted} left`;
  const digits = String(total).length;
  const others = label.length + 2 * digits + unit.length + ' / · 00m00s left'.length + 2;
  const barsize = Math.min(40, columns - others);
  if (barsize < 5) return { format: `${label} ${count}`, barsize: 0 };
  return { format: `${label} {bar} ${count}`, barsize };
}

function two(part: number): string {
  return String(Math.floor(part)).padStart(2, '0');
}

/** Seconds as "12s", "1m05s" or "2h10m"; before anything can be said of what is left, nothing. */
export function timeText(seconds: unknown): string {
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return '…';
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${two((whole % 3600) / 60)}m`;
}

/** "1 epoch", "2 epochs". */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}

/** Gives back the cursor that a progress bar hides: for a process that ends before the bar does. */
export function showCursor(): void {
  if (process.stderr.isTTY) process.stderr.write('\u001B[?25h\n');
}

function newBar({ format, barsize }: ReturnType<typeof barFormat>): SingleBar {
  return new SingleBar(
    {
      format,
      barsize,
      formatTime: timeText,
      hideCursor: true,
      clearOnComplete: true,
      etaBuffer: 50,
      // `main.ts` gives the cursor back after a signal; a listener of the bar's own would keep the process from ending.
      gracefulExit: false,
    },
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
