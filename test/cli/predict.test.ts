import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { predictCommand } from '../../src/cli/predict.ts';
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
