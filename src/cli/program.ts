import { Command, Help, type Option } from 'commander';
import { commands } from './commands.ts';
import { packageVersion } from './version.ts';

/**
 * `graft` with the command that is asked for; for help, for the version, and for a name that is none, with the list of
 * commands alone, whose modules stay unloaded.
 */
export async function programFor(asked: string): Promise<Command> {
  const graft = new Command('graft')
    .description(
      'Turns any Keras file into ONNX, runs it, fine-tunes it and serves it, without Python.',
    )
    .version(packageVersion())
    .showHelpAfterError('(graft --help lists the commands)')
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .exitOverride();
  const entry = Object.hasOwn(commands, asked) ? commands[asked] : undefined;
  if (entry) graft.addCommand(helped(await entry.load(), entry.examples));
  else if (asked === 'help') await addAsked(graft);
  else
    for (const [name, { about }] of Object.entries(commands))
      graft.command(name).description(about);
  return graft;
}

/** `graft help COMMAND` is `graft COMMAND --help`. */
async function addAsked(graft: Command): Promise<void> {
  const name = process.argv[3] ?? '';
  for (const [each, { about, load, examples }] of Object.entries(commands)) {
    if (each === name) graft.addCommand(helped(await load(), examples));
    else graft.command(each).description(about);
  }
}

/** A command whose help has examples, and whose errors say where the help is. */
function helped(command: Command, examples: readonly string[]): Command {
  return command
    .exitOverride()
    .showHelpAfterError(`(graft ${command.name()} --help has the options)`)
    .configureHelp({ optionDescription })
    .addHelpText('after', `\nExamples:\n${examples.map((line) => `  ${line}`).join('\n')}`);
}

/** Without "(default: [])", which says nothing. */
function optionDescription(option: Option): string {
  const value: unknown = option.defaultValue;
  const isEmpty = Array.isArray(value) && value.length === 0;
  if (!isEmpty || option.defaultValueDescription !== undefined) {
    return new Help().optionDescription(option);
  }
  return option.description;
}
