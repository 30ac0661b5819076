import { ToolkitError } from '../../errors.ts';
import type { Preprocess } from '../../onnx/card.ts';
import type { StoredModel } from '../../onnx/read.ts';
import type { LabelledFile } from '../../runtime/folder.ts';
import { type LoadOptions, loadModel } from '../../runtime/model.ts';
import { batchShape, imageElements } from '../../runtime/preprocess.ts';
import { openPicturePool, type PicturePool } from '../augment/pool.ts';
import type { Augmentation } from '../augment/settings.ts';
import type { CutPoint } from '../plan/cut-point.ts';
import { streamSeed } from '../random.ts';
import { inAdvance, type Rows } from '../rows.ts';

/** Pictures that are read anew, and changed anew, in each epoch. */
export interface LiveOptions extends Pick<LoadOptions, 'provider' | 'threads' | 'preprocess'> {
  readonly files: readonly LabelledFile[];
  /** Without it they are only read. */
  readonly augment: Augmentation | undefined;
  /** For the changes. */
  readonly seed: number;
  readonly workers?: number | undefined;
}

/** Rows that are made of pictures while they are asked for, and what made them. Whoever opened it closes it. */
export interface LiveRows {
  readonly rows: Rows;
  readonly preprocess: Preprocess;
  readonly close: () => Promise<void>;
}

/** Batches on their way while one is learned from. */
const ahead = 3;

/**
 * Opens rows of features at a cut: workers read and change pictures while the model learns, the frozen part runs here.
 *
 * Throws what `loadModel` throws; its batches throw IMAGE_UNREADABLE.
 */
export async function openLiveRows(
  model: StoredModel,
  cut: CutPoint,
  options: LiveOptions,
): Promise<LiveRows> {
  const { provider, threads, preprocess, files, augment, workers } = options;
  const input = model.inputs[0]?.name ?? '';
  const outputs = cut.name === input ? {} : { outputs: [cut.name] };
  const loaded = await loadModel(model.path, { provider, threads, preprocess, ...outputs });
  const pool = openPicturePool({ preprocess: loaded.preprocess, augment }, { workers });
  const features = async (batch: Float32Array, count: number): Promise<Float32Array> => {
    if (cut.name === input) return batch;
    const shape = batchShape(loaded.preprocess, count);
    const feed = { dtype: 'float32', shape, data: batch } as const;
    const result = (await loaded.session.run({ [input]: feed }, [cut.name]))[cut.name]?.data;
    if (result instanceof Float32Array) return result;
    throw new Error(`Bug: "${cut.name}" should be float32`);
  };
  const pictures = batchReader(pool, options, imageElements(loaded.preprocess));
  return {
    rows: {
      count: files.length,
      width: cut.width,
      memory: undefined,
      isKept: false,
      async *batches(pass) {
        for await (const { data, count } of inAdvance(pass, ahead, pictures)) {
          yield await features(data, count);
        }
      },
    },
    preprocess: loaded.preprocess,
    async close() {
      await pool.close();
      await loaded.close();
    },
  };
}

interface PictureBatch {
  readonly data: Float32Array;
  readonly count: number;
}

type ReadBatch = (order: Uint32Array, epoch: number) => Promise<PictureBatch>;

/** A picture's change depends on seed, epoch and place in the list: not on the order, nor on who makes it. */
function batchReader(pool: PicturePool, { files, seed }: LiveOptions, elements: number): ReadBatch {
  return async (order, epoch) => {
    const epochSeed = streamSeed(seed, `augment ${epoch}`);
    const data = new Float32Array(order.length * elements);
    const read = async (row: number, place: number): Promise<void> => {
      const path = files[row]?.path ?? '';
      const outcome = await pool.read(path, streamSeed(epochSeed, `augment ${row}`));
      if ('reason' in outcome) throw unreadable(path, outcome.reason);
      data.set(outcome.data, place * elements);
    };
    await Promise.all(Array.from(order, read));
    return { data, count: order.length };
  };
}

/** IMAGE_UNREADABLE for a picture. */
export function unreadable(file: string, reason: string): ToolkitError {
  return new ToolkitError('IMAGE_UNREADABLE', reason, {
    where: { file },
    hint: 'Save it again in an image program, or take it out.',
  });
}
