import { readImage } from '../runtime/image.ts';
import type { Preprocess } from '../runtime/model.ts';
import { imageElements, type Preprocessor, preprocessor } from '../runtime/preprocess.ts';

/** Decodes a picture to one row of a model's input. Throws IMAGE_UNREADABLE, MODEL_CARD_INVALID. */
export async function pictureRow(
  bytes: Uint8Array,
  preprocess: Preprocess,
  maxPixels: number,
): Promise<Float32Array<ArrayBuffer>> {
  const color = preprocess.color === 'gray' ? 'gray' : 'rgb';
  const pixels = await readImage(bytes, { color, maxPixels });
  const row = new Float32Array(imageElements(preprocess));
  preprocessorOf(preprocess)(pixels, row, 0);
  return row;
}

const preprocessors = new Map<string, Preprocessor>();

/** Made once for all pictures of a model: it computes tables. */
function preprocessorOf(preprocess: Preprocess): Preprocessor {
  const key = JSON.stringify(preprocess);
  const known = preprocessors.get(key) ?? preprocessor(preprocess);
  preprocessors.set(key, known);
  return known;
}
