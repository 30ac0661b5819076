import { describe, expect, it } from 'vitest';
import { rateAt, type Schedule, schedules } from '../../src/train/schedules.ts';

const moments = (stepsPerEpoch: number, epochs: number) =>
  Array.from({ length: stepsPerEpoch * epochs }, (_, step) => ({ step, stepsPerEpoch, epochs }));

function rates(name: Schedule['name'], numbers: Schedule['numbers'], of = moments(2, 4)) {
  const schedule = { name, numbers: { ...schedules[name].numbers, ...numbers } };
  return of.map((moment) => Number(rateAt(schedule, 1, moment).toFixed(6)));
}

describe('rateAt', () => {
  it('keeps a constant rate', () => {
    expect(rates('constant', {})).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
  });

  it('goes down in steps of epochs', () => {
    expect(rates('step', { every: 2, factor: 0.5 })).toEqual([1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]);
  });

  it('goes down along a cosine, after rising in a line', () => {
    // (1 + cos(π · step / 8)) / 2
    expect(rates('cosine', {})).toEqual([
      1, 0.96194, 0.853553, 0.691342, 0.5, 0.308658, 0.146447, 0.03806,
    ]);
    expect(rates('cosine', { warmup: 1 }).slice(0, 3)).toEqual([0, 0.5, 1]);
    expect(rates('cosine', { alpha: 0.5 })[4]).toBe(0.75);
  });

  it('goes up and down once', () => {
    const found = rates('onecycle', { div: 10, final: 100 });
    expect(found[0]).toBe(0.1);
    expect(found[2]).toBe(1);
    // Half way down: the mean of 1 and 0.01.
    expect(found[5]).toBe(0.505);
  });
});
