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

  it('are listed once for each thing that is wrong, with their number and the first names', () => {
    const gates = Array.from({ length: 40 }, (_, i) => ({ name: `gate_${i}`, is: 'Package>Gate' }));
    const words = { name: 'words', is: 'TextVectorization' };
    const convert = () => convertModel(madeModel({ input: [4], layers: [...gates, words] }));
    expect(convert).toThrow(
      [
        '41 layers cannot be converted:',
        '  - 40 layers ("gate_0", "gate_1", "gate_2", …): The layer class "Package>Gate" cannot be converted',
        '  - layer "words": The layer class "TextVectorization" cannot be converted',
      ].join('\n'),
    );
  });
});

/** What is said of a layer of this class. */
function message(is: string): string {
  try {
    convertModel(madeModel({ input: [4], layers: [{ name: 'own', is }] }));
  } catch (error) {
    return String(error);
  }
  return '';
}

describe('a class that is not known', () => {
  it('is followed by names like it, not by all that there are', () => {
    expect(message('QDense')).toContain('"QDense" cannot be converted (a name like it: Dense)');
    expect(message('QDense').length).toBeLessThan(300);
    expect(message('Gate')).not.toContain('like it');
  });

  it('cannot forge a line by its name', () => {
    expect(message('Gate\ngraft: all is well').split('\n')).toHaveLength(3);
  });
});

describe('what Lambda layers are said to compute', () => {
  it('must be of layers or functions that are there', () => {
    const layers = [{ name: 'code', is: 'Lambda', config: { function: 'half' } }];
    const made = madeModel({ input: [4], layers });
    const convert = (lambdas: Record<string, string>) => () => convertModel(made, { lambdas });
    expect(convert({ code: 'x/2' })).not.toThrow();
    expect(convert({ half: 'x/2' })).not.toThrow();
    expect(convert({ code: 'x/2', cod: 'x/2' })).toThrow(
      expect.objectContaining({
        code: 'OPTION_INVALID',
        hint: 'Lambda layers and their functions: code, half.',
      }),
    );
  });

  it('is not taken from a name that every object has', () => {
    const layers = [{ name: 'constructor', is: 'Lambda' }];
    const convert = () => convertModel(madeModel({ input: [4], layers }));
    expect(convert).toThrow(/--lambda constructor=PRESET/);
  });
});
