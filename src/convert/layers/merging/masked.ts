import type { GraphBuilder } from '../../../onnx/graph.ts';
import type { Value } from '../../../tensor.ts';
import type { Masked, MaskedJoin } from '../../merging.ts';

/**
 * The product of what counts: 1 stands for what does not, and 0 where nothing counts, if all have masks.
 *
 * Source: keras/src/layers/merging/multiply.py since 3.4.
 */
export function maskedProduct(all: readonly [Masked, ...Masked[]], graph: GraphBuilder): Value {
  const factors = all.map(({ value, counts }) =>
    counts ? graph.add('Where', [counts, value, graph.floats('one', [1])]) : value,
  );
  const product = factors.reduce((left, right) => graph.add('Mul', [left, right]));
  const masks = all.flatMap(({ counts }) => counts ?? []);
  const any = masks.length === all.length ? masks.reduce((a, b) => either(a, b, graph)) : undefined;
  return any ? graph.add('Where', [any, product, graph.floats('zero', [0])]) : product;
}

/**
 * The largest or smallest of what counts; where one of two does not count, the other.
 *
 * Source: _apply_merge_op_and_or_mask in keras/src/layers/merging/base_merge.py since 3.4.
 */
export function maskedChoice(op: 'Max' | 'Min'): MaskedJoin {
  return ([first, ...others], graph) =>
    others.reduce<Masked>((one, other) => {
      const right = other.counts
        ? graph.add('Where', [other.counts, other.value, one.value])
        : other.value;
      const left = one.counts ? graph.add('Where', [one.counts, one.value, right]) : one.value;
      const counts =
        one.counts && other.counts ? either(one.counts, other.counts, graph) : undefined;
      return { value: graph.add(op, [left, right]), counts };
    }, first).value;
}

function either(a: Value, b: Value, graph: GraphBuilder): Value {
  return a === b ? a : graph.add('Or', [a, b]);
}
