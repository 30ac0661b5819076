import type { Value } from '../../../tensor.ts';
import type { Bench } from '../../layer.ts';
import { integers } from '../../layout.ts';
import type { Step } from './steps.ts';

/** The largest distance back that a Slice can be told, whatever the size. */
const beforeFirst = -(2 ** 31);

/** A value with its first axis the other way round. */
export function reversed(value: Value, { graph }: Pick<Bench, 'graph'>): Value {
  return graph.add('Slice', [
    value,
    integers(graph, 'starts', [-1]),
    integers(graph, 'ends', [beforeFirst]),
    integers(graph, 'axes', [0]),
    integers(graph, 'steps', [-1]),
  ]);
}

/** A run of a step over time. */
export interface ScannedRun {
  readonly step: Step;
  /** [T, N, ...]. */
  readonly x: Value;
  /** bool [T, N]: which steps count. */
  readonly mask: Value | undefined;
  /** The first states, h first, [N, ...]. */
  readonly initial: readonly [Value, ...Value[]];
  readonly isZeroAtMasked: boolean;
}

/**
 * One Scan: every step's output [T, N, ...] in the order of the steps, and the last states.
 *
 * At a step that is left out the states stay, and the output is that of the step before, zero before the first.
 */
export function scannedRun(
  { step, x, mask, initial, isZeroAtMasked }: ScannedRun,
  { graph }: Bench,
): { readonly sequence: Value; readonly last: Value; readonly states: readonly Value[] } {
  if (!mask) {
    const { state, collected } = graph.scan(initial, [x], (body, states, [now = x]) => {
      const next = step(body, now, states);
      return { state: next, collected: [next[0]] };
    });
    const [last = x] = state;
    return { sequence: collected[0] ?? last, last, states: state };
  }
  const zero = graph.add('Mul', [initial[0], graph.floats('zero', [0])]);
  const { state, collected } = graph.scan(
    [zero, ...initial],
    [x, mask],
    (body, [before = zero, ...states], [now = x, counts = mask]) => {
      const rank = states[0]?.shape.length ?? 2;
      const axes = integers(
        graph,
        'axes',
        Array.from({ length: rank - 1 }, (_, i) => i + 1),
      );
      const isOn = body.add('Unsqueeze', [counts, axes]);
      const next = step(body, now, states);
      const kept = next.map((value, i) => body.add('Where', [isOn, value, states[i] ?? value]));
      const instead = isZeroAtMasked ? graph.floats('zero', [0]) : before;
      const output = body.add('Where', [isOn, next[0], instead]);
      return { state: [output, ...kept], collected: [output] };
    },
  );
  const [last = x, ...states] = state;
  return { sequence: collected[0] ?? last, last, states };
}
