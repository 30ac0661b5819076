import { ConfigReader } from '../../../keras/config.ts';
import type { KerasLayer } from '../../../keras/model.ts';
import type { TensorSource, Value } from '../../../tensor.ts';
import { type Apply, type Bench, defineLayer, type Layer } from '../../layer.ts';
import {
  axisIn,
  directionsTensor,
  integers,
  type KerasTensor,
  kerasTensor,
  timeFirstTensor,
} from '../../layout.ts';
import { zeroesMaskedSteps } from '../../origin.ts';
import { reshapeTo } from '../../sizes.ts';
import {
  type CellConfig,
  type CellWeights,
  cellShapes,
  type RecurrentKind,
  type RunConfig,
  readCell,
  readRun,
  recurrentKinds,
  stateCounts,
} from './config.ts';
import { heeding } from './heeded.ts';
import { restored, skipping } from './masked.ts';
import { isOperator, operatorNode, stackedStates } from './operator.ts';

const mergeModes = ['concat', 'sum', 'mul', 'ave'] as const;
/** `undefined`: the two directions are two outputs. */
type MergeMode = (typeof mergeModes)[number] | undefined;

/**
 * Bidirectional: one bidirectional LSTM, GRU or RNN node where both directions are alike, else two runs.
 *
 * Source: keras/src/layers/rnn/bidirectional.py.
 */
export const bidirectional: Layer = defineLayer({
  keras: ['Bidirectional'],
  inputs: 'many',
  mask: 'set by the rule',
  wraps: 'layers',
  read: (config): MergeMode =>
    config.raw('merge_mode') === null
      ? undefined
      : config.oneOf('merge_mode', mergeModes, 'concat'),
  weights: (_, __, found) => Object.fromEntries(found.map((shape, i) => [`${i}`, shape])),
  emit({ config: mode, input, inputs, given, wrapped, parameter, apply, ...bench }) {
    const [forward, backward] = wrapped;
    if (!forward || !backward) throw new Error('Bug: Bidirectional wraps two layers');
    const named = given.tensors(Number.POSITIVE_INFINITY, 'initial_state');
    const initial = named.length > 0 ? named : inputs.slice(1);
    return heeding({ input, initial, given }, bench, (heeded) => {
      const both = { mode, input: heeded, initial, parameter, forward, backward };
      const alike = alikeIn(both, bench);
      return alike ? inOneNode(both, alike, bench) : inTwoRuns(both, apply, bench);
    });
  },
});

interface Both {
  readonly mode: MergeMode;
  readonly input: KerasTensor;
  readonly initial: readonly KerasTensor[];
  readonly parameter: (name: string, source: TensorSource) => Value;
  readonly forward: KerasLayer;
  readonly backward: KerasLayer;
}

interface Alike {
  readonly cell: CellConfig;
  readonly run: RunConfig;
  readonly weights: readonly [CellWeights, CellWeights];
}

/** What both directions have in common, if one node can compute them. */
function alikeIn({ input, forward, backward }: Both, bench: Bench): Alike | undefined {
  const kind = recurrentKinds.find((known) => known === forward.className);
  if (!kind || backward.className !== kind) return undefined;
  const [first, second] = [forward, backward].map((layer) => {
    const config = new ConfigReader(layer.config, bench.where);
    return { cell: readCell(config, kind, bench.where), run: readRun(config, bench.where) };
  });
  if (!first || !second) return undefined;
  const turned = { ...second.run, goBackwards: !second.run.goBackwards };
  const isAlike = JSON.stringify([first.cell, first.run]) === JSON.stringify([second.cell, turned]);
  if (!isAlike || first.run.goBackwards || !isOperator(first.cell, bench)) return undefined;
  const weights = [forward, backward].map((layer) => weightsIn(layer, first.cell, { kind, input }));
  const [own, other] = weights;
  return own && other ? { ...first, weights: [own, other] } : undefined;
}

/** The weights of a wrapped layer, if they have the shapes that they must have. */
function weightsIn(
  layer: KerasLayer,
  cell: CellConfig,
  { input }: { readonly kind: RecurrentKind; readonly input: KerasTensor },
): CellWeights | undefined {
  const expected = Object.values(cellShapes(cell, input.shape)).filter(
    (shape) => shape !== undefined,
  );
  const sources = layer.weights.map(({ source }) => source);
  const [kernel, recurrent, bias] = sources;
  const fits = String(sources.map(({ shape }) => shape)) === String(expected);
  return fits && kernel && recurrent ? { kernel, recurrent_kernel: recurrent, bias } : undefined;
}

function inOneNode(both: Both, alike: Alike, bench: Bench): readonly KerasTensor[] {
  const { cell, run } = alike;
  const { graph, layouts } = bench;
  const mask = both.input.mask;
  const x = layouts.timeFirst(both.input).value;
  const skip = mask && skipping(mask(), x, bench);
  const [y, ...states] = operatorNode(
    {
      cell,
      direction: 'bidirectional',
      weights: alike.weights,
      x: skip?.x ?? x,
      lengths: skip?.lengths,
      initial: initialStates(both.initial, cell, bench),
      parameter: both.parameter,
    },
    bench,
  );
  const last = states[0] ?? y;
  const isZeroAtMasked = run.zeroOutputForMask || zeroesMaskedSteps(bench.origin);
  const directions = [false, true].map((isReverse) => ({ isReverse, isZeroAtMasked }));
  const outputs = run.returnSequences
    ? mergedSequences(skip ? restored(y, skip, { directions, graph }) : y, both.mode, bench)
    : mergedLast(last, both.mode, bench);
  const masked = outputs.map((tensor) => (run.returnSequences ? { ...tensor, mask } : tensor));
  if (!run.returnState) return masked;
  const parts = states.map((state) => directionsOf(state, 0, bench).map(kerasTensor));
  return [...masked, ...[0, 1].flatMap((at) => parts.flatMap((part) => part[at] ?? []))];
}

