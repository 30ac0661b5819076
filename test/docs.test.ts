import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Results, withLayerTable } from '../scripts/readme-tables.mjs';
import { layerNames } from '../src/convert/layers/index.ts';
import { errorCodes } from '../src/errors.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** What is in the repository, or will be with the next commit. */
const files = execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\0')
  .filter((path) => path !== '' && existsSync(join(root, path)));
const documents = files.filter((path) => path.endsWith('.md') && !path.startsWith('test/'));

describe.each(errorCodes)('the error code %s', (code) => {
  it('is described in the table of the README', () => {
    const row = new RegExp(String.raw`^\|.*\`${code}\`.*\|`, 'm');
    expect(read('README.md')).toMatch(row);
  });

  it('is provoked by a test', () => {
    const tests = files.filter((path) => path.endsWith('.test.ts') && path !== 'test/docs.test.ts');
    const provoking = tests.filter((path) => new RegExp(String.raw`\b${code}\b`).test(read(path)));
    expect(provoking).not.toEqual([]);
  });
});

it('the table of layers in the README is what the rules and the results of the tests say', () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the tests of layers write it
  const results = JSON.parse(read('test/results/layers.json')) as Results;
  expect(read('README.md')).toBe(withLayerTable(read('README.md'), layerNames, results));
});

describe.each(documents)('%s', (document) => {
  it('links to files that exist', () => {
    const links = [...read(document).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
      .map(([, target = '']) => target)
      .filter((target) => !/^[a-z]+:/.test(target));
    const broken = links.filter((target) => !existsSync(join(root, dirname(document), target)));
    expect(broken).toEqual([]);
  });

  it('names npm scripts that exist', () => {
    const known = /"scripts": \{([^}]*)\}/.exec(read('package.json'))?.[1] ?? '';
    const named = [...read(document).matchAll(/npm run (?:--silent )?([a-z][\w:-]*)/g)].map(
      ([, name = '']) => name,
    );
    expect(named.filter((name) => !known.includes(`"${name}":`))).toEqual([]);
  });
});

describe('every file of the repository', () => {
  // Spelled in two halves, so that this file may be looked at as well.
  const foreign = [
    ['/wo', 'rk/'],
    ['iss', 'ue #'],
    ['registry.npm', 'js.org'],
    ['py', 'pi.org'],
    ['files.python', 'hosted.org'],
  ].map((halves) => halves.join(''));

  it.each(foreign)('is free of "%s"', (text) => {
    const found = files.filter((path) =>
      readFileSync(join(root, path)).toString('latin1').toLowerCase().includes(text),
    );
    expect(found).toEqual([]);
  });
});
