import { permuted, reshaped, sourceOf } from '../source.ts';
import { sizeOf, type TensorSource } from '../tensor.ts';
import type { Json } from './config.ts';
import { columns, joined, part } from './joined.ts';
import type { KerasWeight } from './model.ts';
import { isByGate, oldGates } from './roles.ts';

interface Recurrent {
  readonly className: string;
  readonly savedClassName: string;
  readonly config: Json;
}

/** Keras 3's order of the gates in one array. */
const newGates = { LSTM: ['i', 'f', 'c', 'o'], GRU: ['z', 'r', 'h'] } as const;

/**
 * The weights of a recurrent layer as Keras 3 has them: kernel, recurrent kernel, bias, gates side by side.
 *
 * Keras 0 and 1 kept gates apart (keras/layers/recurrent.py@1.2.2); cuDNN's layers have matrices that are written column
 * by column, and two biases (keras/engine/saving.py@2.2.4, _convert_rnn_weights). `kernel` brings one gate's kernel of a
 * convolution to Keras 3's axes.
 */
export function recurrentWeights(
  { className, savedClassName, config }: Recurrent,
  weights: readonly KerasWeight[],
  kernel: (source: TensorSource) => TensorSource,
): readonly KerasWeight[] {
  const kind = className.startsWith('GRU') ? 'GRU' : 'LSTM';
  if (savedClassName.startsWith('CuDNN')) return fromCudnn(kind, weights);
  if (isByGate(config)) return weights.length < 9 ? weights : fromGates(kind, weights, kernel);
  return weights.map((weight, i) =>
    i < 2 ? { ...weight, source: kernel(weight.source) } : weight,
  );
}

function fromGates(
  kind: 'LSTM' | 'GRU',
  weights: readonly KerasWeight[],
  kernel: (source: TensorSource) => TensorSource,
): readonly KerasWeight[] {
  const names = ['kernel', 'recurrent_kernel', 'bias'];
  return names.map((name, role) => {
    const sources = newGates[kind].flatMap((gate) => {
      const at = oldGates[kind].findIndex((old) => old === gate);
      const weight = weights[3 * at + role];
      return weight ? [weight.source] : [];
    });
    return { name, source: joined(role < 2 ? sources.map(kernel) : sources) };
  });
}

function fromCudnn(kind: 'LSTM' | 'GRU', weights: readonly KerasWeight[]): readonly KerasWeight[] {
  const gates = newGates[kind].length;
  const [input, recurrent, bias, ...more] = weights;
  if (!input || !recurrent || !bias) return weights;
  const units = recurrent.source.shape[0] ?? 0;
  // What has the canonical bias already was converted when it was saved.
  if (sizeOf(bias.source.shape) !== 2 * gates * units) return weights;
  return [
    { ...input, source: cudnnKernel(input.source, units) },
    { ...recurrent, source: cudnnRecurrent(recurrent.source, units) },
    { ...bias, source: cudnnBias(kind, bias.source, gates * units) },
    ...more,
  ];
}

/** Each gate's (in, units) block is read row by row as (units, in), and that is transposed. */
function cudnnKernel(source: TensorSource, units: number): TensorSource {
  const [rows = 0] = source.shape;
  return joined(
    blocks(source, units).map((block) => permuted(reshaped(block, [units, rows]), [1, 0])),
  );
}

function cudnnRecurrent(source: TensorSource, units: number): TensorSource {
  return joined(blocks(source, units).map((block) => permuted(block, [1, 0])));
}

function blocks(source: TensorSource, units: number): TensorSource[] {
  const count = Math.floor((source.shape[1] ?? 0) / units);
  return Array.from({ length: count }, (_, gate) => columns(source, gate * units, units));
}

/** LSTM adds its two biases; GRU keeps them apart, as reset_after needs. */
function cudnnBias(kind: 'LSTM' | 'GRU', source: TensorSource, size: number): TensorSource {
  if (kind === 'GRU') return reshaped(source, [2, size]);
  return sum(part(source, 0, [size]), part(source, size, [size]));
}

function sum(a: TensorSource, b: TensorSource): TensorSource {
  return sourceOf('float32', a.shape, (start, count) => {
    const [left, right] = [floats(a, start, count), floats(b, start, count)];
    const result = left.map((number, i) => number + (right[i] ?? 0));
    return new Uint8Array(result.buffer);
  });
}

function floats(source: TensorSource, start: number, count: number): Float32Array {
  return new Float32Array(Uint8Array.from(source.read(start, count)).buffer);
}
