import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { runWell } from '../interop/packed.ts';
import { instructions, root } from './containerfile.ts';

const strings = z.array(z.string());

/**
 * Walks through the Containerfile without a container: its folders are folders under `top`, its COPY copies, its RUN
 * runs, but not those of the last stage, which change the system. Gives what it starts, and what asks for its health.
 */
export async function walk(top: string): Promise<{ command: string[]; health: string[] }> {
  const env: Record<string, string> = {};
  const inside = (path: string, from: string): string =>
    path.startsWith('/') ? join(top, path) : join(from, path);
  let [folder, command, health]: [string, string[], string[]] = [top, [], []];
  let stages = 0;
  for (const { name, text } of instructions()) {
    if (name === 'FROM') stages += 1;
    if (name === 'WORKDIR') {
      folder = join(top, text);
      mkdirSync(folder, { recursive: true });
    }
    if (name === 'ENV') {
      const [key = '', value = ''] = text.split('=');
      env[key] = value;
    }
    if (name === 'COPY') copy(text, { to: folder, inside });
    if (name === 'RUN' && stages === 1)
      await runWell(['sh', '-c', commandIn(text)], { cwd: folder, env });
    if (/^(ENTRYPOINT|CMD)$/.test(name)) command.push(...strings.parse(JSON.parse(text)));
    if (name === 'HEALTHCHECK') {
      health = strings.parse(JSON.parse(text.replace(/^.*?CMD /, '')));
    }
  }
  command = command.map((word) => (/^\/(app|models)\b/.test(word) ? join(top, word) : word));
  return { command, health };
}

/** What a RUN runs, without what is mounted meanwhile. */
export const commandIn = (text: string): string => text.replaceAll(/--mount=\S+\s+/g, '');

function copy(
  text: string,
  about: { readonly to: string; readonly inside: (path: string, from: string) => string },
): void {
  const words = text.split(' ').filter((word) => !word.startsWith('--'));
  const context = text.startsWith('--from=build') ? '' : root;
  const target = words.at(-1) ?? '';
  for (const word of words.slice(0, -1)) {
    const from = about.inside(word, context);
    const name = word.split('/').at(-1) ?? '';
    const to = target === './' ? join(about.to, name) : join(about.to, target);
    cpSync(from, to, { recursive: true, verbatimSymlinks: true });
  }
}
