import type { Where } from '../../../errors.ts';
import type { ConfigReader } from '../../../keras/config.ts';
import { reshaped } from '../../../source.ts';
import { type Shape, sizeOf, type TensorSource, type Value } from '../../../tensor.ts';
import type { Arguments } from '../../arguments.ts';
import { type Bench, defineLayer, type Layer, unsupported } from '../../layer.ts';
import { integers, type KerasTensor, kerasTensor } from '../../layout.ts';
import { readIntegers } from '../../read.ts';
import { reshapeTo } from '../../sizes.ts';
import { alongAxes } from './along-axes.ts';
import { allOf, causalMask, weightsOfScores } from './scores.ts';

interface Heads {
  /** Heads of the query. */
  readonly query: number;
  /** Heads of key and value; each serves as many of the query's as fit. */
  readonly shared: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly useBias: boolean;
  readonly useGate: boolean;
  /** Features of the output; the query's where undefined. */
  readonly output: number | undefined;
  /** Axes that attention runs along; all but batch and features where undefined. */
  readonly axes: readonly number[] | undefined;
}

/** Throws KERAS_LAYER_UNSUPPORTED for windows. */
function refuseOthers(config: ConfigReader, where: Where): void {
  if (config.raw('sliding_window') == null) return;
  throw unsupported(
    'Attention in a sliding window cannot be converted',
    where,
    'Build the layer without sliding_window.',
  );
}

/**
 * MultiHeadAttention: softmax(Q · Kᵀ / sqrt(key_dim)) · V for each head, then mixed by one more kernel.
 *
 * Q, K, V are query, key and value times kernels [features, heads, size] plus biases [heads, size]. The masks of query,
 * value and key apply by themselves. Source: keras/src/layers/attention/multi_head_attention.py.
 */
export const multiHeadAttention: Layer = defineLayer({
  keras: ['MultiHeadAttention'],
  inputs: 'many',
  mask: 'passes',
  read(config, _, where): Heads {
    refuseOthers(config, where);
    const heads = config.integer('num_heads');
    const keySize = config.integer('key_dim');
    return {
      query: heads,
      shared: heads,
      keySize,
      valueSize: config.integer('value_dim', keySize),
      useBias: config.boolean('use_bias', true),
      useGate: config.boolean('use_gate', false),
      output: outputSize(config, where),
      axes:
        config.raw('attention_axes') == null ? undefined : readIntegers(config, 'attention_axes'),
    };
  },
  weights: (heads, input, found) => shapesOf(heads, input, found),
  emit: ({ config, given, inputs, weights, parameter, ...bench }) =>
    attend({ heads: config, given, inputs, weights, parameter }, bench),
});

/**
 * GroupedQueryAttention (called GroupQueryAttention): several heads of the query share one of key and value.
 *
 * Source: keras/src/layers/attention/grouped_query_attention.py.
 */
export const groupedQueryAttention: Layer = defineLayer({
  keras: ['GroupQueryAttention'],
  inputs: 'many',
  mask: 'passes',
  read(config, _, where): Heads {
    refuseOthers(config, where);
    const size = config.integer('head_dim');
    return {
      query: config.integer('num_query_heads'),
      shared: config.integer('num_key_value_heads'),
      keySize: size,
      valueSize: size,
      useBias: config.boolean('use_bias', true),
      useGate: config.boolean('use_gate', false),
      output: undefined,
      axes: undefined,
    };
  },
  weights: (heads, input, found) => shapesOf(heads, input, found),
  emit: ({ config, given, inputs, weights, parameter, ...bench }) =>
    attend({ heads: config, given, inputs, weights, parameter }, bench),
});

function outputSize(config: ConfigReader, where: Where): number | undefined {
  const value = config.raw('output_shape');
  // oxlint-disable-next-line typescript/no-unsafe-assignment -- checked item by item below
  const [size, ...more]: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (size == null) return undefined;
  if (typeof size === 'number' && more.length === 0) return size;
  throw unsupported(
    'A MultiHeadAttention whose output has several axes cannot be converted',
    where,
    'Give it an output_shape of one number.',
  );
}

