import type { Value } from '../../../tensor.ts';
import type { Arguments } from '../../arguments.ts';
import { type Bench, defineLayer, type Layer } from '../../layer.ts';
import { integers, type KerasTensor, kerasTensor, type Mask } from '../../layout.ts';
import { allOf, causalMask, weightsOfScores } from './scores.ts';

interface Sources {
  readonly query: Value;
  readonly key: Value;
  readonly value: Value;
}

/** The inputs are [query, value], or [query, value, key]; the key is the value where none is given. */
function sourcesOf(inputs: readonly KerasTensor[], { layouts }: Bench): Sources {
  const [query, value, key] = inputs.map((input) => layouts.keras(input).value);
  if (!query || !value) throw new Error('Bug: attention takes a query and a value');
  return { query, value, key: key ?? value };
}

interface Attending {
  readonly inputs: readonly KerasTensor[];
  readonly given: Arguments;
  readonly isCausal: boolean;
}

/** Weighs the values by softmax(scores) under all masks; the query's mask makes rows of the result zero. */
function attended(
  scores: Value,
  { query, value }: Sources,
  { inputs, given, isCausal, bench }: Attending & { readonly bench: Bench },
): readonly KerasTensor[] {
  const { graph } = bench;
  const [queryMask, valueMask] = masksOf(inputs, given);
  const isCausalNow = isCausal || given.at(Number.POSITIVE_INFINITY, 'use_causal_mask') === true;
  const mask = allOf(
    [
      valueMask && graph.add('Unsqueeze', [valueMask(), integers(graph, 'axes', [1])]),
      isCausalNow ? causalMask(query, value, bench) : undefined,
    ],
    bench,
  );
  const weights = weightsOfScores(scores, mask, bench);
  const sum = graph.add('MatMul', [weights, value]);
  const output = queryMask
    ? graph.add('Where', [
        graph.add('Unsqueeze', [queryMask(), integers(graph, 'axes', [2])]),
        sum,
        graph.floats('zero', [0]),
      ])
    : sum;
  const isAskedFor = given.at(Number.POSITIVE_INFINITY, 'return_attention_scores') === true;
  return [
    { ...kerasTensor(output), mask: queryMask },
    ...(isAskedFor ? [kerasTensor(weights)] : []),
  ];
}

function masksOf(inputs: readonly KerasTensor[], given: Arguments): readonly (Mask | undefined)[] {
  const stated = given.at(Number.POSITIVE_INFINITY, 'mask');
  if (!Array.isArray(stated)) return [inputs[0]?.mask, inputs[1]?.mask];
  return stated.map((part) => {
    const mask = given.tensorOf(part);
    return mask && (() => mask.value);
  });
}

/**
 * Attention: softmax(query · keyᵀ · scale) · value, or, by score_mode "concat", of w · Σ tanh(scale · (query + key)).
 *
 * query [N, T, dim], value and key [N, S, dim] → [N, T, dim]; of inputs [N, dim] Keras lets the samples of a batch see
 * each other, and so does the graph. Source: keras/src/layers/attention/attention.py.
 */
export const attention: Layer = defineLayer({
  keras: ['Attention'],
  inputs: 'many',
  mask: 'set by the rule',
  read: (config) => ({
    hasScale: config.boolean('use_scale', false),
    isConcat: config.oneOf('score_mode', ['dot', 'concat'], 'dot') === 'concat',
    isCausal: config.boolean('causal', false),
  }),
  weights: ({ hasScale, isConcat }) => ({
    scale: hasScale ? [] : undefined,
    concat_score_weight: isConcat ? [] : undefined,
  }),
  emit({ config, inputs, given, weights, parameter, ...bench }) {
    const { graph } = bench;
    const sources = sourcesOf(inputs, bench);
    const scale = weights.scale && parameter('scale', weights.scale);
    const scaled = (x: Value): Value => (scale ? graph.add('Mul', [x, scale]) : x);
    const weight = weights.concat_score_weight;
    const scores = weight
      ? graph.add('Mul', [
          sumOfTanh(sources, scaled, bench),
          parameter('concat_score_weight', weight),
        ])
      : scaled(productScores(sources, bench));
    return attended(scores, sources, { inputs, given, isCausal: config.isCausal, bench });
  },
});

function productScores({ query, key }: Sources, { graph }: Bench): Value {
  const last = key.shape.length - 1;
  const perm = key.shape.map((_, axis) => (axis < last - 1 ? axis : 2 * last - 1 - axis));
  return graph.add('MatMul', [query, graph.add('Transpose', [key], { perm })]);
}

/** Σ tanh(change(query + key)) over the features, for every pair of steps: [N, T, S]. */
function sumOfTanh({ query, key }: Sources, change: (x: Value) => Value, { graph }: Bench): Value {
  const tanh = graph.add('Tanh', [change(pairSums({ query, key }, graph))]);
  return graph.add('ReduceSum', [tanh, integers(graph, 'axes', [-1])], { keepdims: 0 });
}

/** query + key for every pair of steps: [N, T, S, dim]. */
function pairSums({ query, key }: Pick<Sources, 'query' | 'key'>, graph: Bench['graph']): Value {
  return graph.add('Add', [
    graph.add('Unsqueeze', [query, integers(graph, 'axes', [-2])]),
    graph.add('Unsqueeze', [key, integers(graph, 'axes', [-3])]),
  ]);
}

/**
 * AdditiveAttention: softmax(Σ scale · tanh(query + key)) · value, with a scale for each feature.
 *
 * Source: keras/src/layers/attention/additive_attention.py.
 */
export const additiveAttention: Layer = defineLayer({
  keras: ['AdditiveAttention'],
  inputs: 'many',
  mask: 'set by the rule',
  read: (config) => ({
    hasScale: config.boolean('use_scale', true),
    isCausal: config.boolean('causal', false),
  }),
  weights: ({ hasScale }, input) => ({ scale: hasScale ? [Number(input.at(-1) ?? 1)] : undefined }),
  emit({ config, inputs, given, weights, parameter, ...bench }) {
    const { graph } = bench;
    const sources = sourcesOf(inputs, bench);
    const tanh = graph.add('Tanh', [pairSums(sources, graph)]);
    const scaled = weights.scale
      ? graph.add('Mul', [tanh, parameter('scale', weights.scale)])
      : tanh;
    const sum = graph.add('ReduceSum', [scaled, integers(graph, 'axes', [-1])], { keepdims: 0 });
    return attended(sum, sources, { inputs, given, isCausal: config.isCausal, bench });
  },
});
