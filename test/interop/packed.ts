import { type ExecFileException, execFile } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout. */
export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The npm that comes with this Node, and the one of the generation before. */
export const npms: Readonly<Record<string, readonly string[]>> = {
  'the npm at hand': ['npm'],
  'npm 10': ['npx', '--yes', 'npm@10'],
};

/** How a command ended, and what it wrote. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end, as from a person's own terminal: without what the npm that runs these tests has set. */
export async function run(
  command: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<Ended> {
  const [file = '', ...args] = command;
  const env = { ...ownEnvironment(), ...options.env };
  return new Promise((resolve) => {
    const done = (error: ExecFileException | null, stdout: string, stderr: string): void => {
      const code = error ? Number(error.code ?? 1) : 0;
      resolve({ code: Number.isNaN(code) ? 1 : code, stdout, stderr });
    };
    execFile(file, args, { cwd: options.cwd, env, maxBuffer: 2 ** 26 }, done).stdin?.end();
  });
}

/** As `run`, but throws with all output unless the command ends well. */
export async function runWell(
  command: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>> },
): Promise<Ended> {
  const ended = await run(command, options);
  if (ended.code === 0) return ended;
  throw new Error(`${command.join(' ')} ended with ${ended.code}\n${ended.stdout}${ended.stderr}`);
}

function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign =
    /^(npm_(package|lifecycle|command|execpath|node_execpath)|npm_config_(local_prefix|omit_lockfile|onnx)|INIT_CWD|ONNXRUNTIME|VITEST|NODE_ENV|TEST$)/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
}

/** Builds and packs the checkout without touching its `dist`; the path of the tarball. */
export async function packCheckout(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  for (const part of ['package.json', 'README.md', 'LICENSE', 'models', 'proto']) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  const tsup = join(root, 'node_modules/tsup/dist/cli-default.js');
  await runWell([process.execPath, tsup, '--out-dir', join(folder, 'dist')], { cwd: root });
  const { stdout } = await runWell(['npm', 'pack', '--silent'], { cwd: folder });
  return join(folder, stdout.trim().split('\n').at(-1) ?? '');
}

/** An empty project, as someone who wants to use the package has it. */
export function freshProject(folder: string): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'fresh', private: true, type: 'module' }),
  );
  return folder;
}
