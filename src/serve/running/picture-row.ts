import { readResized } from '../../runtime/image.ts';
import type { Preprocess } from '../../runtime/model.ts';

/**
 * Decodes a picture to the pixels of one row of a model's input: [H, W, channels] of its size, RGB or grey.
 *
 * Bytes, because they are a quarter of what the model takes, and go from thread to thread. Throws IMAGE_UNREADABLE.
 */
export async function pictureRow(
  bytes: Uint8Array,
  { color, size, resize }: Preprocess,
  maxPixels: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const of = color === 'gray' ? 'gray' : 'rgb';
  const { data } = await readResized(bytes, { color: of, maxPixels, size, resize });
  // What was not resized may share its buffer with others, and must not change hands.
  return new Uint8Array(data);
}
