#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { ToolkitError } from '../errors.ts';
import { convertCommand } from './convert.ts';
import { inspectCommand } from './inspect.ts';
import { predictCommand } from './predict.ts';
import { pullCommand } from './pull.ts';
import { showCommand } from './show.ts';
import { trainCommand } from './train.ts';
import { packageVersion } from './version.ts';

/** What a process ends with: 1, the input is at fault; 2, wrong usage; 70, a bug of ours. */
const exitCodes = { fine: 0, input: 1, usage: 2, bug: 70 } as const;

function program(): Command {
  const graft = new Command('graft')
    .description('Turns any Keras file into ONNX, runs it and fine-tunes it, without Python.')
    .version(packageVersion())
    .showHelpAfterError('(graft --help lists the commands)')
    .exitOverride();
  const commands = [
    pullCommand,
    convertCommand,
    inspectCommand,
    predictCommand,
    trainCommand,
    showCommand,
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
    return error.code === 'OPTION_INVALID' ? exitCodes.usage : exitCodes.input;
  }
  console.error(error);
  console.error('This is a bug in graft: please report it with the lines above.');
  return exitCodes.bug;
}

// A reader that has seen enough (`graft predict … | head`) closes the pipe: that is no fault.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? exitCodes.fine : exitCodes.bug);
});

process.exitCode = await main();
