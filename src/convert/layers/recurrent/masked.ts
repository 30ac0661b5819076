import type { Value } from '../../../tensor.ts';
import type { Bench } from '../../layer.ts';
import { integers } from '../../layout.ts';
import { sizeAlong } from '../../sizes.ts';

/**
 * How steps that a mask leaves out are skipped exactly, wherever they lie: the steps that count are moved to the front,
 * the operator runs over so many, and every step's output is fetched from where it was computed.
 */
export interface Skipping {
  /** [T, N, in] with the steps that count first. */
  readonly x: Value;
  /** int32 [N]: how many count. */
  readonly lengths: Value;
  /** int64 [T, N]: 1 where a step counts. */
  readonly counts: Value;
  /** int64 [T, N]: how many have counted up to a step, itself included. */
  readonly upTo: Value;
}

/** `mask` is bool [N, T], `x` [T, N, in]. */
export function skipping(mask: Value, x: Value, { graph }: Bench): Skipping {
  const moved = graph.add('Transpose', [mask], { perm: [1, 0] });
  const counts = graph.add('Cast', [moved], { to: 'int64' });
  const upTo = graph.add('CumSum', [counts, graph.integers('axis', [0], [])], {});
  const total = graph.add('ReduceSum', [counts, integers(graph, 'axes', [0])], { keepdims: 0 });
  const lengths = graph.add('Cast', [total], { to: 'int32' });
  // Equal numbers keep their order: TopK puts the one with the lower index first.
  const [, order = counts] = graph.addAll('TopK', [counts, sizeAlong(graph, x, 0)], {
    axis: 0,
    largest: 1,
    sorted: 1,
  });
  const places = graph.add('Unsqueeze', [order, integers(graph, 'axes', [2])]);
  return { x: taken(x, places, { graph }), lengths, counts, upTo };
}

/** Rows of `x` along the first axis, by an index for each place, which is the same along the last axis. */
function taken(x: Value, places: Value, { graph }: Pick<Bench, 'graph'>): Value {
  const everywhere = graph.add('Expand', [places, graph.add('Shape', [x])]);
  const indices = graph.rename(everywhere, everywhere.name, x.shape);
  return graph.add('GatherElements', [x, indices], { axis: 0 });
}

/** Which way a direction goes, and what it puts out at a masked step. */
export interface SkippedDirection {
  readonly isReverse: boolean;
  readonly isZeroAtMasked: boolean;
}

/**
 * Outputs for every step from those of the steps that count.
 *
 * `y` is [T, directions, N, units]. Forward, a step that is left out repeats the output of the last one that counted;
 * in reverse that of the next one; zeros where there is none.
 */
export function restored(
  y: Value,
  skip: Skipping,
  {
    directions,
    graph,
  }: Pick<Bench, 'graph'> & { readonly directions: readonly SkippedDirection[] },
): Value {
  const [place, ...places] = directions.map((direction) => placeOf(direction, skip, graph));
  if (!place) throw new Error('Bug: a recurrent layer has a direction');
  const join = (of: 'index' | 'isThere'): Value => {
    const all = places.map((other) => other[of]);
    return all.length === 0 ? place[of] : graph.add('Concat', [place[of], ...all], { axis: 1 });
  };
  const indices = join('index');
  const fetched = taken(y, indices, { graph });
  return graph.add('Where', [join('isThere'), fetched, graph.floats('zero', [0])]);
}

/** Index and existence of a step's output, [T, 1, N, 1]. */
function placeOf(
  { isReverse, isZeroAtMasked }: SkippedDirection,
  { counts, upTo, lengths }: Skipping,
  graph: Bench['graph'],
): { readonly index: Value; readonly isThere: Value } {
  const zero = graph.integers('zero_index', [0], []);
  const at = isReverse
    ? graph.add('Sub', [upTo, counts])
    : graph.add('Sub', [upTo, graph.integers('one_index', [1], [])]);
  const isComputed = isReverse
    ? graph.add('Less', [at, graph.add('Cast', [lengths], { to: 'int64' })])
    : graph.add('GreaterOrEqual', [at, zero]);
  const isThere = isZeroAtMasked ? graph.add('Cast', [counts], { to: 'bool' }) : isComputed;
  const clipped = isReverse
    ? graph.add('Min', [at, lastStep(counts, graph)])
    : graph.add('Max', [at, zero]);
  const axes = integers(graph, 'axes', [1, 3]);
  return {
    index: graph.add('Unsqueeze', [clipped, axes]),
    isThere: graph.add('Unsqueeze', [isThere, axes]),
  };
}

function lastStep(counts: Value, graph: Bench['graph']): Value {
  const steps = counts.shape[0];
  if (typeof steps === 'number') return graph.integers('last_index', [steps - 1], []);
  return graph.add('Sub', [sizeAlong(graph, counts, 0), graph.integers('one_index', [1], [])]);
}
