#!/usr/bin/env node
import { inspect } from 'node:util';
import { CommanderError } from 'commander';
import { ToolkitError } from '../errors.ts';
import { removeUnfinished } from '../output.ts';
import { programFor } from './program.ts';
import { note, showCursor } from './terminal.ts';

/** What a process ends with: 1, the input is at fault; 2, wrong usage; 70, a bug of ours; 130, Ctrl-C. */
const exitCodes = { fine: 0, input: 1, usage: 2, bug: 70, interrupted: 130 } as const;

async function main(): Promise<number> {
  try {
    const [, , asked = ''] = process.argv;
    const graft = await programFor(asked);
    await graft.parseAsync();
    return exitCodes.fine;
  } catch (error) {
    return report(error);
  }
}

function report(error: unknown): number {
  // Commander has printed its message, or the help that was asked for, already.
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? exitCodes.fine : exitCodes.usage;
  }
  if (error instanceof ToolkitError) {
    note(`graft: ${error.message}`);
    if (error.code === 'TRAINING_INTERRUPTED') return exitCodes.interrupted;
    return error.code === 'OPTION_INVALID' ? exitCodes.usage : exitCodes.input;
  }
  note(inspect(error));
  note('This is a bug in graft: please report it with the lines above.');
  return exitCodes.bug;
}

/** What they make is a file: they go on when nobody listens any more. */
const makers: ReadonlySet<string> = new Set(['pull', 'convert', 'train', 'pack', 'unpack']);

// A reader that has seen enough (`graft predict … | head`) closes the pipe: that is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') {
    if (makers.has(process.argv[2] ?? '')) return;
    process.exit(exitCodes.fine);
  }
  note(`graft: The output cannot be written: ${error.message}`);
  process.exit(exitCodes.input);
});

// What a shell expects of a process that a signal ended: 128 and the signal's number.
const signals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
for (const [signal, code] of Object.entries(signals)) {
  process.once(signal, () => {
    removeUnfinished();
    showCursor();
    process.exit(code);
  });
}

process.exitCode = await main();
