import { ConfigReader } from '../../../keras/config.ts';
import { floatSource, joined, permuted } from '../../../source.ts';
import type { TensorSource, Value } from '../../../tensor.ts';
import { type Bench, defineLayer, type Layer } from '../../layer.ts';
import { channelsFirstTensor, isKnown, type KerasTensor, kerasTensor } from '../../layout.ts';
import { readDataFormat, readPadding } from '../../read.ts';
import { reshapeTo } from '../../sizes.ts';
import { channelsOf, windowed } from '../../window.ts';
import { Algebra } from '../operations/algebra.ts';
import { OperationCall } from '../operations/call.ts';
import { arctan2 } from '../operations/formulas.ts';
import { spectrumOf } from '../operations/signals.ts';

const modes = ['log', 'magnitude', 'psd', 'real', 'imag', 'angle', 'stft'] as const;
type Mode = (typeof modes)[number];

/** Keras' smallest number that counts. */
const least = 1e-7;

/**
 * STFTSpectrogram: sines and cosines, times a window, as two convolutions over each channel by itself.
 *
 * x [N, T, C] or [N, C, T]; real_kernel and imag_kernel [window, 1, frequencies]. Source:
 * keras/src/layers/preprocessing/stft_spectrogram.py.
 */
export const stftSpectrogram: Layer = defineLayer({
  keras: ['STFTSpectrogram'],
  read(config) {
    const length = config.integer('frame_length', 256);
    const size = config.integer('fft_length', 2 ** Math.ceil(Math.log2(length)));
    return {
      mode: config.oneOf('mode', modes, 'log'),
      kind: 'convolution' as const,
      kernel: [length],
      strides: [config.integer('frame_step', Math.floor(length / 2))],
      dilations: [1],
      padding: readPadding(config),
      dataFormat: readDataFormat(config),
      frequencies: Math.floor(size / 2) + 1,
      expands: config.boolean('expand_dims', false),
    };
  },
  weights({ mode, kernel, frequencies }) {
    const shape = [...kernel, 1, frequencies];
    return {
      real_kernel: mode === 'imag' ? undefined : shape,
      imag_kernel: mode === 'real' ? undefined : shape,
    };
  },
  emit({ config, input, weights, parameter, ...bench }) {
    const channels = channelsOf(input.shape, config.dataFormat);
    const { maps, around } = windowed(input, config, bench);
    const signal = (name: string, kernel: TensorSource): Value => {
      // [window, 1, frequencies] → [frequencies, 1, window], once for each channel.
      const turned = permuted(kernel, [2, 1, 0]);
      const all = joined(Array.from({ length: channels }, () => turned));
      return bench.graph.add('Conv', [maps.value, parameter(name, all)], {
        kernel_shape: config.kernel,
        strides: config.strides,
        ...around,
        dilations: config.dilations,
        group: channels,
      });
    };
    const real = weights.real_kernel && signal('real_kernel', weights.real_kernel);
    const imag = weights.imag_kernel && signal('imag_kernel', weights.imag_kernel);
    const size = { channels, frequencies: config.frequencies };
    const value = spectrum({ real, imag }, config.mode, size, bench);
    const frequencies = config.mode === 'stft' ? 2 * config.frequencies : config.frequencies;
    return laidOut(value, { ...config, channels, frequencies }, bench);
  },
});

interface Size {
  readonly channels: number;
  readonly frequencies: number;
}

// oxlint-disable-next-line eslint/max-params -- one formula with its parts
function spectrum(
  { real, imag }: { readonly real: Value | undefined; readonly imag: Value | undefined },
  mode: Mode,
  { channels, frequencies }: Size,
  { graph }: Bench,
): Value {
  const m = new Algebra(graph);
  if (!real || !imag) return real ?? imag ?? lost();
  if (mode === 'angle') return arctan2(imag, real, graph);
  if (mode === 'stft') {
    const [batch = 1, , steps = 1] = real.shape;
    const apart = [real, imag].map((part) =>
      reshapeTo(graph, part, [batch, channels, frequencies, steps], [real]),
    );
    const both = m.concat(apart, 2);
    return reshapeTo(graph, both, [batch, channels * 2 * frequencies, steps], [real]);
  }
  const power = m.plus(m.times(real, real), m.times(imag, imag));
  if (mode === 'psd') {
    // Each frequency stands for its mirror image too, but for the first and the last.
    const one = Array.from({ length: frequencies }, (_, k) =>
      k === 0 || k === frequencies - 1 ? 1 : 2,
    );
    const weights = Array.from({ length: channels }, () => one).flat();
    return m.times(power, graph.floats('mirrored', weights, [weights.length, 1]));
  }
  const magnitude = m.of('Sqrt', m.join('Max', power, least));
  return mode === 'magnitude' ? magnitude : m.of('Log', m.join('Max', magnitude, least));
}

function lost(): never {
  throw new Error('Bug: a spectrum has a part');
}

