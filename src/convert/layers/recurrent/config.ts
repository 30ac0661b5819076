import type { Where } from '../../../errors.ts';
import type { ConfigReader } from '../../../keras/config.ts';
import type { Shape, TensorSource } from '../../../tensor.ts';
import type { ActivationSpec } from '../../activations.ts';
import { unsupported } from '../../layer.ts';
import { readActivation } from '../../read.ts';

export const recurrentKinds = ['SimpleRNN', 'GRU', 'LSTM'] as const;
export type RecurrentKind = (typeof recurrentKinds)[number];

/** Blocks of `units` columns in the weights of each kind: one a gate. */
export const gateCounts = { SimpleRNN: 1, GRU: 3, LSTM: 4 } as const;
/** Tensors of state: h, and c for an LSTM. */
export const stateCounts = { SimpleRNN: 1, GRU: 1, LSTM: 2 } as const;

/** What one cell computes at each step. */
export interface CellConfig {
  readonly kind: RecurrentKind;
  readonly units: number;
  readonly activation: ActivationSpec;
  readonly recurrentActivation: ActivationSpec;
  readonly useBias: boolean;
  /** GRU: whether the reset gate works on the product with the recurrent kernel, or before it. */
  readonly resetAfter: boolean;
}

/** How a layer runs its cell over the steps, and what it hands on. */
export interface RunConfig {
  readonly goBackwards: boolean;
  readonly returnSequences: boolean;
  readonly returnState: boolean;
  /** Whether the output at a masked step is zero, instead of that of the step before. */
  readonly zeroOutputForMask: boolean;
}

/** Kernel [in, gates · units], recurrent kernel [units, gates · units], bias [gates · units] or [2, gates · units]. */
export interface CellWeights {
  readonly kernel: TensorSource;
  readonly recurrent_kernel: TensorSource;
  readonly bias: TensorSource | undefined;
}

export function readCell(config: ConfigReader, kind: RecurrentKind, where: Where): CellConfig {
  return {
    kind,
    units: config.integer('units'),
    activation: readActivation(config, where, { byDefault: 'tanh' }),
    recurrentActivation: readActivation(config, where, {
      key: 'recurrent_activation',
      byDefault: 'sigmoid',
    }),
    useBias: config.boolean('use_bias', true),
    resetAfter: kind === 'GRU' && config.boolean('reset_after', false),
  };
}

/** Throws KERAS_LAYER_UNSUPPORTED for layers that keep their state from call to call, or count time before the batch. */
export function readRun(config: ConfigReader, where: Where): RunConfig {
  if (config.boolean('stateful', false)) {
    throw unsupported(
      'The layer is stateful: it remembers what came before from one call to the next, and an ONNX graph cannot',
      where,
      'Build the model with stateful=False and load the same weights, giving whole sequences; or with return_state=True and an initial_state, which become outputs and inputs.',
    );
  }
  if (config.boolean('time_major', false)) {
    throw unsupported(
      'The layer takes sequences with the time before the batch (time_major)',
      where,
      'Build the model with time_major=False and load the same weights.',
    );
  }
  return {
    goBackwards: config.boolean('go_backwards', false),
    returnSequences: config.boolean('return_sequences', false),
    returnState: config.boolean('return_state', false),
    zeroOutputForMask: config.boolean('zero_output_for_mask', false),
  };
}

/** Shapes of a cell's weights for an input of the given shape. */
export function cellShapes(
  { kind, units, useBias, resetAfter }: CellConfig,
  input: Shape,
): {
  readonly kernel: readonly number[];
  readonly recurrent_kernel: readonly number[];
  readonly bias: readonly number[] | undefined;
} {
  const columns = gateCounts[kind] * units;
  return {
    kernel: [Number(input.at(-1) ?? 1), columns],
    recurrent_kernel: [units, columns],
    bias: useBias ? (resetAfter ? [2, columns] : [columns]) : undefined,
  };
}
