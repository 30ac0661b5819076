import type { Preprocess } from '../../onnx/card.ts';
import { readImage } from '../../runtime/image.ts';
import { floatPreprocessor, imageElements } from '../../runtime/preprocess.ts';
import { resize } from '../../runtime/resize.ts';
import { augmented } from './augment.ts';
import type { Augmentation } from './settings.ts';

/** What becomes of a picture on its way into a model: plain data, so that it can be sent to a worker. */
export interface PicturePlan {
  readonly preprocess: Preprocess;
  /** Without it pictures stay as they are. */
  readonly augment: Augmentation | undefined;
}

/** A picture as a model's input: read, brought to size, changed at random by a seed, preprocessed; Keras' order. */
export type PictureReader = (path: string, seed: number) => Promise<Float32Array>;

/** Throws MODEL_CARD_INVALID; the reader throws IMAGE_UNREADABLE and FILE_MISSING. */
export function pictureReader({ preprocess, augment }: PicturePlan): PictureReader {
  const finish = floatPreprocessor(preprocess);
  const { size, color } = preprocess;
  return async (path, seed) => {
    const pixels = await readImage(path, { color: color === 'gray' ? 'gray' : 'rgb' });
    const sized = resize(pixels, size, preprocess.resize);
    const { height, width, channels } = sized;
    const picture = { height, width, channels, data: Float32Array.from(sized.data) };
    const changed = augment ? augmented(picture, augment, seed) : picture;
    const out = new Float32Array(imageElements(preprocess));
    finish(changed.data, out, 0);
    return out;
  };
}