/** [N, C · frequencies, T] as Keras has it: channels last or first, and apart where expand_dims is set. */
function laidOut(
  value: Value,
  {
    channels,
    frequencies,
    expands,
    dataFormat,
  }: Size & { readonly expands: boolean; readonly dataFormat: string },
  { graph }: Bench,
): KerasTensor {
  const isLast = dataFormat === 'channels_last';
  if (!expands) return isLast ? channelsFirstTensor(value) : kerasTensor(value);
  const [batch = 1, , steps = 1] = value.shape;
  const apart = reshapeTo(graph, value, [batch, channels, frequencies, steps], [value]);
  const perm = isLast ? [0, 3, 2, 1] : [0, 1, 3, 2];
  return kerasTensor(graph.add('Transpose', [apart], { perm }));
}

interface Mel {
  readonly bins: number;
  readonly rate: number;
  readonly lowest: number;
  readonly highest: number;
}

/** Triangles that are even on the mel scale: [frequencies, bins]. The first frequency counts for none. */
function melWeights(frequencies: number, { bins, rate, lowest, highest }: Mel): readonly number[] {
  // oxlint-disable-next-line unicorn/consistent-function-scoping -- read together with what it serves
  const mel = (hertz: number): number => 1127 * Math.log(1 + hertz / 700);
  const [from, to] = [mel(lowest), mel(highest)];
  const edge = (i: number): number => from + ((to - from) * i) / (bins + 1);
  return Array.from({ length: frequencies }, (_, k) =>
    mel((rate / 2) * (k / (frequencies - 1))),
  ).flatMap((place, k) =>
    Array.from({ length: bins }, (_, i) => {
      const [low, middle, high] = [edge(i), edge(i + 1), edge(i + 2)];
      const slope = Math.min((place - low) / (middle - low), (high - place) / (high - middle));
      return k === 0 ? 0 : Math.max(0, slope);
    }),
  );
}

/**
 * MelSpectrogram: how loud windows of a sound are, in bands of the mel scale, in decibels where asked.
 *
 * x [N, T] → [N, bins, windows]. Source: keras/src/layers/preprocessing/mel_spectrogram.py.
 */
export const melSpectrogram: Layer = defineLayer({
  keras: ['MelSpectrogram'],
  read(config) {
    const size = config.integer('fft_length', 2048);
    const rate = config.number('sampling_rate', 16000);
    return {
      spectrum: {
        size,
        length: config.integer('sequence_length', size),
        stride: config.integer('sequence_stride', 512),
        window: config.raw('window') === undefined ? 'hann' : config.raw('window'),
        isCentred: true,
      },
      mel: {
        bins: config.integer('num_mel_bins', 128),
        rate,
        lowest: config.number('min_freq', 20),
        highest: config.number('max_freq', Math.trunc(rate / 2)),
      },
      power: config.number('mag_exp', 2),
      decibels: config.boolean('power_to_db', true)
        ? {
            range: config.number('top_db', 80),
            least: config.number('min_power', 1e-10),
            reference: config.number('ref_power', 1),
          }
        : undefined,
    };
  },
  weights: () => ({}),
  emit({ config, input, given, ...bench }) {
    const { graph, layouts, layer, where } = bench;
    const m = new Algebra(graph);
    const call = new OperationCall(given, new ConfigReader({}, where), bench);
    const x = m.cast(layouts.keras(input).value, 'float32');
    const { real, imag } = spectrumOf(x, config.spectrum, call);
    const power = m.plus(m.times(real, real), m.times(imag, imag));
    const strength = config.power === 2 ? power : m.join('Pow', power, config.power / 2);
    const frequencies = Math.floor(config.spectrum.size / 2) + 1;
    const weights = floatSource(
      [frequencies, config.mel.bins],
      melWeights(frequencies, config.mel),
    );
    const bands = graph.add('MatMul', [strength, graph.initializer(`${layer}/mel`, weights)]);
    const value = config.decibels ? inDecibels(bands, config.decibels, bench) : bands;
    const rank = value.shape.length;
    const perm = value.shape.map((_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
    if (!isKnown(x.shape.at(-1))) throw new Error('Bug: a spectrum knows the length');
    return kerasTensor(m.transpose(value, perm));
  },
});

/** 10 log₁₀ of the power over the reference, no more than the range below the loudest of all. */
function inDecibels(
  x: Value,
  {
    range,
    least: floor,
    reference,
  }: { readonly range: number; readonly least: number; readonly reference: number },
  { graph, warn }: Bench,
): Value {
  warn(
    'the quietest that counts depends on the loudest of the whole batch (power_to_db), as in Keras: give it one sound at a time',
  );
  const m = new Algebra(graph);
  const logs = m.times(m.of('Log', m.join('Max', x, floor)), 10 / Math.LN10);
  const level = m.minus(logs, 10 * Math.log10(Math.max(Math.abs(reference), floor)));
  const loudest = graph.add('ReduceMax', [level], {
    axes: level.shape.map((_, axis) => axis),
    keepdims: 0,
  });
  return m.join('Max', level, m.minus(loudest, range));
}
