import { ToolkitError } from '../errors.ts';
import type { Preprocess } from '../onnx/card.ts';
import type { LabelledFile, SkippedFile } from './folder.ts';
import { readImage } from './image.ts';
import { batchShape, imageElements, type Preprocessor, preprocessor } from './preprocess.ts';

/** Some pictures as one input of a model. */
export interface ImageBatch {
  /** [N, C, H, W] or [N, H, W, C], as the card says. The caller may keep it. */
  readonly data: Float32Array;
  readonly shape: readonly number[];
  readonly files: readonly string[];
  /** Index of the class of each; only where the source had labels. */
  readonly labels?: readonly number[];
}

/** How pictures are batched. */
export interface BatchOptions {
  readonly preprocess: Preprocess;
  /** Images a batch; the last one may be short. Default 8. */
  readonly batch?: number | undefined;
  /** A picture that cannot be read is an error instead of being passed over. Default false. */
  readonly strict?: boolean | undefined;
  /** Told of pictures that are passed over. Without it, a file that is not there is an error. */
  readonly onSkip?: ((skipped: SkippedFile) => void) | undefined;
  readonly maxPixels?: number | undefined;
}

/** Decoded pixels that wait for their turn take at most this much, or two pictures. */
const waitingBytes = 256 * 1024 * 1024;
/** Node decodes on four threads unless told otherwise (UV_THREADPOOL_SIZE). */
const decodingThreads = 4;

/**
 * Reads pictures in order, in batches, while the caller computes.
 *
 * Whenever a batch is handed out, the pictures of the next one are already being decoded by the thread pool, and go on
 * while a run of the model blocks the event loop. Pictures that cannot be read are passed over, reported by name, and
 * the batch is filled from those that follow. Memory: one batch, and 256 MiB of pixels at most (or two pictures).
 * Throws FILE_MISSING unless there is `onSkip`, IMAGE_UNREADABLE and FILE_MISSING when strict, MODEL_CARD_INVALID.
 */
export async function* imageBatches(
  source: readonly (string | LabelledFile)[],
  options: BatchOptions,
): AsyncGenerator<ImageBatch> {
  const { preprocess, batch = 8 } = options;
  const elements = imageElements(preprocess);
  let ready: Image[] = [];
  for await (const image of imagesAhead(source, options)) {
    ready.push(image);
    if (ready.length < batch) continue;
    yield joined(ready, preprocess, elements);
    ready = [];
  }
  if (ready.length > 0) yield joined(ready, preprocess, elements);
}

interface Image {
  readonly file: string | LabelledFile;
  readonly data: Float32Array;
}

function joined(images: readonly Image[], preprocess: Preprocess, elements: number): ImageBatch {
  const data = new Float32Array(images.length * elements);
  images.forEach((image, i) => data.set(image.data, i * elements));
  const files = images.map(({ file }) => pathOf(file));
  const labels = images.flatMap(({ file }) => (typeof file === 'string' ? [] : [file.label]));
  const shape = batchShape(preprocess, images.length);
  return { data, shape, files, ...(labels.length > 0 && { labels }) };
}

/** The pictures in order, each already being decoded some time before it is asked for. */
async function* imagesAhead(
  source: readonly (string | LabelledFile)[],
  options: BatchOptions,
): AsyncGenerator<Image> {
  const reader = imageReader(options);
  const wanted = Math.max(2 * (options.batch ?? 8), decodingThreads);
  const waiting: Promise<Outcome>[] = [];
  let next = 0;
  for (;;) {
    const ahead = Math.min(wanted, Math.max(2, Math.floor(waitingBytes / reader.largestBytes())));
    while (waiting.length < ahead && next < source.length) {
      const file = source[next++];
      if (file !== undefined) waiting.push(reader.read(file));
    }
    const outcome = await waiting.shift();
    if (!outcome) return;
    if ('data' in outcome) yield outcome;
    else passOver(outcome, options);
  }
}

interface Failure {
  readonly file: string | LabelledFile;
  readonly fault: unknown;
}

type Outcome = Image | Failure;

interface ImageReader {
  /** Never rejects: it may fail before anyone waits for it. */
  readonly read: (file: string | LabelledFile) => Promise<Outcome>;
  /** Bytes of the largest picture so far. */
  readonly largestBytes: () => number;
}

function imageReader({ preprocess, maxPixels }: BatchOptions): ImageReader {
  const fill: Preprocessor = preprocessor(preprocess);
  const elements = imageElements(preprocess);
  const color = preprocess.color === 'gray' ? 'gray' : 'rgb';
  let largest = 1;
  return {
    async read(file) {
      try {
        const pixels = await readImage(pathOf(file), { color, maxPixels });
        largest = Math.max(largest, pixels.data.byteLength);
        const data = new Float32Array(elements);
        fill(pixels, data, 0);
        return { file, data };
      } catch (fault) {
        return { file, fault };
      }
    },
    largestBytes: () => largest,
  };
}

function passOver({ file, fault }: Failure, { strict, onSkip }: BatchOptions): void {
  const isPicturesFault =
    fault instanceof ToolkitError && ['IMAGE_UNREADABLE', 'FILE_MISSING'].includes(fault.code);
  const isUntold = onSkip === undefined && isPicturesFault && fault.code === 'FILE_MISSING';
  if (strict === true || !isPicturesFault || isUntold) throw fault;
  onSkip?.({ path: pathOf(file), reason: fault.message.split('\n')[0] ?? fault.message });
}

function pathOf(file: string | LabelledFile): string {
  return typeof file === 'string' ? file : file.path;
}
