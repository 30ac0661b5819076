import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** Which Python is asked: GRAFT_PYTHON, else `python3`. */
const python = process.env['GRAFT_PYTHON'] ?? 'python3';

/** What a title says when that Python lacks some of these modules; empty when it has them all. */
export function pythonMissing(modules: readonly string[]): string {
  const probe = `import importlib.util as u, sys; print(*[m for m in sys.argv[1:] if not u.find_spec(m)])`;
  const { status, stdout } = spawnSync(python, ['-c', probe, ...modules], { encoding: 'utf8' });
  if (status === 0 && stdout.trim() === '') return '';
  const fault =
    status === 0 ? `${python} lacks ${stdout.trim().replaceAll(' ', ', ')}` : `no ${python}`;
  return ` (skipped: ${fault}; pip install -r .ci/requirements.txt, or set GRAFT_PYTHON)`;
}

/** The path of a script of this folder. */
export function scriptPath(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** Runs a script of this folder and returns what it printed. Throws with what it wrote to stderr. */
export async function runPython(
  script: string,
  options: { readonly args?: readonly string[]; readonly input?: string } = {},
): Promise<string> {
  const child = spawn(python, [script, ...(options.args ?? [])]);
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  child.stdin.end(options.input ?? '');
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code === 0) return Buffer.concat(out).toString('utf8');
  throw new Error(`${script} ended with ${code}: ${Buffer.concat(err).toString('utf8')}`);
}

const answer = z.object({
  opset: z.number(),
  runtime: z.array(z.number()),
  reference: z.array(z.number()),
});

/**
 * Checks a model with ONNX's checker and runs it in Python's onnxruntime and in ONNX's reference implementation.
 *
 * `feed` is an .npy file; the reference, which is slow, runs its first `reference` samples only.
 */
export async function runInPython(job: {
  readonly model: string;
  readonly feed: string;
  readonly reference: number;
}): Promise<z.infer<typeof answer>> {
  const printed = await runPython(scriptPath('run_onnx.py'), { input: JSON.stringify(job) });
  return answer.parse(JSON.parse(printed));
}
