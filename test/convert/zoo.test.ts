import { describe, expect, it } from 'vitest';
import { hasShared } from '../shared.ts';
import { compare, fixtureNames, formsOf, readFixture } from './real-keras.ts';

const generations = [
  'k0.3.3-theano-th',
  'k1.0.8-theano-th',
  'k1.2.2-py27-theano-th',
  'k1.2.2-theano-th',
  'k1.2.2-tf-th',
  'k1.2.2-tf-tf',
];

/** Parts of names of fixtures whose layers cannot be converted: these must be refused, all others must match. */
const refused =
  /^(bidir_|convlstm2d|deconv2d|gru|highway|lambda_|local[12]d|lstm|maxoutdense|merge_(cos|dot)|parametricsoftplus|separable_|simplernn|srelu|timedistributed_)|mask|bn_mode2/;

/**
 * Files that hold only layers which do not say where the channels are: Keras 1 then took what its user's settings
 * said, which here was not its default.
 */
const withoutOrdering = /^k1\.2\.2-\w+-th\/(up[23]d|crop[23]d|zeropad2d\w*|zeropad3d)$/;

describe.skipIf(!hasShared)('layers of real Keras (skipped without ../shared)', () => {
  for (const generation of generations) {
    const forms = fixtureNames(generation)
      .filter((name) => !withoutOrdering.test(`${generation}/${name}`))
      .map((name) => readFixture(generation, name))
      .filter(({ manifest }) => manifest.kind === 'zoo')
      .flatMap((fixture) => formsOf(fixture).map((form) => ({ fixture, form })));
    const isRefused = ({ fixture }: (typeof forms)[number]): boolean =>
      refused.test(fixture.manifest.case);
    const titled = (form: (typeof forms)[number]) =>
      [form.form.file.split('/').slice(-3).join('/'), form] as const;

    it.each(forms.filter((form) => !isRefused(form)).map(titled))(
      '%s gives the numbers that Keras gave',
      async (_, { fixture, form }) => {
        await compare(fixture, form);
      },
    );

    it.each(forms.filter(isRefused).map(titled))('%s is refused', async (_, { fixture, form }) => {
      await expect(compare(fixture, form)).rejects.toMatchObject({
        code: 'KERAS_LAYER_UNSUPPORTED',
      });
    });
  }
});
