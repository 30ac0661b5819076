#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { ToolkitError } from '../errors.ts';
import { removeUnfinished } from '../output.ts';
import { convertCommand } from './convert.ts';
import { inspectCommand } from './inspect.ts';
import { packCommand, unpackCommand } from './pack.ts';
import { predictCommand } from './predict.ts';
import { pullCommand } from './pull.ts';
import { serveCommand } from './serve.ts';
import { showCommand } from './show.ts';
import { showCursor } from './terminal.ts';
import { trainCommand } from './train.ts';
import { verifyCommand } from './verify.ts';
import { packageVersion } from './version.ts';

/** What a process ends with: 1, the input is at fault; 2, wrong usage; 70, a bug of ours; 130, Ctrl-C. */
const exitCodes = { fine: 0, input: 1, usage: 2, bug: 70, interrupted: 130 } as const;

function program(): Command {
  const graft = new Command('graft')
    .description(
      'Turns any Keras file into ONNX, runs it, fine-tunes it and serves it, without Python.',
    )
    .version(packageVersion())
    .showHelpAfterError('(graft --help lists the commands)')
    .exitOverride();
  const commands = [
    pullCommand,
    convertCommand,
    verifyCommand,
    inspectCommand,
    predictCommand,
    trainCommand,
    showCommand,
    serveCommand,
    packCommand,
    unpackCommand,
  ];
  for (const command of commands) graft.addCommand(command().exitOverride());
  return graft;
}

async function main(): Promise<number> {
  try {
    await program().parseAsync();
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
    console.error(`graft: ${error.message}`);
    if (error.code === 'TRAINING_INTERRUPTED') return exitCodes.interrupted;
    return error.code === 'OPTION_INVALID' ? exitCodes.usage : exitCodes.input;
  }
  console.error(error);
  console.error('This is a bug in graft: please report it with the lines above.');
  return exitCodes.bug;
}

// A reader that has seen enough (`graft predict … | head`) closes the pipe: that is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.fine);
  console.error(`graft: The output cannot be written: ${error.message}`);
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
