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
  if (change.verticalFlip) changed = flipped(changed, 'vertical');
  if (change.brightness === undefined) return changed;
  return brightened(changed, change.brightness, { isStretched: settings.keras === 2 });
}

const f32 = Math.fround;

/**
 * Pillow's `ImageEnhance.Brightness` on bytes, with what is behind the point cut off.
 *
 * Keras 2 stretches each picture to 0 to 255 before, Keras 3 only one that has other numbers, which it brings back after.
 * Source: keras_preprocessing 1.1.2 image/affine_transformations.py and utils.py; keras 3
 * src/legacy/preprocessing/image.py and src/utils/image_utils.py; Pillow src/libImaging/Blend.c.
 */
function brightened(
  picture: FloatPicture,
  factor: number,
  { isStretched }: { readonly isStretched: boolean },
): FloatPicture {
  const [least, most] = boundsOf(picture);
  const isOutside = least < 0 || most > 255;
  const range = f32(most - least) || 1;
  const byteOf = (value: number): number =>
    isStretched || isOutside ? f32(f32(f32(value - least) / range) * 255) : value;
  const alpha = f32(factor);
  const data = picture.data.map((value) => {
    const bright = Math.min(255, Math.trunc(f32(alpha * Math.trunc(byteOf(value)))));
    if (isStretched || !isOutside) return bright;
    return f32(f32(f32(bright / 255) * f32(most - least)) + least);
  });
  return { ...picture, data };
}

function boundsOf({ data }: FloatPicture): readonly [least: number, most: number] {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of data) {
    if (value < least) least = value;
    if (value > most) most = value;
  }
  return [least, most];
}

/** Each channel moved, and clipped to the least and the greatest number of the whole picture. */
function channelsShifted(picture: FloatPicture, shifts: readonly number[]): FloatPicture {
  const { channels, data } = picture;
  const [least, most] = boundsOf(picture);
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
