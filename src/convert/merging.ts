import type { GraphBuilder } from '../onnx/graph.ts';
import type { Value } from '../tensor.ts';
import { defineLayer, type Layer } from './layer.ts';
import { integers, isSameLayout, type KerasTensor, kerasTensor, type Layouts } from './layout.ts';

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

function map(tensors: Tensors, change: (tensor: KerasTensor) => KerasTensor): Tensors {
  const [first, ...others] = tensors;
  return [change(first), ...others.map(change)];
}

/** Tensors of one rank: those of a lower one get axes of size 1 behind the batch, as Keras does it. */
function sameRank(inputs: Tensors, graph: GraphBuilder): Tensors {
  const rank = Math.max(...inputs.map(({ shape }) => shape.length));
  return map(inputs, (input) => {
    const missing = rank - input.shape.length;
    if (missing === 0) return input;
    const axes = integers(
      graph,
      'axes',
      Array.from({ length: missing }, (_, i) => i + 1),
    );
    return kerasTensor(graph.add('Unsqueeze', [input.value, axes]));
  });
}

/** A layer that joins tensors element by element, with broadcasting. Source: keras/src/layers/merging/base_merge.py. */
export function defineMerge(
  keras: readonly [string, ...string[]],
  join: (values: readonly [Value, ...Value[]], graph: GraphBuilder) => Value,
): Layer {
  return defineLayer({
    keras,
    inputs: 'many',
    read: () => undefined,
    weights: () => ({}),
    emit({ inputs, graph, layouts }) {
      const tensors = sameRank(aligned(inputs, layouts, 'element'), graph);
      const [first, ...others] = tensors;
      const value = join([first.value, ...others.map((tensor) => tensor.value)], graph);
      const [batch = 1, ...dims] = value.shape;
      const [channels = 1, ...spatial] = dims;
      const shape =
        first.layout.kind === 'channelsFirst' ? [batch, ...spatial, channels] : value.shape;
      return { value, shape, layout: first.layout };
    },
  });
}

/** Joins any number of values two by two, from the left. */
export function pairwise(op: 'Add' | 'Sub' | 'Mul' | 'Max' | 'Min') {
  return ([first, ...others]: readonly [Value, ...Value[]], graph: GraphBuilder): Value =>
    others.reduce((sum, other) => graph.add(op, [sum, other]), first);
}
