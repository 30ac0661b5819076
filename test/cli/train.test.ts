import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { readModel } from '../../src/onnx/read.ts';
import { sizeOf } from '../../src/tensor.ts';
import { temporaryFolder } from '../files.ts';
import { digitsModel } from '../train/base.ts';
import { writeDigits } from '../train/digits.ts';
import { installedPackage } from './installed.ts';

const { cli } = installedPackage();

let base: string;
let few: Awaited<ReturnType<typeof writeDigits>>;

beforeAll(async () => {
  base = await digitsModel();
  few = await writeDigits([8, 9], 40);
}, 60_000);

interface Run {
  readonly child: ChildProcess;
  /** All that it has written to both. */
  readonly said: () => string;
  /** The exit code, or the signal. */
  readonly ended: Promise<number | string | null>;
}

/** `graft train` of two stages, the second of which takes a while, as a process of its own. */
function startTraining(output: string, more: readonly string[] = []): Run {
  const stages = ['--train', 'head:epochs=2,lr=0.01', '--train', 'dense:epochs=30,lr=0.001'];
  const data = [few.train, '--valid', few.valid, '--cache', join(few.root, 'cache')];
  const args = ['train', base, ...data, ...stages, '--batch', '4', '-o', output, ...more];
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const hear = (chunk: Buffer): void => {
    said += chunk.toString();
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const ended = new Promise<number | string | null>((resolve) => {
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { child, said: () => said, ended };
}

/** Resolves once the process has said it; fails where it ends before. */
function saying(run: Run, words: RegExp): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = (): void => {
      if (words.test(run.said())) resolve();
    };
    look();
    run.child.stdout?.on('data', look);
    run.child.stderr?.on('data', look);
    run.child.on('close', () => reject(new Error(`It ended: ${run.said()}`)));
  });
}

function weightsOf(path: string): readonly (readonly [string, string])[] {
  return [...readModel(path).initializers].map(([name, tensor]) => {
    const bytes = tensor.read(0, sizeOf(tensor.shape));
    return [name, Buffer.from(bytes).toString('hex')] as const;
  });
}

function historyOf(path: string): Promise<string> {
  return readFile(path.replace('.onnx', '.history.json'), 'utf8');
}

describe('graft train', () => {
  it('is saved by one Ctrl-C, and goes on with --resume to the same model and history', async () => {
    const whole = join(temporaryFolder(), 'tuned.onnx');
    expect(await startTraining(whole).ended).toBe(0);

    const output = join(temporaryFolder(), 'tuned.onnx');
    const run = startTraining(output);
    await saying(run, /Stage 2\/2: dense[^]*Epoch 3\/30/);
    run.child.kill('SIGINT');
    expect(await run.ended).toBe(130);
    expect(run.said()).toContain('Saving after this step; once more ends at once.');
    expect(run.said()).toMatch(/graft: Training was interrupted in stage 2, epoch \d+/);
    expect(run.said()).toContain('the same command with --resume goes on from here');
    expect(await readdir(dirname(output))).toContain('tuned.onnx.checkpoints');
    expect(await readdir(dirname(output))).not.toContain('tuned.onnx');

    const resumed = startTraining(output, ['--resume']);
    expect(await resumed.ended).toBe(0);
    expect(weightsOf(output)).toEqual(weightsOf(whole));
    expect(await historyOf(output)).toBe(await historyOf(whole));
    expect(await readdir(dirname(output))).not.toContain('tuned.onnx.checkpoints');
  }, 120_000);
});
