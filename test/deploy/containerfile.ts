import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout: what a build of the image is given. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** One instruction of a Containerfile. */
interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** The instructions of deploy/Containerfile in order, one a line, without notes. */
export function instructions(): readonly Instruction[] {
  return readFileSync(join(root, 'deploy/Containerfile'), 'utf8')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [name = '', ...rest] = line.split(' ');
      return { name, text: rest.join(' ') };
    });
}
