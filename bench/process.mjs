// Runs whole processes and measures them from outside.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const peakRss = new URL('peak-rss.mjs', import.meta.url).href;

/** Path of a file beside this one. */
export function here(name) {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Runs a command; gives its wall time in ms and its output. Fails when it fails. */
export async function timed(command, args, options = {}) {
  const start = process.hrtime.bigint();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit', 'pipe'], ...options });
  const [output, note] = [child.stdio[1], child.stdio[3]].map((stream) => {
    const chunks = [];
    stream.on('data', (chunk) => chunks.push(chunk));
    return chunks;
  });
  const code = await new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', done);
  });
  const wallMs = Number(process.hrtime.bigint() - start) / 1e6;
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}`);
  return { wallMs, output: output.join(''), note: note.join('') };
}

/** Runs a Node script; gives its wall time in ms, its largest resident set in MiB, and its output. */
export async function timedNode(script, args) {
  const { wallMs, output, note } = await timed(process.execPath, [
    '--import',
    peakRss,
    script,
    ...args,
  ]);
  return { wallMs, output, peakMiB: Number(note) / 1024 };
}

/** The middle one of an odd number of numbers. */
export function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

/** Prints rows under headings, columns aligned. */
export function printTable(headings, rows) {
  const lines = [headings, ...rows].map((row) => row.map(String));
  const widths = headings.map((_, i) => Math.max(...lines.map((line) => line[i].length)));
  for (const line of lines) {
    const cells = line.map((text, i) =>
      i === 0 ? text.padEnd(widths[i]) : text.padStart(widths[i]),
    );
    process.stdout.write(`${cells.join('  ')}\n`);
  }
}
