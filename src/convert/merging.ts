import type { KerasOrigin } from '../keras/model.ts';
import type { GraphBuilder } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';
import { defineLayer, type Layer } from './layer.ts';
import {
  inLayoutOf,
  integers,
  isSameLayout,
  type KerasTensor,
  kerasTensor,
  type Layouts,
  type Mask,
  once,
} from './layout.ts';
import { mergesMasksByOr } from './origin.ts';

type Tensors = readonly [KerasTensor, ...KerasTensor[]];

/**
 * The tensors in one common layout.
 *
 * `by` says whether nodes will pair single elements, for which flattened maps may stay in ONNX's order, or work along
 * an axis, for which they may not.
 */
export function aligned(inputs: Tensors, layouts: Layouts, by: 'element' | 'axis'): Tensors {
  const [first, ...others] = map(inputs, (input) => layouts.padded(input));
  const isAlike = others.every(
    (other) =>
      isSameLayout(other.layout, first.layout) && other.shape.length === first.shape.length,
  );
  if (isAlike && (by === 'element' || first.layout.kind !== 'flat')) return [first, ...others];
  const all: Tensors = [first, ...others];
  const isMaps = all.every(({ shape }) => shape.length === first.shape.length && shape.length > 2);
  const canMoveChannels = isMaps && all.some(({ layout }) => layout.kind === 'channelsFirst');
  return map(all, (input) =>
    canMoveChannels ? layouts.channelsFirst(input) : layouts.keras(input),
  );
}

function map<T>(tensors: Tensors, change: (tensor: KerasTensor) => T): readonly [T, ...T[]] {
  const [first, ...others] = tensors;
  return [change(first), ...others.map(change)];
}

/** Tensors of one rank: those of a lower one get axes of size 1 behind the batch, as Keras does it. */
function sameRank(inputs: Tensors, graph: GraphBuilder): Tensors {
  const rank = Math.max(...inputs.map(({ shape }) => shape.length));
  return map(inputs, (input) => {
    const missing = rank - input.shape.length;
    if (missing === 0 || input.layout.kind !== 'keras') return input;
    const axes = integers(
      graph,
      'axes',
      Array.from({ length: missing }, (_, i) => i + 1),
    );
    return kerasTensor(graph.add('Unsqueeze', [input.value, axes]));
  });
}

/** Numbers [N, T, F], and which steps count: bool [N, T, 1]; all where there is no mask. */
export interface Masked {
  readonly value: Value;
  readonly counts: Value | undefined;
}

/** Joins tensors some of which have masks. */
export type MaskedJoin = (all: readonly [Masked, ...Masked[]], graph: GraphBuilder) => Value;

/**
 * A layer that joins tensors element by element, with broadcasting; by `joinMasked` where its version of Keras minds
 * masks. Source: keras/src/layers/merging/base_merge.py.
 */
export function defineMerge(
  keras: readonly [string, ...string[]],
  join: (values: readonly [Value, ...Value[]], graph: GraphBuilder) => Value,
  joinMasked?: MaskedJoin,
): Layer {
  return defineLayer({
    keras,
    inputs: 'many',
    mask: 'set by the rule',
    read: () => undefined,
    weights: () => ({}),
    emit({ inputs, graph, layouts, origin }) {
      const mask = mergedMask(inputs, graph, origin);
      if (joinMasked && mindsMasks(inputs, origin)) {
        const parts = map(inputs, (input) =>
          withCounts({ ...layouts.keras(input), mask: input.mask }, graph),
        );
        return { ...kerasTensor(joinMasked(parts, graph)), mask };
      }
      const tensors = sameRank(aligned(inputs, layouts, 'element'), graph);
      const [first, ...others] = tensors;
      const value = join([first.value, ...others.map((tensor) => tensor.value)], graph);
      return { ...inLayoutOf(first, value), mask };
    },
  });
}

/** Masks of steps go with sequences of vectors only. */
function mindsMasks(inputs: Tensors, origin: KerasOrigin): boolean {
  const isMasked = inputs.some(({ mask }) => mask !== undefined);
  return isMasked && mergesMasksByOr(origin) && inputs.every(({ shape }) => shape.length === 3);
}

function withCounts({ value, mask }: KerasTensor, graph: GraphBuilder): Masked {
  return { value, counts: mask && graph.add('Unsqueeze', [mask(), integers(graph, 'axes', [2])]) };
}

/**
 * The mask of what is joined. Up to tf.keras a step counts where it does in every input that has a mask; in Keras 3
 * where it does in any, and only if all have one. Source: compute_mask in base_merge.py.
 */
function mergedMask(inputs: Tensors, graph: GraphBuilder, origin: KerasOrigin): Mask | undefined {
  const masks = inputs.flatMap(({ mask }) => mask ?? []);
  const [first, ...others] = masks;
  if (!first || (mergesMasksByOr(origin) && masks.length < inputs.length)) return undefined;
  if (others.every((other) => other === first)) return first;
  const op = mergesMasksByOr(origin) ? 'Or' : 'And';
  return once(() => others.reduce((joined, other) => graph.add(op, [joined, other()]), first()));
}

/** Joins any number of values two by two, from the left. */
export function pairwise(op: 'Add' | 'Sub' | 'Mul' | 'Max' | 'Min') {
  return ([first, ...others]: readonly [Value, ...Value[]], graph: GraphBuilder): Value =>
    others.reduce((sum, other) => graph.add(op, [sum, other]), first);
}
