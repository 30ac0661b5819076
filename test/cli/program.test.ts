import { describe, expect, it } from 'vitest';
import { commands } from '../../src/cli/commands.ts';
import { programFor } from '../../src/cli/program.ts';

const names = Object.keys(commands);

/** All that a command's help prints, as where no terminal says how wide it is. */
async function helpOf(name: string): Promise<string> {
  const graft = await programFor(name);
  const command = graft.commands.find((each) => each.name() === name) ?? graft;
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 80 });
  command.outputHelp();
  return text;
}

describe.each(names)('graft %s', (name) => {
  it('says of itself what the list of commands says', async () => {
    const command = await commands[name]?.load();
    expect([command?.name(), command?.description()]).toEqual([name, commands[name]?.about]);
  });

  it('has examples that call it, within 80 columns, in its help', async () => {
    const help = await helpOf(name);
    for (const example of commands[name]?.examples ?? []) {
      expect(example).toMatch(new RegExp(`^graft ${name} `));
      expect(`  ${example}`.length).toBeLessThanOrEqual(80);
      expect(help).toContain(example);
    }
    expect(commands[name]?.examples).not.toEqual([]);
    expect(help).not.toContain('(default: [])');
  });
});

it('lists every command within 80 columns, without loading one', async () => {
  const help = await helpOf('--help');
  for (const name of names) expect(help).toMatch(new RegExp(`^ {2}${name} `, 'm'));
  expect(help.split('\n').filter((line) => line.length > 80)).toEqual([]);
});

it('says where the help of a command is when it is used wrongly', async () => {
  const graft = await programFor('predict');
  let text = '';
  graft.commands[0]?.configureOutput({ writeErr: (part) => (text += part) });
  await expect(graft.parseAsync(['node', 'graft', 'predict'])).rejects.toThrow();
  expect(text).toContain('graft predict --help');
});
