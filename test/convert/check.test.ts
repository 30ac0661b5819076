import { describe, expect, it } from 'vitest';
import { convertModel } from '../../src/convert/convert-model.ts';
import { madeModel } from './made-model.ts';

describe('layers that cannot be converted', () => {
  it('are all named at once, with what to do', () => {
    const layers = [
      { name: 'words', is: 'TextVectorization' },
      { name: 'code', is: 'Lambda' },
      { name: 'own', is: 'Package>Gate' },
      { name: 'dense', is: 'Dense', config: { units: 1, activation: 'wobble' } },
    ];
    const convert = () => convertModel(madeModel({ input: [4], layers }));
    expect(convert).toThrow(/4 layers cannot be converted/);
    for (const said of [
      /"words"/,
      /--lambda code=/,
      /defineLayer/,
      /"wobble"/,
      /Its inputs are texts/,
    ]) {
      expect(convert).toThrow(said);
    }
  });
});
