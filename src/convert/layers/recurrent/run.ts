import type { TensorSource, Value } from '../../../tensor.ts';
import type { Bench } from '../../layer.ts';
import {
  directionsTensor,
  integers,
  type KerasTensor,
  kerasTensor,
  timeFirstTensor,
} from '../../layout.ts';
import { sizesOf } from '../../sizes.ts';
import { type CellConfig, type CellWeights, type RunConfig, stateCounts } from './config.ts';
import { restored, type Skipping, skipping } from './masked.ts';
import { isOperator, operatorNode, stackedStates } from './operator.ts';
import { reversed, scannedRun } from './scanned.ts';
import { stepOf } from './steps.ts';

/** A recurrent layer that runs over a tensor in one direction. */
export interface Run {
  readonly cell: CellConfig;
  readonly config: RunConfig;
  readonly weights: CellWeights;
  readonly input: KerasTensor;
  /** [N, units] each, h first; none means zeros. */
  readonly initial: readonly KerasTensor[];
  readonly parameter: (name: string, source: TensorSource) => Value;
}

/** The output, and the last states [N, units]. */
interface RunResult {
  readonly output: KerasTensor;
  readonly states: readonly KerasTensor[];
}

/** Runs a cell over a sequence: one operator of ONNX where it knows the activations, else a Scan over the steps. */
export function run(options: Run, bench: Bench): readonly KerasTensor[] {
  const { output, states } = isOperator(options.cell, bench)
    ? byOperator(options, bench)
    : byScan(options, bench);
  const mask = options.config.returnSequences ? options.input.mask : undefined;
  return [{ ...output, mask }, ...(options.config.returnState ? states : [])];
}

function byOperator(options: Run, bench: Bench): RunResult {
  const { cell, config, input, parameter } = options;
  const { graph, layouts } = bench;
  const x = layouts.timeFirst(input).value;
  const skip = input.mask && skipping(input.mask(), x, bench);
  const initial = options.initial.map((state) =>
    stackedStates([layouts.keras(state).value], bench),
  );
  const [y, ...states] = operatorNode(
    {
      cell,
      direction: config.goBackwards ? 'reverse' : 'forward',
      weights: [options.weights],
      x: skip?.x ?? x,
      lengths: skip?.lengths,
      initial,
      parameter,
    },
    bench,
  );
  const isLastEnough = !config.returnSequences && !(skip && config.zeroOutputForMask);
  const needed = config.returnState ? states : states.slice(0, isLastEnough ? 1 : 0);
  const flat = needed.map((state) =>
    kerasTensor(graph.add('Squeeze', [state, integers(graph, 'axes', [0])])),
  );
  const [last] = flat;
  if (isLastEnough && last) return { output: last, states: flat };
  return { output: sequenceOf(y, config, { skip, bench }), states: flat };
}

/** Every step's output, or the last one's, in the order in which the layer went over the steps. */
function sequenceOf(
  y: Value,
  config: RunConfig,
  { skip, bench }: { readonly skip: Skipping | undefined; readonly bench: Bench },
): KerasTensor {
  const { graph } = bench;
  const direction = {
    isReverse: config.goBackwards,
    isZeroAtMasked: config.zeroOutputForMask,
  };
  const whole = skip ? restored(y, skip, { directions: [direction], graph }) : y;
  if (config.returnSequences) {
    return directionsTensor(config.goBackwards ? reversed(whole, bench) : whole);
  }
  const steps = graph.add('Squeeze', [whole, integers(graph, 'axes', [1])]);
  const at = graph.integers('step', [config.goBackwards ? 0 : -1], []);
  return kerasTensor(graph.add('Gather', [steps, at], { axis: 0 }));
}

function byScan(options: Run, bench: Bench): RunResult {
  const { cell, config, weights, input, parameter } = options;
  const { graph, layouts } = bench;
  const forward = layouts.timeFirst(input).value;
  const mask = input.mask && graph.add('Transpose', [input.mask()], { perm: [1, 0] });
  const turn = (value: Value): Value => (config.goBackwards ? reversed(value, bench) : value);
  const given = options.initial.map((state) => layouts.keras(state).value);
  const { sequence, last, states } = scannedRun(
    {
      step: stepOf({ config: cell, weights, parameter }, bench),
      x: turn(forward),
      mask: mask && turn(mask),
      initial: given.length > 0 ? atLeastOne(given) : zeroStates(forward, cell, bench),
      isZeroAtMasked: config.zeroOutputForMask,
    },
    bench,
  );
  const output = config.returnSequences ? timeFirstTensor(sequence) : kerasTensor(last);
  return { output, states: states.map(kerasTensor) };
}

function atLeastOne(values: readonly Value[]): readonly [Value, ...Value[]] {
  const [first, ...others] = values;
  if (!first) throw new Error('Bug: a state was given');
  return [first, ...others];
}

/** Zeros [N, units] for each state of the cell. */
function zeroStates(
  x: Value,
  { kind, units }: CellConfig,
  { graph }: Bench,
): readonly [Value, ...Value[]] {
  const shape = [x.shape[1] ?? 1, units];
  const sizes = sizesOf(graph, shape, [x]);
  const zeros = graph.add('ConstantOfShape', [sizes]);
  const state = graph.rename(zeros, zeros.name, shape);
  return atLeastOne(Array.from({ length: stateCounts[kind] }, () => state));
}
