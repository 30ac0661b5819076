import { RandomState } from '../random.ts';
import { type FloatPicture, transformed } from './affine.ts';
import { drawChange } from './draw.ts';
import type { Augmentation } from './settings.ts';

/**
 * Changes a picture at random as Keras' ImageDataGenerator does, before anything is subtracted or scaled.
 *
 * Keras 1 reads the nearest pixel, later ones interpolate. Equal seeds give what Keras gives after
 * `numpy.random.seed(seed)`. Memory: one more picture.
 */
export function augmented(
  picture: FloatPicture,
  settings: Augmentation,
  seed: number,
): FloatPicture {
  const change = drawChange(settings, new RandomState(seed), picture);
  const order = settings.keras === 1 ? 0 : 1;
  let changed = change.matrix ? transformed(picture, change.matrix, order, settings) : picture;
  if (change.channels) changed = channelsShifted(changed, change.channels);
  if (change.horizontalFlip) changed = flipped(changed, 'horizontal');
  return change.verticalFlip ? flipped(changed, 'vertical') : changed;
}

/** Each channel moved, and clipped to the least and the greatest number of the whole picture. */
function channelsShifted(picture: FloatPicture, shifts: readonly number[]): FloatPicture {
  const { channels, data } = picture;
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of data) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return {
    ...picture,
    data: data.map((value, i) =>
      Math.min(Math.max(value + Math.fround(shifts[i % channels] ?? 0), least), most),
    ),
  };
}

function flipped(picture: FloatPicture, axis: 'horizontal' | 'vertical'): FloatPicture {
  const { height, width, channels, data } = picture;
  const result = new Float32Array(data.length);
  let to = 0;
  for (let row = 0; row < height; row++) {
    const fromRow = axis === 'vertical' ? height - 1 - row : row;
    for (let column = 0; column < width; column++) {
      const fromColumn = axis === 'horizontal' ? width - 1 - column : column;
      const from = (fromRow * width + fromColumn) * channels;
      for (let channel = 0; channel < channels; channel++) result[to++] = data[from + channel] ?? 0;
    }
  }
  return { ...picture, data: result };
}
