import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { predictCommand } from '../../src/cli/predict.ts';
import { meanColors, plain, saveModel } from '../runtime/models.ts';
import { digitsModel } from '../train/base.ts';
import { writeDigits } from '../train/digits.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

it('heads the CSV with as many columns as its rows have', async () => {
  const [model, { train }] = await Promise.all([digitsModel(), writeDigits([3], 2)]);
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const options = ['--top', '99', '--format', 'csv'];
  await predictCommand().parseAsync([model, join(train, '3'), ...options], { from: 'user' });
  const lines = written.mock.calls
    .map(([text]) => String(text))
    .join('')
    .trim()
    .split('\n');
  // A file, and a name and a probability for each of the eight digits that the model knows.
  expect(lines.map((line) => line.split(',').length)).toEqual([17, 17]);
});

it('names columns after the outputs of a model that is no classifier', async () => {
  const { train } = await writeDigits([3], 2);
  const model = join(train, '..', 'mean.onnx');
  await saveModel(model, meanColors([2, 2]), { preprocess: plain([2, 2]) });
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  await predictCommand().parseAsync([model, join(train, '3'), '--format', 'csv'], { from: 'user' });
  const text = written.mock.calls.map(([part]) => String(part)).join('');
  expect(text.split('\n')[0]).toBe('file,scores_0,scores_1,scores_2');
});

it('says that the preprocessing is assumed, where the card says so', async () => {
  const { train } = await writeDigits([3], 2);
  const model = join(train, '..', 'mean.onnx');
  const preprocess = { ...plain([2, 2]), assumed: true };
  await saveModel(model, meanColors([2, 2]), { preprocess });
  vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  const noted = vi.spyOn(console, 'error').mockReturnValue();
  const warnings = async (...args: string[]): Promise<number> => {
    noted.mockClear();
    await predictCommand().parseAsync([model, join(train, '3'), ...args], { from: 'user' });
    return noted.mock.calls.filter(([line]) => String(line).includes('does not say')).length;
  };
  expect([await warnings(), await warnings('--preprocess', 'tf')]).toEqual([1, 0]);
});
