import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from '../files.ts';
import { digitsModel } from '../train/base.ts';
import { writeDigits } from '../train/digits.ts';
import { installedPackage } from './installed.ts';

const { cli } = installedPackage();

let base: string;
let few: Awaited<ReturnType<typeof writeDigits>>;

beforeAll(async () => {
  base = await digitsModel();
  few = await writeDigits([8, 9], 20);
}, 60_000);

interface Ended {
  readonly code: number | string | null;
  readonly said: string;
}

/** Runs `graft train` as a process; `onSaid` sees all that it has said, whenever that is more. */
function trained(
  args: readonly string[],
  onSaid: (said: string, child: ReturnType<typeof spawn>) => void = () => undefined,
): Promise<Ended> {
  const child = spawn(process.execPath, [cli, 'train', base, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  const hear = (chunk: Buffer): void => {
    said += chunk.toString();
    onSaid(said, child);
  };
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code: code ?? signal, said }));
  });
}

describe('graft train as a process', () => {
  it('goes on to the end when its reader has seen enough', async () => {
    const output = join(temporaryFolder(), 'tuned.onnx');
    const args = [few.train, '--no-cache', '--epochs', '3', '-o', output];
    const { code } = await trained(args, (_, child) => child.stdout?.destroy());
    expect(code).toBe(0);
    expect(existsSync(output)).toBe(true);
  }, 60_000);

  it('is saved by SIGTERM as by Ctrl-C', async () => {
    const output = join(temporaryFolder(), 'tuned.onnx');
    const long = ['--train', 'dense:epochs=2000', '--batch', '4', '--no-cache'];
    let isTold = false;
    const { code, said } = await trained([few.train, ...long, '-o', output], (soFar, child) => {
      if (isTold || !soFar.includes('Epoch 1/')) return;
      isTold = true;
      child.kill('SIGTERM');
    });
    expect(said).toContain('Saving after this step; once more ends at once.');
    expect(said).toContain('the same command with --resume goes on from here');
    expect(code).toBe(130);
    expect(existsSync(`${output}.checkpoints`)).toBe(true);
    expect(existsSync(join(`${output}.checkpoints`, 'lock'))).toBe(false);
  }, 60_000);

  it.each([
    [['--data', 'x.npy'], '--data was given without --targets'],
    [['--targets', 'y.npy'], '--targets was given without --data'],
    [
      ['photos', '--valid', 'photos', '--split', '0.2'],
      'a share of the training samples for it too',
    ],
    [['photos', '--monitor', 'val_mae'], 'mean absolute error'],
  ])(
    'refuses %j',
    async (args, words) => {
      const { code, said } = await trained(args);
      expect(code).toBe(2);
      expect(said).toContain(words);
    },
    30_000,
  );

  it('looks at what the second round needs before the first', async () => {
    const output = join(temporaryFolder(), 'tuned.onnx');
    const args = [few.train, '--pseudo-labels', join(few.root, 'nope'), '-o', output];
    const { code, said } = await trained(args);
    expect(code).toBe(1);
    expect(said).toContain('nope');
    expect(said).not.toContain('Epoch');
  }, 30_000);
});
