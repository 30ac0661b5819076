import { floatSource } from '../../../source.ts';
import type { Value } from '../../../tensor.ts';
import { isKnown, type KerasTensor, kerasTensor } from '../../layout.ts';
import { Algebra } from './algebra.ts';
import type { OperationCall } from './call.ts';
import { inFloats, type Operation } from './elementwise.ts';
import { framed } from './sequences.ts';

/** A complex tensor: its real and its imaginary part. */
interface Complex {
  readonly real: Value;
  readonly imag: Value;
}

type Matrix = readonly (readonly number[])[];

function matrixOf(
  rows: number,
  columns: number,
  of: (row: number, column: number) => number,
): Matrix {
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (__, column) => of(row, column)),
  );
}

/** Angles of a whole turn, as exact as they come: the product is taken within one turn. */
function angle(row: number, column: number, size: number): number {
  return (2 * Math.PI * ((row * column) % size)) / size;
}

/** x [..., n] times a matrix [n, k] of the conversion. */
function times(x: Value, name: string, matrix: Matrix, call: OperationCall): Value {
  const { graph } = call.bench;
  const [first = []] = matrix;
  const weight = graph.shared(name, () =>
    floatSource([matrix.length, first.length], matrix.flat()),
  );
  return graph.add('MatMul', [x, weight]);
}

function lastSize(x: Value, call: OperationCall): number {
  const size = x.shape.at(-1);
  if (isKnown(size)) return size;
  throw call.refused('a sequence of open length');
}

/** Σ x_n e^(∓2πi nk / N) along the last axis; backwards divided by N. */
function transformed(
  { real, imag }: Complex,
  direction: 'forward' | 'backward',
  call: OperationCall,
): Complex {
  const m = new Algebra(call.bench.graph);
  const size = lastSize(real, call);
  const scale = direction === 'forward' ? 1 : 1 / size;
  const turn = direction === 'forward' ? -1 : 1;
  const cos = matrixOf(size, size, (n, k) => Math.cos(angle(n, k, size)) * scale);
  const sin = matrixOf(size, size, (n, k) => Math.sin(angle(n, k, size)) * turn * scale);
  const by = (x: Value, part: 'cos' | 'sin'): Value =>
    times(x, `${direction}_${part}_${size}`, part === 'cos' ? cos : sin, call);
  return {
    real: m.minus(by(real, 'cos'), by(imag, 'sin')),
    imag: m.plus(by(real, 'sin'), by(imag, 'cos')),
  };
}

function complexOf(call: OperationCall): Complex {
  const { graph, layouts } = call.bench;
  const [real, imag] = call.tensors.map((tensor) => inFloats(layouts.keras(tensor).value, graph));
  if (real && imag) return { real, imag };
  throw call.refused('other than a real and an imaginary part');
}

function both({ real, imag }: Complex): readonly KerasTensor[] {
  return [kerasTensor(real), kerasTensor(imag)];
}

/** Along the last axis, then along the one before. */
function plane(direction: 'forward' | 'backward'): Operation {
  return (call) => {
    const m = new Algebra(call.bench.graph);
    const turned = (x: Value): Value => {
      const rank = x.shape.length;
      return m.transpose(
        x,
        x.shape.map((_, axis) =>
          axis === rank - 1 ? rank - 2 : axis === rank - 2 ? rank - 1 : axis,
        ),
      );
    };
    const rows = transformed(complexOf(call), direction, call);
    const columns = transformed(
      { real: turned(rows.real), imag: turned(rows.imag) },
      direction,
      call,
    );
    return both({ real: turned(columns.real), imag: turned(columns.imag) });
  };
}

/** The first half of the transform of real numbers, cut or filled with zeros to a length. `window` weighs the numbers. */
function realTransform(
  x: Value,
  length: number,
  [window, name]: readonly [readonly number[], string],
  call: OperationCall,
): Complex {
  const size = lastSize(x, call);
  const bins = Math.floor(length / 2) + 1;
  const weigh = (n: number): number => (n < length ? (window[n] ?? 0) : 0);
  const cos = matrixOf(size, bins, (n, k) => weigh(n) * Math.cos(angle(n, k, length)));
  const sin = matrixOf(size, bins, (n, k) => -weigh(n) * Math.sin(angle(n, k, length)));
  return {
    real: times(x, `${name}_cos_${size}_${length}`, cos, call),
    imag: times(x, `${name}_sin_${size}_${length}`, sin, call),
  };
}

