import { link, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TrainOptions } from '../../src/train/options.ts';
import { checkedSettings } from '../../src/train/settings.ts';
import { checkTogether, refuseSame, warningsOf } from '../../src/train/together.ts';
import { temporaryFolder } from '../files.ts';

const plain = { base: 'a.onnx', output: 'b.onnx' };
const arrays = { x: 'x.npy', y: 'y.npy' };
const both = { ...arrays, validX: 'x.npy', validY: 'y.npy' };

describe('checkTogether', () => {
  it.each<[string, Partial<TrainOptions>]>([
    ['a share of the training samples', { train: 't', valid: 'v', validationSplit: 0.2 }],
    ['a share of the training samples', { arrays: both, validationSplit: 0.2 }],
    ['only one was given', { arrays: { ...arrays, validX: 'x.npy' } }],
    ['A folder for validation', { arrays, valid: 'v' }],
    ['Only pictures can be augmented', { arrays, augment: { rotation_range: 5 } }],
    ['nothing has an accuracy', { arrays: { ...arrays, task: 'regression' }, monitor: 'val_acc' }],
    ['mean absolute error', { train: 't', monitor: 'val_mae' }],
  ])('refuses what would be ignored: %s', (words, options) => {
    expect(() => checkTogether({ ...plain, ...options })).toThrow(words);
    expect(() => checkTogether({ ...plain, ...options })).toThrow(
      expect.objectContaining({ code: 'OPTION_INVALID' }),
    );
  });

  it('takes each of them alone', () => {
    expect(() => checkTogether({ ...plain, train: 't', validationSplit: 0.2 })).not.toThrow();
    expect(() => checkTogether({ ...plain, arrays: both, monitor: 'val_acc' })).not.toThrow();
  });
});

function warnings(options: Partial<TrainOptions>, valid = 0): readonly string[] {
  return warningsOf(options, checkedSettings(options), valid);
}

describe('warningsOf', () => {
  it('says by what stopping and plateaus go without validation samples', () => {
    expect(warnings({ patience: 3 })).toEqual([
      'There are no validation samples: patience goes by "loss" of the training samples instead of "val_loss"',
    ]);
    const plateau = [{ train: 'head', schedule: 'plateau' }];
    expect(warnings({ stages: plateau, patience: 1, monitor: 'val_acc' })[0]).toContain(
      'patience and the plateau schedule go by "acc"',
    );
    expect(warnings({ monitor: 'val_acc' })[0]).toContain('"val_acc" is looked at by nothing');
  });

  it('is silent where there is nothing to say', () => {
    expect(warnings({})).toEqual([]);
    expect(warnings({ patience: 3 }, 10)).toEqual([]);
    expect(warnings({ patience: 3, monitor: 'loss' })).toEqual([]);
  });
});

describe('refuseSame', () => {
  it('knows a file by whatever name', async () => {
    const folder = temporaryFolder();
    const at = (name: string): string => join(folder, name);
    await writeFile(at('a.onnx'), '1');
    await writeFile(at('other.onnx'), '1');
    await symlink(at('a.onnx'), at('soft.onnx'));
    await link(at('a.onnx'), at('hard.onnx'));
    for (const name of ['a.onnx', 'soft.onnx', 'hard.onnx']) {
      const same = refuseSame(at('a.onnx'), at(name));
      await expect(same).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    }
    await refuseSame(at('a.onnx'), at('other.onnx'));
    await refuseSame(at('a.onnx'), at('absent.onnx'));
  });
});
