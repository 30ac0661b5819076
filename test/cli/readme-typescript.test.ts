import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const [, section = ''] = /\n## From TypeScript\n(.*?)\n## /s.exec(readme) ?? [];
const blocks = [...section.matchAll(/^```ts\n(.*?)^```/gms)].map(([, text = '']) => text);

function read(path: string): string | undefined {
  return ts.sys.readFile(path);
}

/** What TypeScript finds wrong in a program, as if it lay in a project that has the package. */
function faultsIn(text: string): readonly string[] {
  const file = join(root, 'test', 'readme-snippet.ts');
  const config: unknown = ts.readConfigFile(join(root, 'tsconfig.json'), read).config;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const strict = { ...options, noEmit: true, paths: { graft: [join(root, 'src/index.ts')] } };
  const usual = ts.createCompilerHost(strict);
  const host: ts.CompilerHost = {
    ...usual,
    readFile: (path) => (path === file ? text : usual.readFile(path)),
    fileExists: (path) => path === file || usual.fileExists(path),
    getSourceFile: (path, language, ...others) =>
      path === file
        ? ts.createSourceFile(path, text, language)
        : usual.getSourceFile(path, language, ...others),
  };
  const program = ts.createProgram([file], strict, host);
  const source = program.getSourceFile(file);
  return ts
    .getPreEmitDiagnostics(program, source)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

describe("README's programs for the library", { timeout: 120_000 }, () => {
  it.each(blocks)('have the types of the library: %s', (text) => {
    expect(faultsIn(text)).toEqual([]);
  });

  it('are looked at: a wrong one is found', () => {
    expect(blocks.length).toBeGreaterThan(1);
    expect(faultsIn("import { convert } from 'graft';\nawait convert(1);\n")).toHaveLength(1);
  });
});
