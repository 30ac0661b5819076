import { describe, expect, it } from 'vitest';
import { dropoutMask, RandomState, streamSeed } from '../../src/train/random.ts';

/** From NumPy 2.4.6, numpy.random.RandomState(seed), each method on a fresh generator. */
const numpy = [
  {
    seed: 0,
    words: [2357136044, 2546248239, 3071714933],
    later: { 623: 3791854820, 624: 341544762, 1299: 387547707 },
    uniform: [0.0976270078546495, 0.43037873274483895, 0.20552675214328775, 0.08976636599379373],
    permutation: [6, 11, 4, 10, 2, 8, 1, 7, 9, 3, 0, 5],
    large: { first: [10840, 56267, 14849, 62726, 47180], sum: 34937751789 },
  },
  {
    seed: 42,
    words: [1608637542, 3421126067, 4083286876],
    later: { 623: 1077437785, 624: 108880612, 1299: 2059789457 },
    uniform: [-0.250919762305275, 0.9014286128198323, 0.4639878836228102, 0.1973169683940732],
    permutation: [10, 9, 0, 8, 5, 2, 1, 11, 4, 7, 3, 6],
    large: { first: [46730, 48393, 41416, 34506, 43725], sum: 34960201271 },
  },
  {
    seed: 4294967295,
    words: [419326371, 479346978, 3918654476],
    later: { 623: 1027084080, 624: 3860652269, 1299: 319045431 },
    uniform: [-0.8047359420119724, 0.8247656906052436, 0.5780706037032799, 0.5600071962269355],
    permutation: [11, 8, 5, 9, 1, 10, 6, 0, 4, 7, 2, 3],
    large: { first: [14972, 66828, 49490, 22806, 60806], sum: 35072612631 },
  },
];

describe.each(numpy)("RandomState($seed) draws NumPy's", (expected) => {
  it('words, past the first refill too', () => {
    const random = new RandomState(expected.seed);
    const words = Array.from({ length: 1300 }, () => random.uint32());
    expect(words.slice(0, 3)).toEqual(expected.words);
    for (const [at, word] of Object.entries(expected.later)) expect(words[Number(at)]).toBe(word);
  });

  it('uniform numbers, rounded to float32', () => {
    const drawn = new RandomState(expected.seed).uniform(-1, 1, 4);
    expect([...drawn]).toEqual(expected.uniform.map(Math.fround));
  });

  it('permutations', () => {
    const random = new RandomState(expected.seed);
    expect([...random.permutation(12)]).toEqual(expected.permutation);
    const large = new RandomState(expected.seed).permutation(70_000);
    expect(Array.from(large.subarray(0, 5))).toEqual(expected.large.first);
    expect(large.reduce((sum, value, i) => sum + ((value * i) % 1_000_003), 0)).toBe(
      expected.large.sum,
    );
  });
});

describe('streams', () => {
  it('differ by seed and by purpose, and are the same again', () => {
    const seeds = [
      streamSeed(0, 'init'),
      streamSeed(1, 'init'),
      streamSeed(0, 'shuffle'),
      streamSeed(0, 'dropout 1'),
      streamSeed(0, 'dropout 2'),
    ];
    expect(new Set(seeds).size).toBe(seeds.length);
    expect(streamSeed(0, 'init')).toBe(seeds[0]);
  });
});

describe('dropoutMask', () => {
  it.each([0.2, 0.5, 0.9])('drops a share of %f, alike in every part', (rate) => {
    const count = 400_000;
    const mask = dropoutMask(3, count, rate);
    const share = (from: number, step: number): number => {
      let dropped = 0;
      let seen = 0;
      for (let i = from; i < count; i += step, seen++) dropped += mask[i] === 0 ? 1 : 0;
      return dropped / seen;
    };
    // Five standard deviations of a share of 100,000.
    const margin = 5 * Math.sqrt((rate * (1 - rate)) / 100_000);
    for (const from of [0, 1, 2, 3]) expect(Math.abs(share(from, 4) - rate)).toBeLessThan(margin);
  });

  it('is the same for the same seed only', () => {
    expect(dropoutMask(1, 999, 0.5)).toEqual(dropoutMask(1, 999, 0.5));
    expect(dropoutMask(1, 999, 0.5)).not.toEqual(dropoutMask(2, 999, 0.5));
  });
});
