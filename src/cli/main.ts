#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { ToolkitError } from '../errors.ts';
import { removeUnfinished } from '../output.ts';
import { showCursor } from './terminal.ts';
import { packageVersion } from './version.ts';

/** What a process ends with: 1, the input is at fault; 2, wrong usage; 70, a bug of ours; 130, Ctrl-C. */
const exitCodes = { fine: 0, input: 1, usage: 2, bug: 70, interrupted: 130 } as const;

/** Each loads what it alone needs, such as the servers of `serve`: a conversion starts 0.3 s earlier. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  pull: async () => (await import('./pull.ts')).pullCommand(),
  convert: async () => (await import('./convert.ts')).convertCommand(),
  verify: async () => (await import('./verify.ts')).verifyCommand(),
  inspect: async () => (await import('./inspect.ts')).inspectCommand(),
  predict: async () => (await import('./predict.ts')).predictCommand(),
  train: async () => (await import('./train.ts')).trainCommand(),
  show: async () => (await import('./show.ts')).showCommand(),
  serve: async () => (await import('./serve.ts')).serveCommand(),
  pack: async () => (await import('./pack.ts')).packCommand(),
  unpack: async () => (await import('./pack.ts')).unpackCommand(),
};

/** With the command that is asked for, or with all of them for help and for a name that is none. */
async function program(): Promise<Command> {
  const graft = new Command('graft')
    .description(
      'Turns any Keras file into ONNX, runs it, fine-tunes it and serves it, without Python.',
    )
    .version(packageVersion())
    .showHelpAfterError('(graft --help lists the commands)')
    .exitOverride();
  const [, , asked = ''] = process.argv;
  const load = Object.hasOwn(commands, asked) ? commands[asked] : undefined;
  for (const command of load ? [load] : Object.values(commands)) {
    graft.addCommand((await command()).exitOverride());
  }
  return graft;
}

async function main(): Promise<number> {
  try {
    const graft = await program();
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
    console.error(`graft: ${error.message}`);
    if (error.code === 'TRAINING_INTERRUPTED') return exitCodes.interrupted;
    return error.code === 'OPTION_INVALID' ? exitCodes.usage : exitCodes.input;
  }
  console.error(error);
  console.error('This is a bug in graft: please report it with the lines above.');
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
