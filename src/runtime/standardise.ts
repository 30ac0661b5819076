import type { Preprocess } from '../onnx/card.ts';

/** What Keras adds to a deviation before it divides by it. */
const least = 1e-6;

const f32 = Math.fround;

/**
 * Brings a picture in a model's input to mean 0 and deviation 1: by its own numbers, then by those of each channel of the
 * pictures that the model learned from.
 *
 * It lies in `out` from `start` on. `undefined` where a model asks for neither. Source: keras
 * src/legacy/preprocessing/image.py, ImageDataGenerator.standardize.
 */
export function standardiser({
  standardise,
  layout,
  size,
}: Preprocess): ((out: Float32Array, start: number, elements: number) => void) | undefined {
  if (!standardise) return undefined;
  const { samplewise_center: isCentred, samplewise_std_normalization: isScaled } = standardise;
  const { mean = [], std = [] } = standardise;
  const plane = size[0] * size[1];
  return (out, start, elements) => {
    const picture = out.subarray(start, start + elements);
    if (isCentred === true) moved(picture, meanOf(picture));
    if (isScaled === true) divided(picture, deviationOf(picture));
    const channels = elements / plane;
    const channelOf = (i: number): number =>
      layout === 'nchw' ? Math.floor(i / plane) : i % channels;
    for (let i = 0; i < elements; i++) {
      const channel = channelOf(i);
      const centred = f32((picture[i] ?? 0) - f32(mean[channel] ?? 0));
      picture[i] = std.length > 0 ? centred / f32(f32(std[channel] ?? 1) + f32(least)) : centred;
    }
  };
}

function moved(picture: Float32Array, mean: number): void {
  for (let i = 0; i < picture.length; i++) picture[i] = (picture[i] ?? 0) - f32(mean);
}

function divided(picture: Float32Array, deviation: number): void {
  const by = f32(f32(deviation) + f32(least));
  for (let i = 0; i < picture.length; i++) picture[i] = (picture[i] ?? 0) / by;
}

function meanOf(picture: Float32Array): number {
  let sum = 0;
  for (const value of picture) sum += value;
  return sum / picture.length;
}

function deviationOf(picture: Float32Array): number {
  const mean = meanOf(picture);
  let squares = 0;
  for (const value of picture) squares += (value - mean) ** 2;
  return Math.sqrt(squares / picture.length);
}
