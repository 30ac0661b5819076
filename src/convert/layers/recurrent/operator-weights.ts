import { joined, permuted, reshaped, rowBlocks } from '../../../source.ts';
import type { TensorSource } from '../../../tensor.ts';
import { computed, numbersOf } from '../../weights.ts';
import { type CellConfig, type CellWeights, gateCounts, type RecurrentKind } from './config.ts';

/** Where each of ONNX's gates is among Keras': LSTM i, o, f, c from i, f, c, o; GRU z, r, h as it is. */
const gateOrders: Readonly<Record<RecurrentKind, readonly number[]>> = {
  SimpleRNN: [0],
  GRU: [0, 1, 2],
  LSTM: [0, 3, 1, 2],
};

/** A kernel [in, gates · units] of each direction as ONNX's W or R: [directions, gates · units, in]. */
export function operatorKernel(
  kind: RecurrentKind,
  kernels: readonly TensorSource[],
): TensorSource {
  return joined(
    kernels.map((kernel) => {
      const rows = rowBlocks(permuted(kernel, [1, 0]), gateOrders[kind]);
      return reshaped(rows, [1, ...rows.shape]);
    }),
  );
}

/** The biases of each direction as ONNX's B, [directions, 2 · gates · units]: the input's, then the recurrent ones. */
export function operatorBias(
  { kind, units }: CellConfig,
  weights: readonly CellWeights[],
): TensorSource {
  const columns = gateCounts[kind] * units;
  return computed([weights.length, 2 * columns], () =>
    weights.flatMap(({ bias }) => {
      const numbers = bias ? numbersOf(bias) : [];
      return [0, 1].flatMap((half) =>
        gateOrders[kind].flatMap((gate) =>
          Array.from({ length: units }, (_, i) => numbers[half * columns + gate * units + i] ?? 0),
        ),
      );
    }),
  );
}
