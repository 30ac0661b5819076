import { bytesSource } from '../../../source.ts';
import type { Value } from '../../../tensor.ts';
import type { Bench } from '../../layer.ts';
import { integers } from '../../layout.ts';
import { sizeAlong } from '../../sizes.ts';

/** Softmax over the last axis, with scores that a mask (bool, true counts) leaves out put out of reach. */
export function weightsOfScores(
  scores: Value,
  mask: Value | undefined,
  { graph }: Pick<Bench, 'graph'>,
): Value {
  const axis = scores.shape.length - 1;
  if (!mask) return graph.add('Softmax', [scores], { axis });
  const reachable = graph.add('Where', [mask, scores, graph.floats('out_of_reach', [-1e9])]);
  return graph.add('Softmax', [reachable], { axis });
}

/** Every mask that there is, joined by And. */
export function allOf(
  masks: readonly (Value | undefined)[],
  { graph }: Pick<Bench, 'graph'>,
): Value | undefined {
  const [first, ...others] = masks.filter((mask) => mask !== undefined);
  return first && others.reduce((all, mask) => graph.add('And', [all, mask]), first);
}

/** bool [T, S]: whether step t may look at step s, which is where s ≤ t. `query` is [N, T, …], `value` [N, S, …]. */
export function causalMask(query: Value, value: Value, { graph }: Pick<Bench, 'graph'>): Value {
  const [steps, others] = [query.shape[1], value.shape[1]];
  if (typeof steps === 'number' && typeof others === 'number') {
    const name = `causal_${steps}_${others}`;
    return graph.shared(name, () => {
      const bytes = Uint8Array.from({ length: steps * others }, (_, i) =>
        i % others <= Math.floor(i / others) ? 1 : 0,
      );
      return bytesSource('bool', [steps, others], bytes);
    });
  }
  const rows = graph.add('Unsqueeze', [indices(query, { graph }), integers(graph, 'axes', [1])]);
  return graph.add('GreaterOrEqual', [rows, indices(value, { graph })]);
}

/** 0, 1, 2 … along the second axis. */
function indices(x: Value, { graph }: Pick<Bench, 'graph'>): Value {
  const size = graph.add('Squeeze', [sizeAlong(graph, x, 1), integers(graph, 'axes', [0])]);
  const scalar = (number: number): Value => graph.integers(`scalar_${number}`, [number], []);
  const all = graph.add('Range', [scalar(0), size, scalar(1)]);
  return graph.rename(all, all.name, [x.shape[1] ?? 1]);
}
