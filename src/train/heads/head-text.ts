import { ToolkitError } from '../../errors.ts';
import { splitOutside } from '../plan/text.ts';

/** Activations that a layer of a head may have. */
const headActivations = [
  'linear',
  'relu',
  'tanh',
  'sigmoid',
  'elu',
  'softplus',
  'softmax',
] as const;
export type HeadActivation = (typeof headActivations)[number];

/** A layer of a new head. */
export type HeadLayer =
  | { readonly kind: 'flatten' | 'gap' | 'gmp' | 'maxpool' }
  | { readonly kind: 'batchnorm' }
  | { readonly kind: 'dropout'; readonly rate: number }
  | { readonly kind: 'activation'; readonly activation: HeadActivation }
  /** Without units: as many as there are classes. */
  | {
      readonly kind: 'dense';
      readonly units: number | undefined;
      readonly activation: HeadActivation | undefined;
    };

/** How each word of a head is read; `words` are what follows it. */
const readers: Readonly<Record<string, (words: readonly string[]) => HeadLayer | undefined>> = {
  flatten: plain('flatten'),
  gap: plain('gap'),
  gmp: plain('gmp'),
  maxpool: plain('maxpool'),
  batchnorm: plain('batchnorm'),
  dropout: ([rate, ...rest]) => {
    const share = Number(rate);
    return rest.length === 0 && rate !== undefined && share >= 0 && share < 1
      ? { kind: 'dropout', rate: share }
      : undefined;
  },
  dense: (words) => {
    const units = words.filter((word) => /^\d+$/.test(word));
    const names = words.flatMap((word) => activationNamed(word) ?? []);
    if (units.length > 1 || names.length > 1 || units.length + names.length < words.length) {
      return undefined;
    }
    const count = units[0] === undefined ? undefined : Number(units[0]);
    return count === 0 ? undefined : { kind: 'dense', units: count, activation: names[0] };
  },
  ...Object.fromEntries(
    headActivations.map((activation) => [
      activation,
      (words: readonly string[]) =>
        words.length === 0 ? ({ kind: 'activation', activation } as const) : undefined,
    ]),
  ),
};

const forms =
  'flatten, gap, gmp, maxpool, batchnorm, "dropout RATE", "dense [UNITS] [ACTIVATION]", ' +
  `and the activations ${headActivations.join(', ')}`;

/**
 * A head as people write it: `flatten, dense 256 relu, dropout 0.5, dense`.
 *
 * Its last Dense may go without units: then it has one for each class. Throws OPTION_INVALID, naming the part.
 */
export function parseHead(text: string): readonly HeadLayer[] {
  const parts = splitOutside(text, ',');
  const layers = parts.map((part, i) => {
    const [name = '', ...words] = part.toLowerCase().split(/\s+/);
    const layer = Object.hasOwn(readers, name) ? readers[name]?.(words) : undefined;
    if (!layer) throw invalid(`Part ${i + 1} of the head, "${part}", is not understood`);
    return layer;
  });
  const last = layers.findLastIndex(({ kind }) => kind === 'dense');
  if (last < 0) throw invalid(`The head "${text}" has no dense layer`);
  const after = layers.slice(last + 1).find(({ kind }) => kind !== 'activation');
  if (after) throw invalid(`The head "${text}" should end in a dense layer, not in ${after.kind}`);
  layers.forEach((layer, i) => {
    if (layer.kind === 'dense' && layer.units === undefined && i !== last) {
      throw invalid(
        `Part ${i + 1} of the head, "${parts[i]}", needs a number of units: "dense 256"`,
      );
    }
  });
  return layers;
}

function plain(kind: 'flatten' | 'gap' | 'gmp' | 'maxpool' | 'batchnorm') {
  return (words: readonly string[]): HeadLayer | undefined =>
    words.length === 0 ? { kind } : undefined;
}

function activationNamed(word: string): HeadActivation | undefined {
  return headActivations.find((name) => name === word);
}

function invalid(what: string): ToolkitError {
  return new ToolkitError('OPTION_INVALID', what, { hint: `A head is made of ${forms}.` });
}
