import { readImage } from '../../runtime/image.ts';
import type { Preprocess } from '../../runtime/model.ts';
import { resize } from '../../runtime/resize.ts';

/**
 * Decodes a picture to the pixels of one row of a model's input: [H, W, channels] of its size, RGB or grey.
 *
 * Bytes, because they are a quarter of what the model takes, and go from thread to thread. Throws IMAGE_UNREADABLE.
 */
export async function pictureRow(
  bytes: Uint8Array,
  preprocess: Preprocess,
  maxPixels: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const color = preprocess.color === 'gray' ? 'gray' : 'rgb';
  const pixels = await readImage(bytes, { color, maxPixels });
  const { data } = resize(pixels, preprocess.size, preprocess.resize);
  // What was not resized may share its buffer with others, and must not change hands.
  return new Uint8Array(data);
}