function rfft(call: OperationCall): readonly KerasTensor[] {
  const x = inFloats(call.kerasX, call.bench.graph);
  const size = lastSize(x, call);
  const length = call.number(1, size, 'fft_length');
  return both(realTransform(x, length, [Array.from({ length: size }, () => 1), 'rfft'], call));
}

/** Real numbers of the first half of their transform. */
function inverseReal({ real, imag }: Complex, length: number, call: OperationCall): Value {
  const m = new Algebra(call.bench.graph);
  const given = lastSize(real, call);
  const bins = Math.floor(length / 2) + 1;
  // Each frequency stands for itself and its mirror image, but for the first, and the middle of an even length.
  const share = (k: number): number =>
    k >= bins ? 0 : k === 0 || 2 * k === length ? 1 / length : 2 / length;
  const cos = matrixOf(given, length, (k, n) => share(k) * Math.cos(angle(k, n, length)));
  const sin = matrixOf(given, length, (k, n) => -share(k) * Math.sin(angle(k, n, length)));
  return m.plus(
    times(real, `irfft_cos_${given}_${length}`, cos, call),
    times(imag, `irfft_sin_${given}_${length}`, sin, call),
  );
}

function irfft(call: OperationCall): KerasTensor {
  const parts = complexOf(call);
  const length = call.number(1, 2 * (lastSize(parts.real, call) - 1), 'fft_length');
  return kerasTensor(inverseReal(parts, length, call));
}

/** Hann's and Hamming's windows, periodic, as Keras asks SciPy for them. */
function windowNamed(name: unknown, length: number): readonly number[] | undefined {
  const cosine = (a: number) =>
    Array.from({ length }, (_, n) => a - (1 - a) * Math.cos((2 * Math.PI * n) / length));
  if (name === undefined || name === null) return Array.from({ length }, () => 1);
  if (name === 'hann') return cosine(0.5);
  return name === 'hamming' ? cosine(0.54) : undefined;
}

/** The window in the middle of the transform's length. */
function centredWindow(
  call: OperationCall,
  [length, size]: readonly [number, number],
  name: unknown,
): readonly number[] {
  const window = Array.isArray(name) ? name.map(Number) : windowNamed(name, length);
  if (!window || length > size) throw call.refused(`the window ${JSON.stringify(name)}`);
  const left = Math.floor((size - length) / 2);
  return Array.from({ length: size }, (_, n) => window[n - left] ?? 0);
}

/** How a sequence is cut into windows that are transformed. */
export interface Spectrum {
  /** How long a window is, how far apart two are, and how many numbers are transformed. */
  readonly length: number;
  readonly stride: number;
  readonly size: number;
  readonly window: unknown;
  /** Whether the sequence is mirrored at both ends, so that each window has its middle at its place. */
  readonly isCentred: boolean;
}

/** The real and the imaginary part of the windows' transforms, [..., T] → [..., windows, frequencies]. */
export function spectrumOf(x: Value, spectrum: Spectrum, call: OperationCall): Complex {
  const { length, stride, size, window, isCentred } = spectrum;
  const m = new Algebra(call.bench.graph);
  const half = Math.floor(size / 2);
  const sides = x.shape.map((_, axis) => (axis === x.shape.length - 1 ? half : 0));
  const pads = m.graph.integers(`pads_${half}`, [...sides, ...sides]);
  const ready = isCentred ? m.graph.add('Pad', [x, pads], { mode: 'reflect' }) : x;
  const frames = framed(ready, [size, stride], call);
  const weights = centredWindow(call, [length, size], window);
  const words = `stft_${JSON.stringify(window ?? null)}_${length}`.replaceAll(/\W+/g, '_');
  return realTransform(frames, size, [weights, words], call);
}

function stft(call: OperationCall): readonly KerasTensor[] {
  const x = inFloats(call.kerasX, call.bench.graph);
  const spectrum = {
    length: call.number(1, undefined, 'sequence_length'),
    stride: call.number(2, undefined, 'sequence_stride'),
    size: call.number(3, undefined, 'fft_length'),
    window: call.raw(4, 'window'),
    isCentred: (call.raw(5, 'center') ?? true) === true,
  };
  return both(spectrumOf(x, spectrum, call));
}

/** Transforms by the matrices of their sines and cosines. Source: keras/src/backend/tensorflow/math.py. */
export const signalOperations: Readonly<Record<string, Operation>> = {
  fft: (call) => both(transformed(complexOf(call), 'forward', call)),
  fft2: plane('forward'),
  ifft2: plane('backward'),
  rfft,
  irfft,
  stft,
};
