import { afterEach, describe, expect, it, vi } from 'vitest';
import { barFormat, note, oneLine, print, tableText, timeText } from '../../src/cli/terminal.ts';
import { ToolkitError } from '../../src/errors.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const forged = 'conv\u001B[31m\u0007\u009B2J\u001B]0;title\u0007\u202Eok';

describe('names that would steer the terminal', () => {
  it('are spelled in what is printed and noted', () => {
    const log = vi.spyOn(console, 'log').mockReturnValue();
    const error = vi.spyOn(console, 'error').mockReturnValue();
    print(forged, 'two\nlines');
    note(forged);
    const spelled = String.raw`conv\x1b[31m\x07\x9b2J\x1b]0;title\x07\u202eok`;
    expect(log.mock.calls).toEqual([[spelled], ['two\nlines']]);
    expect(error.mock.calls).toEqual([[spelled]]);
  });

  it('cannot begin a line of their own, in tables and in the place of an error', () => {
    expect(oneLine('a\nb')).toBe(String.raw`a\nb`);
    expect(tableText(['Name'], [['a\ngraft: forged']]).split('\n')).toHaveLength(5);
    const where = { layer: 'a\n  Delete your files.' };
    const { message } = new ToolkitError('ONNX_INVALID', 'What', { where, hint: 'Hint.' });
    expect(message.split('\n')).toHaveLength(3);
  });

  it('leave letters of other scripts as they are', () => {
    expect(oneLine('größe 猫 🐈')).toBe('größe 猫 🐈');
  });
});

describe('progress', () => {
  it.each([
    ['INF', '…'],
    ['NULL', '…'],
    [0, '0s'],
    [59.6, '1m00s'],
    [65, '1m05s'],
    [7800, '2h10m'],
  ])('spells %s as %s', (seconds, text) => {
    expect(timeText(seconds)).toBe(text);
  });

  it.each([40, 60, 80, 200])('fits into a terminal of %d columns', (columns) => {
    const { format, barsize } = barFormat('Predicting', 'images', { total: 5000, columns });
    const line = format
      .replace('{bar}', '='.repeat(barsize))
      .replace('{value}', '4999')
      .replace('{total}', '5000')
      .replace('{eta_formatted}', '12m34s');
    expect(line.length).toBeLessThan(Math.max(columns, 40) + 3);
    expect(line).toContain('4999/5000 images');
    expect(barsize).toBeLessThanOrEqual(40);
  });
});