/** [2, N, units] for each state, from those of the forward layer followed by those of the backward one. */
function initialStates(
  initial: readonly KerasTensor[],
  { kind }: CellConfig,
  bench: Bench,
): readonly Value[] {
  if (initial.length === 0) return [];
  const count = stateCounts[kind];
  return Array.from({ length: count }, (_, i) => {
    const states = [initial[i], initial[i + count]].flatMap((state) =>
      state ? [bench.layouts.keras(state).value] : [],
    );
    return stackedStates(states, bench);
  });
}

/** Y [T, 2, N, units] as what Keras calls [N, T, ...]. */
function mergedSequences(y: Value, mode: MergeMode, bench: Bench): readonly KerasTensor[] {
  switch (mode) {
    case 'concat':
      return [directionsTensor(y)];
    case undefined:
      return directionsOf(y, 1, bench).map(timeFirstTensor);
    default:
      return [timeFirstTensor(reduced(y, mode, { axis: 1, bench }))];
  }
}

/** The last states [2, N, units] as [N, ...]. */
function mergedLast(last: Value, mode: MergeMode, bench: Bench): readonly KerasTensor[] {
  const { graph } = bench;
  const [, batch = 1, units = 1] = last.shape;
  switch (mode) {
    case 'concat': {
      const moved = graph.add('Transpose', [last], { perm: [1, 0, 2] });
      return [kerasTensor(reshapeTo(graph, moved, [batch, 2 * Number(units)]))];
    }
    case undefined:
      return directionsOf(last, 0, bench).map(kerasTensor);
    default:
      return [kerasTensor(reduced(last, mode, { axis: 0, bench }))];
  }
}

function reduced(
  x: Value,
  mode: 'sum' | 'mul' | 'ave',
  { axis, bench: { graph } }: { readonly axis: number; readonly bench: Bench },
): Value {
  if (mode === 'sum') {
    return graph.add('ReduceSum', [x, integers(graph, 'axes', [axis])], { keepdims: 0 });
  }
  const op = mode === 'mul' ? 'ReduceProd' : 'ReduceMean';
  return graph.add(op, [x], { axes: [axis], keepdims: 0 });
}

/** The two directions by themselves, without their axis. */
function directionsOf(x: Value, axis: number, { graph }: Bench): readonly Value[] {
  return [0, 1].map((at) =>
    graph.add('Gather', [x, graph.integers('direction', [at], [])], { axis }),
  );
}

function inTwoRuns(both: Both, apply: Apply, bench: Bench): readonly KerasTensor[] {
  const { input, initial, mode, forward, backward } = both;
  const half = initial.length / 2;
  const isSequence = forward.config['return_sequences'] === true;
  const isZero = input.mask !== undefined && isSequence && zeroesMaskedSteps(bench.origin);
  const ready = (layer: KerasLayer): KerasLayer =>
    isZero ? { ...layer, config: { ...layer.config, zero_output_for_mask: true } } : layer;
  const [y, ...states] = apply(ready(forward), [input, ...initial.slice(0, half)]);
  const [back, ...backStates] = apply(ready(backward), [input, ...initial.slice(half)]);
  const turned = isSequence ? turnedInTime(back, bench) : back;
  const outputs = mode === undefined ? [y, turned] : [merged([y, turned], mode, bench)];
  const mask = isSequence ? input.mask : undefined;
  return [...outputs.map((output) => ({ ...output, mask })), ...states, ...backStates];
}

function turnedInTime(tensor: KerasTensor, { graph, layouts }: Bench): KerasTensor {
  const x = layouts.padded(tensor);
  const value = graph.add('Slice', [
    x.value,
    integers(graph, 'starts', [-1]),
    integers(graph, 'ends', [-(2 ** 31)]),
    integers(graph, 'axes', [axisIn(x, 1)]),
    integers(graph, 'steps', [-1]),
  ]);
  return { ...x, value };
}

function merged(
  [first, second]: readonly [KerasTensor, KerasTensor],
  mode: 'concat' | 'sum' | 'mul' | 'ave',
  { graph, layouts }: Bench,
): KerasTensor {
  const isTimed = first.layout.kind === 'timeFirst' && second.layout.kind === 'timeFirst';
  const [a, b] = isTimed ? [first, second] : [layouts.keras(first), layouts.keras(second)];
  const values = [a.value, b.value] as const;
  const wrap = isTimed ? timeFirstTensor : kerasTensor;
  switch (mode) {
    case 'concat':
      return wrap(graph.add('Concat', values, { axis: a.value.shape.length - 1 }));
    case 'sum':
      return wrap(graph.add('Add', values));
    case 'mul':
      return wrap(graph.add('Mul', values));
    case 'ave':
      return wrap(graph.add('Mul', [graph.add('Add', values), graph.floats('half', [0.5])]));
  }
}