/** Key and value may have other features than the query, which their kernels tell. */
function shapesOf(heads: Heads, input: Shape, found: readonly (readonly number[])[]) {
  const { query, shared, keySize, valueSize, useBias, useGate } = heads;
  const features = Number(input.at(-1) ?? 1);
  const step = useBias ? 2 : 1;
  const keyFeatures = found[step]?.[0] ?? features;
  const valueFeatures = found[step * (useGate ? 3 : 2)]?.[0] ?? features;
  const output = heads.output ?? features;
  const bias = (...shape: readonly number[]): readonly number[] | undefined =>
    useBias ? shape : undefined;
  return {
    query_kernel: [features, query, keySize],
    query_bias: bias(query, keySize),
    key_kernel: [keyFeatures, shared, keySize],
    key_bias: bias(shared, keySize),
    gate_kernel: useGate ? [features, query, valueSize] : undefined,
    gate_bias: useGate ? bias(query, valueSize) : undefined,
    value_kernel: [valueFeatures, shared, valueSize],
    value_bias: bias(shared, valueSize),
    output_kernel: [query, valueSize, output],
    output_bias: bias(output),
  };
}

interface Call {
  readonly heads: Heads;
  readonly given: Arguments;
  readonly inputs: readonly KerasTensor[];
  readonly weights: {
    readonly [Name in keyof ReturnType<typeof shapesOf>]: TensorSource | undefined;
  };
  readonly parameter: (name: string, source: TensorSource) => Value;
}

type Part = 'query' | 'key' | 'gate' | 'value' | 'output';

// oxlint-disable-next-line eslint/complexity -- one straight line of optional steps
function attend(call: Call, bench: Bench): readonly KerasTensor[] {
  const { heads, given, inputs } = call;
  const { graph, layouts } = bench;
  const query = given.tensor(0, 'query') ?? inputs[0];
  const value = given.tensor(1, 'value') ?? inputs[1] ?? query;
  const key = given.tensor(2, 'key');
  if (!query || !value) throw new Error('Bug: attention takes a query and a value');
  const [q, k, v] = [query, key ?? value, value].map((tensor) => layouts.keras(tensor).value);
  if (!q || !k || !v) throw new Error('Bug: three tensors stay three');
  const axes = axesOf(heads, q);
  if (axes) {
    refuseMasks(call, [query, value, key], bench);
    const [size, shared] = [heads.valueSize, heads.query];
    const parts = (['query', 'key', 'value'] as const).map((part, i) =>
      splitHeads([q, k, v][i] ?? q, part, call, bench),
    );
    const mixedAll = alongAxes(parts, { axes, scale: 1 / Math.sqrt(heads.keySize) }, bench);
    const together = reshapeTo(graph, mixedAll, [...q.shape.slice(0, -1), shared * size], [q]);
    return [kerasTensor(projected(together, 'output', call, bench))];
  }
  const repeats = heads.query / heads.shared;
  const queries = perHead(q, 'query', { call, perm: [0, 2, 1, 3], bench });
  const keys = repeated(perHead(k, 'key', { call, perm: [0, 2, 3, 1], bench }), repeats, bench);
  const values = repeated(perHead(v, 'value', { call, perm: [0, 2, 1, 3], bench }), repeats, bench);
  const scale = graph.floats('scale', [1 / Math.sqrt(heads.keySize)]);
  const scores = graph.add('MatMul', [graph.add('Mul', [queries, scale]), keys]);
  const mask = maskOf({ query, value, key, given }, [q, v], bench);
  const weights = weightsOfScores(scores, mask, bench);
  const mixed = graph.add('Transpose', [graph.add('MatMul', [weights, values])], {
    perm: [0, 2, 1, 3],
  });
  const gated = heads.useGate ? graph.add('Mul', [mixed, gateOf(q, call, bench)]) : mixed;
  const [batch = 1, steps = 1] = q.shape;
  const size = heads.query * heads.valueSize;
  const flat = reshapeTo(graph, gated, [batch, steps, size], [q]);
  const output = kerasTensor(projected(flat, 'output', call, bench));
  const isAskedFor = given.at(Number.POSITIVE_INFINITY, 'return_attention_scores') === true;
  return isAskedFor ? [output, kerasTensor(weights)] : [output];
}

/** The axes, where they are not simply the steps of [N, T, features]. */
function axesOf({ axes }: Heads, { shape }: Value): readonly number[] | undefined {
  const rank = shape.length;
  const own = axes ?? Array.from({ length: rank - 2 }, (_, i) => i + 1);
  const all = own.map((axis) => (axis < 0 ? axis + rank : axis));
  return rank === 3 && String(all) === '1' ? undefined : all;
}

