import type { Generation } from '../../../keras/model.ts';
import type { RecurrentAttributes } from '../../../onnx/ops.ts';
import type { TensorSource, Value } from '../../../tensor.ts';
import type { ActivationName, ActivationSpec } from '../../activations.ts';
import type { Bench } from '../../layer.ts';
import { integers } from '../../layout.ts';
import { hardSigmoidSlope } from '../../origin.ts';
import type { CellConfig, CellWeights } from './config.ts';
import { operatorBias, operatorKernel } from './operator-weights.ts';

interface OperatorActivation {
  readonly name: string;
  readonly alpha?: number;
  readonly beta?: number;
}

/** Activations that ONNX's recurrent operators know; `undefined` for others. */
function operatorActivation(
  activation: ActivationSpec,
  generation: Generation,
): OperatorActivation | undefined {
  const known: Partial<Record<ActivationName, OperatorActivation>> = {
    tanh: { name: 'Tanh' },
    sigmoid: { name: 'Sigmoid' },
    relu: { name: 'Relu' },
    softsign: { name: 'Softsign' },
    softplus: { name: 'Softplus' },
    linear: { name: 'Affine', alpha: 1, beta: 0 },
    hard_sigmoid: { name: 'HardSigmoid', alpha: hardSigmoidSlope(generation), beta: 0.5 },
    elu: { name: 'Elu', alpha: 1 },
    leaky_relu: { name: 'LeakyRelu', alpha: 0.2 },
  };
  return typeof activation === 'string' ? known[activation] : undefined;
}

function activationsOf(
  { kind, activation, recurrentActivation }: CellConfig,
  generation: Generation,
): readonly OperatorActivation[] | undefined {
  const names = {
    SimpleRNN: [activation],
    GRU: [recurrentActivation, activation],
    LSTM: [recurrentActivation, activation, activation],
  }[kind];
  const known = names.map((name) => operatorActivation(name, generation));
  return known.every((each) => each !== undefined) ? known : undefined;
}

/** Whether one RNN, GRU or LSTM node computes the cell. */
export function isOperator(cell: CellConfig, { origin }: Bench): boolean {
  return activationsOf(cell, origin.generation) !== undefined;
}

/** What one node computes: a cell in one direction, or two alike in both. */
export interface OperatorRun {
  readonly cell: CellConfig;
  readonly direction: 'forward' | 'reverse' | 'bidirectional';
  /** Of the one direction, or of forward and backward. */
  readonly weights: readonly [CellWeights, ...CellWeights[]];
  /** [T, N, in]. */
  readonly x: Value;
  /** int32 [N]: steps that count, from the first on. */
  readonly lengths?: Value | undefined;
  /** The first states, [directions, N, units] each; zeros where there are none. */
  readonly initial: readonly Value[];
  readonly parameter: (name: string, source: TensorSource) => Value;
}

/** Adds the node: Y [T, directions, N, units], and the last states [directions, N, units]. */
export function operatorNode(
  run: OperatorRun,
  { graph, origin }: Bench,
): readonly [Value, ...Value[]] {
  const { cell, weights, parameter, initial, lengths } = run;
  const kernels = weights.map(({ kernel }) => kernel);
  const recurrent = weights.map(({ recurrent_kernel: kernel }) => kernel);
  const hasBias = weights.some(({ bias }) => bias !== undefined);
  const inputs = [
    run.x,
    parameter('kernel', operatorKernel(cell.kind, kernels)),
    parameter('recurrent_kernel', operatorKernel(cell.kind, recurrent)),
    hasBias ? parameter('bias', operatorBias(cell, weights)) : undefined,
    lengths,
    initial[0],
  ] as const;
  const attributes = attributesOf(run, origin.generation);
  switch (cell.kind) {
    case 'LSTM':
      return graph.addAll('LSTM', [...inputs, initial[1]], attributes);
    case 'GRU':
      return graph.addAll('GRU', inputs, {
        ...attributes,
        linear_before_reset: cell.resetAfter ? 1 : 0,
      });
    case 'SimpleRNN':
      return graph.addAll('RNN', inputs, attributes);
  }
}

function attributesOf(
  { cell, direction, weights }: OperatorRun,
  generation: Generation,
): RecurrentAttributes {
  const one = activationsOf(cell, generation);
  if (!one) throw new Error(`Bug: no operator computes ${JSON.stringify(cell.activation)}`);
  const all = weights.flatMap(() => one);
  const alpha = all.flatMap((activation) => activation.alpha ?? []);
  const beta = all.flatMap((activation) => activation.beta ?? []);
  return {
    hidden_size: cell.units,
    direction,
    activations: all.map(({ name }) => name),
    ...(alpha.length > 0 ? { activation_alpha: alpha } : {}),
    ...(beta.length > 0 ? { activation_beta: beta } : {}),
  };
}

/** [directions, N, units] of a state that is given for each direction as [N, units]. */
export function stackedStates(states: readonly Value[], { graph }: Bench): Value {
  const rows = states.map((state) => graph.add('Unsqueeze', [state, integers(graph, 'axes', [0])]));
  const [first, ...others] = rows;
  if (!first) throw new Error('Bug: no state to stack');
  return others.length === 0 ? first : graph.add('Concat', [first, ...others], { axis: 0 });
}
