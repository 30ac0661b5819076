import { ToolkitError } from '../errors.ts';
import type { Preprocess } from '../onnx/card.ts';
import type { Pixels } from './pixels.ts';
import { resize } from './resize.ts';
import { standardiser } from './standardise.ts';

type Mode = Preprocess['mode'];
type Color = Preprocess['color'];
type Channel = 'red' | 'green' | 'blue' | 'grey';

/** What becomes of a pixel value of 0 to 255, in float32 arithmetic as NumPy does it; no rule where Keras has none. */
type ModeRule = { readonly [C in Channel]?: (value: number) => number };

const f32 = Math.fround;
const minus = (mean: number) => (value: number) => f32(value - f32(mean));
const scaled = (mean: number, deviation: number) => (value: number) =>
  f32(f32(f32(value / 255) - f32(mean)) / f32(deviation));
const unchanged = (value: number): number => value;
const centred = (value: number): number => f32(f32(value / 127.5) - 1);

/**
 * One row a mode of Keras' `imagenet_utils.preprocess_input`: caffe subtracts the means of ImageNet, tf brings to
 * [-1, 1], torch to mean 0 and deviation 1. The order of the channels is not theirs but the card's `color`.
 */
const modes: { readonly [M in Mode]: ModeRule } = {
  none: { red: unchanged, green: unchanged, blue: unchanged, grey: unchanged },
  caffe: { red: minus(123.68), green: minus(116.779), blue: minus(103.939) },
  tf: { red: centred, green: centred, blue: centred, grey: centred },
  torch: { red: scaled(0.485, 0.229), green: scaled(0.456, 0.224), blue: scaled(0.406, 0.225) },
};

const colors: { readonly [C in Color]: readonly Channel[] } = {
  rgb: ['red', 'green', 'blue'],
  bgr: ['blue', 'green', 'red'],
  gray: ['grey'],
};

const offsets: { readonly [C in Channel]: number } = { red: 0, green: 1, blue: 2, grey: 0 };

/** Writes a picture into `out` from element `start` on, as one image of the model's input. */
export type Preprocessor = (pixels: Pixels, out: Float32Array, start: number) => void;

/** Elements that one image takes in the model's input. */
export function imageElements({ size, color }: Pick<Preprocess, 'size' | 'color'>): number {
  return size[0] * size[1] * colors[color].length;
}

/** Shape of a batch of `count` images: [N, C, H, W] or [N, H, W, C]. */
export function batchShape({ size, color, layout }: Preprocess, count: number): readonly number[] {
  const channels = colors[color].length;
  return layout === 'nchw' ? [count, channels, ...size] : [count, ...size, channels];
}

/**
 * From decoded pixels (of the card's colour, any size) to numbers in the layout of the model's input.
 *
 * Throws MODEL_CARD_INVALID for a mode that is not defined for grey pictures.
 */
export function preprocessor(preprocess: Preprocess): Preprocessor {
  const { size, resize: interpolation } = preprocess;
  const write = pixelWriter(preprocess);
  return (pixels, out, start) => write(resize(pixels, size, interpolation).data, out, start);
}

/**
 * The same for pixels that have the model's size already.
 *
 * Throws MODEL_CARD_INVALID as `preprocessor` does.
 */
export function pixelWriter(
  preprocess: Preprocess,
): (data: Uint8Array, out: Float32Array, start: number) => void {
  const { size, layout } = preprocess;
  const channels = colors[preprocess.color];
  const tables = channels.map((channel) => tableOf(preprocess, channel));
  const standardise = standardiser(preprocess);
  const plane = size[0] * size[1];
  const isPlanar = layout === 'nchw';
  const step = isPlanar ? 1 : channels.length;
  return (data, out, start) => {
    channels.forEach((channel, c) => {
      const table = tables[c] ?? new Float32Array(256);
      let to = start + (isPlanar ? c * plane : c);
      for (let from = offsets[channel]; from < data.length; from += channels.length, to += step) {
        out[to] = table[data[from] ?? 0] ?? 0;
      }
    });
    standardise?.(out, start, plane * channels.length);
  };
}

/**
 * The same for a picture of floats that has the model's size already: [H, W, channels], channels RGB or grey.
 *
 * Throws MODEL_CARD_INVALID as `preprocessor` does.
 */
export function floatPreprocessor(
  preprocess: Preprocess,
): (picture: Float32Array, out: Float32Array, start: number) => void {
  const { size, layout } = preprocess;
  const channels = colors[preprocess.color];
  const rules = channels.map((channel) => ruleOf(preprocess, channel));
  const standardise = standardiser(preprocess);
  const plane = size[0] * size[1];
  const isPlanar = layout === 'nchw';
  const step = isPlanar ? 1 : channels.length;
  return (picture, out, start) => {
    channels.forEach((channel, c) => {
      const rule = rules[c] ?? unchanged;
      let to = start + (isPlanar ? c * plane : c);
      for (let at = offsets[channel]; at < picture.length; at += channels.length, to += step) {
        out[to] = rule(picture[at] ?? 0);
      }
    });
    standardise?.(out, start, plane * channels.length);
  };
}

function tableOf(preprocess: Preprocess, channel: Channel): Float32Array {
  return Float32Array.from({ length: 256 }, (_, value) => ruleOf(preprocess, channel)(value));
}

function ruleOf({ mode, rescale }: Preprocess, channel: Channel): (value: number) => number {
  const rule = modes[mode][channel];
  if (rule) return rescale === undefined ? rule : (value) => f32(rule(value) * f32(rescale));
  throw new ToolkitError(
    'MODEL_CARD_INVALID',
    `Preprocessing "${mode}" is defined for three channels, but the model's color is "gray"`,
    { hint: 'Use the mode "none" or "tf".' },
  );
}
