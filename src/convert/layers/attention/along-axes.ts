import type { Value } from '../../../tensor.ts';
import type { Bench } from '../../layer.ts';
import { productOf, reshapeTo } from '../../sizes.ts';

/**
 * softmax(q · kᵀ · scale) · v along some axes, those that are left taken as a batch.
 *
 * q, k and v are [...axes, heads, size], and so is the result. Source: _build_attention_equation in
 * keras/src/layers/attention/multi_head_attention.py.
 */
export function alongAxes(
  parts: readonly Value[],
  { axes, scale }: { readonly axes: readonly number[]; readonly scale: number },
  { graph }: Bench,
): Value {
  const [q, k, v] = parts;
  if (!q || !k || !v) throw new Error('Bug: three tensors stay three');
  const rank = q.shape.length;
  const heads = rank - 2;
  const kept = Array.from({ length: heads }, (_, axis) => axis).filter(
    (axis) => !axes.includes(axis),
  );
  // [...kept, heads, ...axes, size] → [...kept, heads, all, size].
  const order = [...kept, heads, ...axes, rank - 1];
  const rows = (x: Value): Value => {
    const moved = graph.add('Transpose', [x], { perm: order });
    const lead = [...kept, heads].map((axis) => x.shape[axis] ?? 1);
    const steps = productOf(axes.map((axis) => x.shape[axis] ?? 1));
    return axes.length === 1
      ? moved
      : reshapeTo(graph, moved, [...lead, steps, x.shape[rank - 1] ?? 1], [x]);
  };
  const keys = rows(k);
  const last = keys.shape.length - 1;
  const turned = graph.add('Transpose', [keys], {
    perm: keys.shape.map((_, axis) => (axis === last ? last - 1 : axis === last - 1 ? last : axis)),
  });
  const scaled = graph.add('Mul', [rows(q), graph.floats('scale', [scale])]);
  const weights = graph.add('Softmax', [graph.add('MatMul', [scaled, turned])], { axis: last });
  const mixed = graph.add('MatMul', [weights, rows(v)]);
  const size = v.shape[rank - 1] ?? 1;
  const lead = [...kept, heads, ...axes].map((axis) => q.shape[axis] ?? 1);
  const apart = axes.length === 1 ? mixed : reshapeTo(graph, mixed, [...lead, size], [q]);
  const back = q.shape.map((_, axis) => order.indexOf(axis));
  return graph.add('Transpose', [apart], { perm: back });
}
