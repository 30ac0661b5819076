import type { Where } from '../../../errors.ts';
import type { ConfigReader } from '../../../keras/config.ts';
import { bytesSource } from '../../../source.ts';
import type { Value } from '../../../tensor.ts';
import { type Bench, defineLayer, type Layer, unsupported } from '../../layer.ts';
import { integers, type KerasTensor, kerasTensor } from '../../layout.ts';

const outputModes = ['int', 'one_hot', 'multi_hot', 'count'] as const;
type OutputMode = (typeof outputModes)[number];

function readMode(config: ConfigReader, byDefault: OutputMode, where: Where): OutputMode {
  const mode = config.string('output_mode', byDefault);
  const known = outputModes.find((name) => name === mode);
  if (known) return known;
  throw unsupported(
    `The output mode "${mode}" cannot be converted`,
    where,
    `Output modes that can: ${outputModes.join(', ')}.`,
  );
}

interface Encoding {
  readonly mode: Exclude<OutputMode, 'int'>;
  readonly depth: number;
  /** A weight for each index, with "count". */
  readonly weights?: Value | undefined;
}

/** Indices [N, ...] as rows of `depth` numbers. Source: encode_categorical_inputs in keras/src/utils/numerical_utils.py. */
function encoded(indices: Value, { mode, depth, weights }: Encoding, { graph }: Bench): Value {
  const ids = indices.dtype === 'int64' ? indices : graph.add('Cast', [indices], { to: 'int64' });
  const rank = ids.shape.length;
  const isSingle = rank > 1 && ids.shape.at(-1) === 1;
  const all = integers(
    graph,
    'classes',
    Array.from({ length: depth }, (_, i) => i),
  );
  const isEach = (x: Value): Value => {
    const column = graph.add('Unsqueeze', [x, integers(graph, 'axes', [x.shape.length])]);
    return graph.add('Cast', [graph.add('Equal', [column, all])], { to: 'float32' });
  };
  if (mode === 'one_hot') {
    return isEach(
      isSingle ? graph.add('Squeeze', [ids, integers(graph, 'axes', [rank - 1])]) : ids,
    );
  }
  if (rank === 1) return isEach(ids);
  const hot = isEach(ids);
  if (mode === 'multi_hot') return graph.add('ReduceMax', [hot], { axes: [rank - 1], keepdims: 0 });
  const weighed = weights
    ? graph.add('Mul', [hot, graph.add('Unsqueeze', [weights, integers(graph, 'axes', [rank])])])
    : hot;
  return graph.add('ReduceSum', [weighed, integers(graph, 'axes', [1])], { keepdims: 0 });
}

/** CategoryEncoding: numbers of categories as one_hot, multi_hot or count. Source: keras/src/layers/preprocessing/category_encoding.py. */
export const categoryEncoding: Layer = defineLayer({
  keras: ['CategoryEncoding'],
  inputs: 'many',
  read: (config, _, where) => ({
    mode: readMode(config, 'multi_hot', where),
    depth: config.integer('num_tokens'),
  }),
  weights: () => ({}),
  emit({ config, input, given, ...bench }) {
    const { mode, depth } = config;
    const x = bench.layouts.keras(input).value;
    if (mode === 'int') return kerasTensor(x);
    const weights = given.tensor(1, 'count_weights');
    const own = weights && bench.layouts.keras(weights).value;
    return kerasTensor(encoded(x, { mode, depth, weights: own }, bench));
  },
});

function numbersIn(config: ConfigReader, key: string): readonly number[] {
  const value: unknown = config.raw(key);
  const all: readonly unknown[] = Array.isArray(value) ? value : [];
  if (all.length > 0 && all.every((part): part is number => typeof part === 'number')) return all;
  throw config.wrong(key, 'a list of numbers');
}

/** Discretization: how many boundaries a number reaches. Source: keras/src/layers/preprocessing/discretization.py. */
export const discretization: Layer = defineLayer({
  keras: ['Discretization'],
  read: (config, _, where) => ({
    mode: readMode(config, 'int', where),
    boundaries: numbersIn(config, 'bin_boundaries'),
  }),
  weights: () => ({}),
  emit({ config: { mode, boundaries }, input, ...bench }) {
    const { graph, layouts, origin } = bench;
    const { value } = layouts.keras(input);
    const x = value.dtype === 'float32' ? value : graph.add('Cast', [value], { to: 'float32' });
    const rank = x.shape.length;
    const column = graph.add('Unsqueeze', [x, integers(graph, 'axes', [rank])]);
    const limits = graph.floats('boundaries', boundaries, [boundaries.length]);
    const isReached = graph.add('Cast', [graph.add('GreaterOrEqual', [column, limits])], {
      to: 'int64',
    });
    const index = graph.add('ReduceSum', [isReached, integers(graph, 'axes', [rank])], {
      keepdims: 0,
    });
    if (mode !== 'int') {
      return kerasTensor(encoded(index, { mode, depth: boundaries.length + 1 }, bench));
    }
    const isShort = origin.generation === 'Keras 3';
    return kerasTensor(isShort ? graph.add('Cast', [index], { to: 'int32' }) : index);
  },
});