/** Throws KERAS_LAYER_UNSUPPORTED for masks and scores along chosen axes. */
function refuseMasks(
  { given, heads }: Call,
  tensors: readonly (KerasTensor | undefined)[],
  { where }: Bench,
): void {
  const names = ['attention_mask', 'query_mask', 'value_mask', 'key_mask', 'use_causal_mask'];
  const wanted = [...names, 'return_attention_scores'].filter((name) => {
    const value = given.at(Number.POSITIVE_INFINITY, name);
    return value !== undefined && value !== false;
  });
  const isMasked = tensors.some((tensor) => tensor?.mask !== undefined);
  if (wanted.length === 0 && !isMasked && !heads.useGate && heads.query === heads.shared) return;
  throw unsupported(
    `Attention along chosen axes cannot be converted with ${wanted.join(', ') || 'masks, gates or shared heads'}`,
    where,
    'Build the layer on [batch, steps, features], with the other axes in the batch.',
  );
}

/** x · kernel + bias on the last axis, the kernel's heads taken as one axis. */
function projected(x: Value, part: Part, { weights, parameter }: Call, { graph }: Bench): Value {
  const kernel = weights[`${part}_kernel`];
  const bias = weights[`${part}_bias`];
  if (!kernel) throw new Error(`Bug: no kernel for the ${part}`);
  const [first = 1, second = 1, third = 1] = kernel.shape;
  const shape = part === 'output' ? [first * second, third] : [first, second * third];
  const product = graph.add('MatMul', [x, parameter(`${part}/kernel`, reshaped(kernel, shape))]);
  if (!bias) return product;
  const flat = parameter(`${part}/bias`, reshaped(bias, [sizeOf(bias.shape)]));
  return graph.add('Add', [product, flat]);
}

/** [N, T, features] as [N, T, heads, size] with its axes in the order `perm`. */
function perHead(
  x: Value,
  part: 'query' | 'key' | 'value',
  {
    call,
    perm,
    bench,
  }: { readonly call: Call; readonly perm: readonly number[]; readonly bench: Bench },
): Value {
  return bench.graph.add('Transpose', [splitHeads(x, part, call, bench)], { perm });
}

function splitHeads(x: Value, part: Exclude<Part, 'output'>, call: Call, bench: Bench): Value {
  const [, heads = 1, size = 1] = call.weights[`${part}_kernel`]?.shape ?? [];
  const y = projected(x, part, call, bench);
  return reshapeTo(bench.graph, y, [...y.shape.slice(0, -1), heads, size], [x]);
}

function gateOf(x: Value, call: Call, bench: Bench): Value {
  return bench.graph.add('Sigmoid', [splitHeads(x, 'gate', call, bench)]);
}

/** Each head as often as it is shared. */
function repeated(x: Value, times: number, { graph }: Bench): Value {
  if (times === 1) return x;
  const heads = Number(x.shape[1] ?? 1);
  const order = Array.from({ length: heads * times }, (_, i) => Math.floor(i / times));
  return graph.add('Gather', [x, integers(graph, 'heads', order)], { axis: 1 });
}

/** All that restricts which steps see which, broadcasting against [N, heads, T, S]. */
function maskOf(
  {
    query,
    value,
    key,
    given,
  }: {
    readonly query: KerasTensor;
    readonly value: KerasTensor;
    readonly key: KerasTensor | undefined;
    readonly given: Arguments;
  },
  [q, v]: readonly [Value, Value],
  bench: Bench,
): Value | undefined {
  const { graph, layouts } = bench;
  const own = (name: string, tensor: KerasTensor | undefined): Value | undefined => {
    const stated = given.tensor(Number.POSITIVE_INFINITY, name);
    return stated ? layouts.keras(stated).value : tensor?.mask?.();
  };
  const along = (mask: Value | undefined, axes: readonly number[]): Value | undefined =>
    mask && graph.add('Unsqueeze', [mask, integers(graph, 'axes', axes)]);
  const attention = given.tensor(Number.POSITIVE_INFINITY, 'attention_mask');
  const isCausal = given.at(Number.POSITIVE_INFINITY, 'use_causal_mask') === true;
  return allOf(
    [
      attention && attentionMask(layouts.keras(attention).value, bench),
      along(own('query_mask', query), [1, 3]),
      along(own('value_mask', value), [1, 2]),
      along(own('key_mask', key), [1, 2]),
      isCausal ? causalMask(q, v, bench) : undefined,
    ],
    bench,
  );
}

/** [N, T, S] or [N, heads, T, S], numbers or truth. */
function attentionMask(mask: Value, { graph }: Bench): Value {
  const truth = mask.dtype === 'bool' ? mask : graph.add('Cast', [mask], { to: 'bool' });
  return truth.shape.length === 3
    ? graph.add('Unsqueeze', [truth, integers(graph, 'axes', [1])])
    : truth;
}
