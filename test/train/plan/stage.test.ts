import { describe, expect, it } from 'vitest';
import { parseStage } from '../../../src/train/plan/stage.ts';

describe('parseStage', () => {
  it('reads a choice with options of its own', () => {
    expect(parseStage('head')).toEqual({ train: 'head' });
    expect(parseStage('12:')).toEqual({ train: '12:' });
    expect(parseStage('12:20:lr=0.1')).toEqual({ train: '12:20', lr: 0.1 });
    expect(
      parseStage(
        'block5_*+dense:epochs=5,lr=1e-4,optimizer=sgd,momentum=0.9,nesterov,schedule=cosine(warmup=1),factors=(conv5=0.1,dense=1)',
      ),
    ).toEqual({
      train: 'block5_*+dense',
      epochs: 5,
      lr: 1e-4,
      optimizer: 'sgd',
      momentum: 0.9,
      nesterov: true,
      schedule: { name: 'cosine', numbers: { alpha: 0, warmup: 1 } },
      factors: { conv5: 0.1, dense: 1 },
    });
  });

  it.each([
    ['head:epoch=3', 'epoch'],
    ['head:lr=-1', '"lr"'],
    ['head:optimizer=lion', '"optimizer"'],
    ['head:schedule=linear', 'There is no schedule "linear"'],
    ['head:schedule=cosine(rise=1)', '"cosine" has no number "rise"'],
    ['head:schedule=step(every=soon)', '"every" of "step" is no number'],
  ])('refuses "%s" and says why', (text, why) => {
    expect(() => parseStage(text)).toThrow(why);
  });
});