interface Lookup {
  readonly mode: OutputMode;
  readonly vocabulary: readonly number[];
  readonly outOfVocabulary: number;
  readonly maskToken: number | undefined;
  readonly outToken: number;
  readonly isInverse: boolean;
}

/**
 * IntegerLookup: whole numbers as their places in a vocabulary, or back.
 *
 * Places begin with the mask token, if there is one, and the place of what is not in the vocabulary. Source:
 * keras/src/layers/preprocessing/{integer_lookup,index_lookup}.py.
 */
export const integerLookup: Layer = defineLayer({
  keras: ['IntegerLookup'],
  read(config, _, where): Lookup {
    const vocabulary: unknown = config.raw('vocabulary');
    const outOfVocabulary = config.integer('num_oov_indices', 1);
    if (!Array.isArray(vocabulary) || outOfVocabulary > 1) throw lookupRefused(where);
    return {
      mode: readMode(config, 'int', where),
      vocabulary: numbersIn(config, 'vocabulary'),
      outOfVocabulary,
      maskToken: config.raw('mask_token') == null ? undefined : config.integer('mask_token'),
      outToken: config.integer('oov_token', -1),
      isInverse: config.boolean('invert', false),
    };
  },
  weights: (_, __, found) => Object.fromEntries(found.map((shape, i) => [`${i}`, shape])),
  emit({ config, input, ...bench }) {
    const { graph, layouts } = bench;
    const { value } = layouts.keras(input);
    const x = value.dtype === 'int64' ? value : graph.add('Cast', [value], { to: 'int64' });
    if (config.isInverse) return fromPlaces(x, config, bench);
    const place = placeOf(x, config, bench);
    const { mode } = config;
    if (mode === 'int') return kerasTensor(place);
    const depth = tokens(config).length;
    return kerasTensor(encoded(place, { mode, depth }, bench));
  },
});

function lookupRefused(where: Where): Error {
  return unsupported(
    'An IntegerLookup whose vocabulary is not in the config, or with several places for unknown numbers, cannot be converted',
    where,
    'Look the numbers up before the model.',
  );
}

/** What stands at each place. */
function tokens(lookup: Lookup): readonly number[] {
  return [
    ...(lookup.maskToken === undefined || lookup.mode !== 'int' ? [] : [lookup.maskToken]),
    ...Array.from({ length: lookup.outOfVocabulary }, () => lookup.outToken),
    ...lookup.vocabulary,
  ];
}

/** Σ over the vocabulary of (x is it) · (its place - the place of the unknown), plus that place. */
function placeOf(x: Value, lookup: Lookup, { graph, layer }: Bench): Value {
  const all = tokens(lookup);
  const start = all.length - lookup.vocabulary.length;
  const unknown = start - lookup.outOfVocabulary;
  const isMasking = lookup.maskToken !== undefined && lookup.mode === 'int';
  const known = isMasking ? [...lookup.vocabulary, all[0] ?? 0] : lookup.vocabulary;
  const places = known.map((_, i) => (i < lookup.vocabulary.length ? start + i : 0) - unknown);
  const rank = x.shape.length;
  const table = (name: string, numbers: readonly number[]): Value =>
    graph.initializer(
      `${layer}/${name}`,
      bytesSource(
        'int64',
        [numbers.length],
        new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer),
      ),
    );
  const column = graph.add('Unsqueeze', [x, integers(graph, 'axes', [rank])]);
  const isIt = graph.add('Cast', [graph.add('Equal', [column, table('vocabulary', known)])], {
    to: 'int64',
  });
  const weighed = graph.add('Mul', [isIt, table('places', places)]);
  const sum = graph.add('ReduceSum', [weighed, integers(graph, 'axes', [rank])], { keepdims: 0 });
  return unknown === 0 ? sum : graph.add('Add', [sum, graph.integers('unknown', [unknown], [])]);
}

function fromPlaces(x: Value, lookup: Lookup, { graph, layer }: Bench): KerasTensor {
  const all = tokens(lookup);
  const bytes = new Uint8Array(BigInt64Array.from(all, BigInt).buffer);
  const table = graph.initializer(`${layer}/vocabulary`, bytesSource('int64', [all.length], bytes));
  return kerasTensor(graph.add('Gather', [table, x], { axis: 0 }));
}
